"""What JetStream holds."""

from __future__ import annotations

import pytest

from tests.support.jetstream import stream


@pytest.mark.parametrize(("account", "name"), [("$G", "EVENTS"), ("APP", "APP/EVENTS")])
def test_a_stream_is_called_by_its_account_outside_the_default_one(account: str, name: str) -> None:
    """Two accounts may have a stream of one name; those of the default account are called by theirs alone."""
    assert stream(account=account).subject_name == name
