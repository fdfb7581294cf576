"""What is told instead of a message that was given up: never something that is not so any more."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from semsupervisor.alerts.lifecycle import Alert, AlertState
from semsupervisor.alerts.notification import LOG_LINES, NotificationKind, OutboxEntry
from semsupervisor.alerts.retelling import UNKNOWN_END, retold
from semsupervisor.errors import PermanentError
from tests.support import alerting
from tests.support.clock import START
from tests.support.told import DIED, told

OVER = START + timedelta(minutes=3)
ENDED = alerting.alert(
    alerting.DIED,
    DIED.subject,
    AlertState.RESOLVED,
    id=DIED.id,
    resolved_at=OVER,
    resolved_because="semstreams runs again",
    consequences=("NATS down",),
)
OPEN = alerting.alert(alerting.DIED, DIED.subject, id=DIED.id, told=("ops",))
LATER = alerting.alert(alerting.DIED, DIED.subject, id="later", told=("ops",))


def letter(kind: NotificationKind) -> OutboxEntry:
    """Return a message that was given up."""
    return OutboxEntry(id=7, receiver="ops", notification=told(kind), queued_at=START)


@pytest.mark.parametrize("kind", list(NotificationKind))
def test_what_holds_still_is_told_as_it_was(kind: NotificationKind) -> None:
    """While the alert is open nothing changes."""
    assert retold(letter(kind), [OPEN], {}, []) == letter(kind).notification


def test_a_test_is_told_as_it_was() -> None:
    """What is about no alert cannot be out of date."""
    test = msgspec.structs.replace(letter(NotificationKind.TEST), notification=told(NotificationKind.TEST))
    bare = msgspec.structs.replace(test, notification=msgspec.structs.replace(test.notification, alerts=()))
    assert retold(bare, [], {}, []) == bare.notification
    assert retold(test, [], {}, []) == test.notification


def test_of_a_beginning_that_is_over_the_end_is_told() -> None:
    """Under the end's key, with how it ended and what followed, and without log lines."""
    message = retold(letter(NotificationKind.FIRING), [], {DIED.id: ENDED}, [])
    assert message is not None
    assert (message.kind, message.key) == (NotificationKind.RESOLVED, f"{DIED.id}-resolved")
    (alert,) = message.alerts
    assert (alert.resolved_at, alert.resolved_because) == (OVER, "semstreams runs again")
    assert (alert.since, alert.consequences) == (DIED.since, ("NATS down",))
    assert alert.evidence["exit_code"] == "137"
    assert LOG_LINES not in alert.evidence


def test_an_end_that_waits_is_not_told_twice() -> None:
    """With the end in the receiver's own queue there is nothing to add; in that of another it helps nobody."""
    waits = letter(NotificationKind.RESOLVED)
    elsewhere = msgspec.structs.replace(waits, receiver="mail")
    assert retold(letter(NotificationKind.FIRING), [], {DIED.id: ENDED}, [waits]) is None
    assert retold(letter(NotificationKind.FIRING), [], {DIED.id: ENDED}, [elsewhere]) is not None


def test_an_update_of_what_is_over_says_so() -> None:
    """Its kind and key stay, with all log lines; nobody takes it for one of an alert that fires."""
    message = retold(letter(NotificationKind.UPDATE), [], {DIED.id: ENDED}, [])
    assert message is not None
    assert (message.kind, message.key) == (NotificationKind.UPDATE, f"{DIED.id}-update")
    assert message.alerts[0].resolved_at == OVER
    assert LOG_LINES in message.alerts[0].evidence


@pytest.mark.parametrize("past", [{}, {DIED.id: OPEN}])
def test_an_end_that_nobody_knows_is_an_end(past: dict[str, Alert]) -> None:
    """Even if the record of the alert is gone, what does not fire is not told as if it did."""
    message = retold(letter(NotificationKind.FIRING), [], past, [])
    assert message is not None
    assert message.kind is NotificationKind.RESOLVED
    assert (message.alerts[0].resolved_at, message.alerts[0].resolved_because) == (START, UNKNOWN_END)


@pytest.mark.parametrize("kind", [NotificationKind.FIRING, NotificationKind.UPDATE, NotificationKind.RESOLVED])
def test_what_could_close_a_later_alert_is_refused(kind: NotificationKind) -> None:
    """The same fires again and the receiver knows: it is said which message to drop; who was not told may hear it."""
    with pytest.raises(PermanentError, match="semsupervisor outbox drop 7"):
        retold(letter(kind), [LATER], {DIED.id: ENDED}, [])
    untold = msgspec.structs.replace(LATER, told=("mail",))
    elsewhere = msgspec.structs.replace(LATER, subject=alerting.NATS_SERVICE)
    assert retold(letter(kind), [untold, elsewhere], {DIED.id: ENDED}, []) is not None
