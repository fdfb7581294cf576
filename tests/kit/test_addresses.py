"""Masked addresses."""

from __future__ import annotations

import pytest

from semsupervisor.kit.addresses import mask_receiver, mask_target, mask_url


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("https://example.org", "https://example.org"),
        ("http://10.0.0.7:8080/hook/edge", "http://10.0.0.7:8080/hook/edge"),
        ("https://user:secret@example.org/x", "https://***@example.org/x"),
        ("https://chat.example.org/services/T01/AAAABBBBCCCCDDDD", "https://chat.example.org/services/T01/***"),
        ("https://example.org/x?token=secret&room=7", "https://example.org/x?token=***&room=***"),
        ("https://example.org/x?secret", "https://example.org/x?***"),
        ("https://example.org/x#secret", "https://example.org/x#***"),
        ("https://[broken/secret", "***"),
    ],
)
def test_what_may_be_a_secret_in_an_address_is_masked(url: str, masked: str) -> None:
    """User, query values, fragment and long parts of the path do not show; the rest does."""
    assert mask_url(url) == masked


@pytest.mark.parametrize(
    ("target", "masked"),
    [
        ("container:a-long-service-name:8080/health", "container:a-long-service-name:8080/health"),
        ("container:semstreams:8080/health?token=x&y=z", "container:semstreams:8080/health?token=***&y=***"),
        ("container:semstreams:8080/health?secret", "container:semstreams:8080/health?***"),
        ("http://user:pw@10.0.0.7/health?token=x", "http://***@10.0.0.7/health?token=***"),
    ],
)
def test_what_may_be_a_secret_in_a_target_is_masked(target: str, masked: str) -> None:
    """Of a check's target the service and the path show, whatever their length."""
    assert mask_target(target) == masked


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("https://ntfy.example.org/mysecrettopic1", "https://ntfy.example.org/***"),
        ("https://example.org:8443", "https://example.org:8443"),
        ("https://example.org/", "https://example.org/"),
        ("https://user:pw@example.org?token=x", "https://***@example.org/***"),
        ("https://[broken/secret", "***"),
    ],
)
def test_of_a_receiver_scheme_and_host_show(url: str, masked: str) -> None:
    """Even a short path may be all that is needed to post to a receiver."""
    assert mask_receiver(url) == masked
