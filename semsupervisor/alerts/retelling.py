"""What is told now instead of a message that was given up, since things have gone on meanwhile. Pure.

Who hears of a beginning after the end, or never hears of the end, takes the alert for open for ever. So of what is over
the end is told, under the end's own key: who has had that drops it. An update of what is over says that it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from semsupervisor.alerts.lifecycle import Alert
from semsupervisor.alerts.notification import AlertFacts, Notification, NotificationKind, OutboxEntry, carried
from semsupervisor.errors import PermanentError

UNKNOWN_END = "it is over; how it ended is not known any more"


def retold(
    entry: OutboxEntry, current: Collection[Alert], past: Mapping[str, Alert], waiting: Iterable[OutboxEntry]
) -> Notification | None:
    """Return the message to be sent instead of one that was given up; None if what waits already says it.

    `current` are the alerts that are open, `past` what is known of others by their ids, `waiting` what is queued.
    Raises: PermanentError when it would be taken for the end of what has begun again since.
    """
    message = entry.notification
    open_ids = {alert.id for alert in current}
    if any(alert.id in open_ids for alert in message.alerts) or not message.alerts:
        return message
    for alert in message.alerts:
        _refuse_if_it_fires_again(entry, alert, current)
    facts = tuple(_ended(alert, past.get(alert.id), message) for alert in message.alerts)
    match message.kind:
        case NotificationKind.RESOLVED | NotificationKind.TEST:
            return message
        case NotificationKind.UPDATE:
            return msgspec.structs.replace(message, alerts=facts)
        case NotificationKind.FIRING:
            key = f"{facts[0].id}-{NotificationKind.RESOLVED.value}"
            if any((one.receiver, one.notification.key) == (entry.receiver, key) for one in waiting):
                return None
            return msgspec.structs.replace(message, key=key, kind=NotificationKind.RESOLVED, alerts=facts)


def _refuse_if_it_fires_again(entry: OutboxEntry, alert: AlertFacts, current: Iterable[Alert]) -> None:
    for other in current:
        if (other.rule, other.subject) == (alert.rule, alert.subject) and entry.receiver in other.told:
            raise PermanentError(
                f"message {entry.id} is about an alert that is over; {alert.title} fires again since then, and "
                f"{entry.receiver} was told of it: this could be taken for the end of that. Send it when that is over, "
                f"or type semsupervisor outbox drop {entry.id}"
            )


def _ended(alert: AlertFacts, known: Alert | None, message: Notification) -> AlertFacts:
    kind = NotificationKind.RESOLVED if message.kind is NotificationKind.FIRING else message.kind
    return msgspec.structs.replace(
        alert,
        resolved_at=known.resolved_at if known and known.resolved_at else message.at,
        lasted_seconds=known.lasted_seconds if known else None,
        resolved_because=known.resolved_because if known and known.resolved_because else UNKNOWN_END,
        consequences=known.consequences if known else (),
        evidence=carried(kind, alert.evidence),
    )
