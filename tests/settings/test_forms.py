"""What a setting may be, and what is never printed."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import UNSET

from semsupervisor.settings import values
from semsupervisor.settings.forms import Duration, Secret, Section, Size, TimeZone


class Part(Section, frozen=True, kw_only=True):
    """A table with a secret in it."""

    password: Secret
    timeout_seconds: Duration = Duration(5)


def test_a_secret_is_never_printed() -> None:
    """Neither str nor repr of a secret, nor of what holds it, shows its value; where it is from is shown."""
    secret = Secret("hunter2", "file /etc/x")
    for text in (str(secret), repr(secret), str(Part(password=secret)), f"{secret}"):
        assert "hunter2" not in text
    assert "file /etc/x" in str(secret)


def test_a_table_is_frozen_and_refuses_what_it_does_not_know() -> None:
    """Settings do not change under those who hold them, and a key that is misspelt is no silent default."""
    with pytest.raises(AttributeError):
        Part(password=Secret("x", "y")).timeout_seconds = Duration(1)  # type: ignore[misc]
    with pytest.raises(msgspec.ValidationError, match="timout"):
        msgspec.convert({"password": {"value": "x", "origin": "y"}, "timout": 3}, Part)


def test_durations_and_sizes_are_numbers() -> None:
    """They can be reckoned with: seconds and bytes."""
    assert Duration(90) / 2 == 45.0
    assert Size(1024) + 1 == 1025


def test_a_time_zone_is_one_that_the_host_knows() -> None:
    """Or none, which is the host's own."""
    assert all(values.read(TimeZone, name) == name for name in ("", "Europe/Berlin", "UTC"))
    assert values.read(TimeZone, "Mars/Olympus") is UNSET
