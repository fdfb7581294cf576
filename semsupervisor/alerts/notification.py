"""What goes into the outbox: facts about alerts for one receiver, not yet rendered as text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from semsupervisor.alerts.rules import Severity
from semsupervisor.health.observation import Subject

LOG_LINES = "last_log_lines"


class NotificationKind(StrEnum):
    """Why a receiver is told: it began, it ended, more evidence came, or somebody tests the way."""

    FIRING = "firing"
    RESOLVED = "resolved"
    UPDATE = "update"
    TEST = "test"


class AlertFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One alert as a receiver is told of it.

    `value` and `limit` are texts for people. `lasted_seconds` counts real seconds, None where only the wall clock
    knows. `consequences` are the titles of what is expected to follow (firing) or was observed to follow (resolved).
    `next_steps` are commands to type.
    """

    id: str
    rule: str
    title: str
    severity: Severity
    subject: Subject
    summary: str
    value: str
    limit: str
    since: datetime
    resolved_at: datetime | None = None
    resolved_because: str = ""
    lasted_seconds: float | None = None
    evidence: Mapping[str, str] = {}
    diagnosis: str = ""
    done: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()
    consequences: tuple[str, ...] = ()


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One message for one receiver. `key` is the same on every attempt: receivers drop what they have seen.

    `waited_seconds` is set as it is sent: real seconds since it was made, None where only the wall clock knows.
    """

    key: str
    kind: NotificationKind
    host: str
    at: datetime
    alerts: tuple[AlertFacts, ...]
    waited_seconds: float | None = None


class OutboxEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A notification on its way: `id` orders a receiver's messages, `tried_seconds` is monotonic time spent trying."""

    id: int
    receiver: str
    notification: Notification
    queued_at: datetime
    attempts: int = 0
    tried_seconds: float = 0.0
    last_error: str = ""


def enriched_with(notification: Notification, alert_id: str, evidence: Mapping[str, str]) -> Notification:
    """Return the notification with more evidence about one of its alerts, as far as its kind carries it."""
    more = carried(notification.kind, evidence)
    alerts = tuple(
        msgspec.structs.replace(alert, evidence={**alert.evidence, **more}) if alert.id == alert_id else alert
        for alert in notification.alerts
    )
    return msgspec.structs.replace(notification, alerts=alerts)


def carried(kind: NotificationKind, evidence: Mapping[str, str]) -> Mapping[str, str]:
    """Return the evidence that a message of this kind carries: that something is over needs no log lines."""
    return _without_log(evidence) if kind is NotificationKind.RESOLVED else evidence


def shortened(notification: Notification) -> Notification:
    """Return the notification as it is kept once it was taken: without log lines, by far its longest part."""
    alerts = tuple(msgspec.structs.replace(one, evidence=_without_log(one.evidence)) for one in notification.alerts)
    return msgspec.structs.replace(notification, alerts=alerts)


def _without_log(evidence: Mapping[str, str]) -> Mapping[str, str]:
    return {name: text for name, text in evidence.items() if name != LOG_LINES}
