"""What lies in the outbox comes back from its JSON as it went, also if an earlier version wrote it."""

from __future__ import annotations

import msgspec
import pytest

from semsupervisor.alerts.notification import Notification, NotificationKind, OutboxEntry
from tests.support.clock import START
from tests.support.told import MEMORY, told


@pytest.mark.parametrize("kind", NotificationKind)
def test_a_notification_comes_back_as_it_went(kind: NotificationKind) -> None:
    """Nothing of a message is lost on its way through the database, times and their zone included."""
    message = told(kind)
    assert msgspec.json.decode(msgspec.json.encode(message), type=Notification) == message


def test_a_message_without_later_fields_is_read() -> None:
    """What a receiver may be told besides has defaults: a message of an earlier version is still sent."""
    body = msgspec.to_builtins(told(NotificationKind.FIRING, MEMORY))
    (alert,) = body["alerts"]
    for later in ("resolved_at", "resolved_because", "evidence", "diagnosis", "done", "next_steps", "consequences"):
        alert.pop(later, None)
    alert["added_by_a_newer_version"] = 1
    assert msgspec.json.decode(msgspec.json.encode(body), type=Notification) == told(NotificationKind.FIRING, MEMORY)


def test_an_entry_begins_untried() -> None:
    """A new entry was never tried and has no error."""
    entry = OutboxEntry(id=1, receiver="hook", notification=told(NotificationKind.FIRING), queued_at=START)
    assert (entry.attempts, entry.tried_seconds, entry.last_error) == (0, 0.0, "")
