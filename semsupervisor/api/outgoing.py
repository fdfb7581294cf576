"""Receivers, and messages on their way to them, as the API's answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from semsupervisor.alerts.notification import OutboxEntry
from semsupervisor.alerts.outbox import Depth
from semsupervisor.api import answers
from semsupervisor.api.readings import Readings


def outbox(readings: Readings, dead: Iterable[OutboxEntry]) -> answers.OutboxAnswer:
    """Return what waits for the receivers, and the given dead letters."""
    waiting = [_message(one, dead=False) for one in readings.queued()]
    given_up = [_message(one, dead=True) for one in dead]
    return answers.OutboxAnswer(now=readings.clock.now(), receivers=receivers(readings), messages=(*waiting, *given_up))


def receivers(readings: Readings) -> tuple[answers.ReceiverAnswer, ...]:
    """Return how the ways to the receivers are."""
    errors: dict[str, str] = {}
    for entry in readings.queued():
        errors.setdefault(entry.receiver, entry.last_error)
    queues: dict[str, list[answers.WayAnswer]] = {}
    for queue in readings.receivers():
        receiver, _, address = queue.partition("/")
        way = _way(address or receiver, readings.depth(queue), errors.get(queue, ""))
        queues.setdefault(receiver, []).append(way)
    return tuple(_receiver(name, ways) for name, ways in queues.items())


def _receiver(name: str, ways: Sequence[answers.WayAnswer]) -> answers.ReceiverAnswer:
    """Put the ways to a receiver's addresses together; one that is the receiver itself has no addresses."""
    waiting = [(way.oldest_queued_at, way.last_error) for way in ways if way.oldest_queued_at]
    oldest, last_error = min(waiting, default=(None, ""))
    return answers.ReceiverAnswer(
        name=name,
        queued=sum(way.queued for way in ways),
        oldest_queued_at=oldest,
        last_error=last_error,
        dead_letters=sum(way.dead_letters for way in ways),
        delivered_total=sum(way.delivered_total for way in ways),
        failed_total=sum(way.failed_total for way in ways),
        addresses=() if [way.name for way in ways] == [name] else tuple(ways),
    )


def _way(name: str, depth: Depth, last_error: str) -> answers.WayAnswer:
    return answers.WayAnswer(
        name=name,
        queued=depth.queued,
        oldest_queued_at=depth.oldest_queued_at,
        last_error=last_error,
        dead_letters=depth.dead,
        delivered_total=depth.delivered_total,
        failed_total=depth.failed_total,
    )


def _message(entry: OutboxEntry, *, dead: bool) -> answers.MessageAnswer:
    return answers.MessageAnswer(
        id=entry.id,
        receiver=entry.receiver,
        dead=dead,
        key=entry.notification.key,
        kind=entry.notification.kind,
        alerts=tuple(f"{alert.subject}: {alert.title}" for alert in entry.notification.alerts),
        queued_at=entry.queued_at,
        attempts=entry.attempts,
        last_error=entry.last_error,
    )
