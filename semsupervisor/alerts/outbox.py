"""Notifications on their way, in order for each receiver: the table `outbox` and the same queues in memory.

Entries are written in the transaction of the alert change that makes them, before anything is sent. A delivered
entry is marked after the receiver took it, so that a crash in between sends it again under the same key.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from semsupervisor.alerts import outbox_rows
from semsupervisor.alerts.notification import Notification, OutboxEntry
from semsupervisor.kit.clock import Clock
from semsupervisor.store.database import Migration, Store
from semsupervisor.store.journal import Change, Journal

MIGRATIONS = (
    Migration(
        110,
        """
        CREATE TABLE outbox (
            id INTEGER PRIMARY KEY, receiver TEXT NOT NULL, key TEXT NOT NULL, state TEXT NOT NULL,
            queued_at TEXT NOT NULL, attempts INTEGER NOT NULL, tried_seconds REAL NOT NULL,
            last_error TEXT NOT NULL, done_at TEXT, body TEXT NOT NULL
        );
        CREATE INDEX outbox_by_state ON outbox (state, receiver, id);
        """,
    ),
)


class Depth(msgspec.Struct, frozen=True, kw_only=True):
    """What one receiver's queue holds; totals count since the daemon started, `dead` all that lie there."""

    queued: int
    oldest_queued_at: datetime | None
    oldest_age_seconds: float
    dead: int
    delivered_total: int
    failed_total: int


class Enriched(msgspec.Struct, frozen=True, kw_only=True):
    """Queued messages that took new evidence up, to be saved, and the receivers who know it or will."""

    changed: tuple[OutboxEntry, ...]
    knowing: frozenset[str]


class Outbox:
    """The queues of all receivers, those of receivers that are no longer in the settings included."""

    def __init__(self, store: Store, journal: Journal, clock: Clock) -> None:
        self._store = store
        self._journal = journal
        self._clock = clock
        self._queues: dict[str, deque[OutboxEntry]] = defaultdict(deque)
        self._filled: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._begun: set[int] = set()
        self._left_with_evidence: dict[str, set[str]] = defaultdict(set)
        self._queued_monotonic: dict[int, float] = {}
        self._dead: dict[str, int] = defaultdict(int)
        self._delivered_total: dict[str, int] = defaultdict(int)
        self._failed_total: dict[str, int] = defaultdict(int)
        self._last_id = 0

    async def load(self) -> None:
        """Take up what was queued when the daemon last ended. Raises: StoreError."""
        for entry in await self._store.read(outbox_rows.queued):
            self._queues[entry.receiver].append(entry)
            self._filled[entry.receiver].set()
        self._dead.update(await self._store.read(outbox_rows.dead_by_receiver))
        self._last_id = max(self._last_id, await self._store.read(outbox_rows.last_id))

    def make(self, receiver: str, notification: Notification) -> OutboxEntry:
        """Return a new entry behind all others; it counts once `save_entries` is committed and `accept` is called."""
        self._last_id += 1
        return OutboxEntry(id=self._last_id, receiver=receiver, notification=notification, queued_at=self._clock.now())

    def accept(self, entries: Iterable[OutboxEntry]) -> None:
        """Put committed entries into the queues and wake their receivers."""
        for entry in entries:
            self._queues[entry.receiver].append(entry)
            self._queued_monotonic[entry.id] = self._clock.monotonic()
            self._filled[entry.receiver].set()

    def receivers(self) -> tuple[str, ...]:
        """Return the receivers that have something queued or dead."""
        queued = {name for name, queue in self._queues.items() if queue}
        return tuple(sorted(queued | {name for name, count in self._dead.items() if count}))

    def head(self, receiver: str) -> OutboxEntry | None:
        """Return the oldest queued entry of a receiver as it is now, evidence that came meanwhile included."""
        queue = self._queues[receiver]
        return queue[0] if queue else None

    async def wait(self, receiver: str) -> None:
        """Return when the receiver has something queued."""
        while not self._queues[receiver]:
            self._filled[receiver].clear()
            await self._filled[receiver].wait()

    def queued_for_seconds(self, entry: OutboxEntry) -> float:
        """Return how long ago this process queued the entry; infinite for one taken up from an earlier run."""
        queued = self._queued_monotonic.get(entry.id)
        return float("inf") if queued is None else self._clock.monotonic() - queued

    def begin(self, entry: OutboxEntry, evidence: Mapping[str, str]) -> OutboxEntry:
        """Say that the head entry is about to leave, with what evidence has come; return it as it is to be sent.

        Evidence that comes later becomes a message of its own, for those who left without it.
        """
        self._begun.add(entry.id)
        if not evidence:
            return entry
        for alert in entry.notification.alerts:
            self._left_with_evidence[alert.id].add(entry.receiver)
        first = entry.notification.alerts[0].id
        complete = msgspec.structs.replace(entry, notification=_enriched(entry.notification, first, evidence))
        self._replace(complete)
        return complete

    async def delivered(self, entry: OutboxEntry) -> None:
        """Mark the head entry as taken by its receiver."""

        def taken() -> None:
            self._delivered_total[entry.receiver] += 1
            self._leave(entry)

        await self._journal.commit(self._ending(entry, outbox_rows.DELIVERED), taken)

    async def dead(self, entry: OutboxEntry, error: str) -> None:
        """Give the head entry up; it stays in the table as a dead letter."""
        final = msgspec.structs.replace(entry, attempts=entry.attempts + 1, last_error=error)

        def given_up() -> None:
            self._failed_total[entry.receiver] += 1
            self._dead[entry.receiver] += 1
            self._leave(entry)

        await self._journal.commit(self._ending(final, outbox_rows.DEAD), given_up)

    async def failed(self, entry: OutboxEntry, error: str, spent_seconds: float) -> OutboxEntry:
        """Count a failed attempt of the head entry, and the time spent since the one before; return what it is now."""
        tried = msgspec.structs.replace(
            entry,
            attempts=entry.attempts + 1,
            tried_seconds=entry.tried_seconds + spent_seconds,
            last_error=error,
        )
        self._replace(tried)
        self._failed_total[entry.receiver] += 1
        await self._journal.commit(lambda connection: save_entries(connection, [tried]))
        return tried

    async def split(self, entry: OutboxEntry, receivers: Sequence[str]) -> None:
        """Put a copy of the head entry, under the same key, into each of several queues in its place.

        The queues change at once and the table after it: what is added to the copies meanwhile is not lost, and after
        a kill in between the entry is split again.
        """
        copies = [self.make(receiver, entry.notification) for receiver in receivers]

        def change(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM outbox WHERE id = ?", (entry.id,))
            save_entries(connection, copies)

        self._leave(entry)
        self.accept(copies)
        await self._journal.commit(change)

    def enrich(self, alert_id: str, evidence: Mapping[str, str]) -> Enriched:
        """Add evidence to the queued messages about an alert that did not leave yet."""
        changed: list[OutboxEntry] = []
        for queue in self._queues.values():
            for place, entry in enumerate(queue):
                if entry.id in self._begun or all(alert.id != alert_id for alert in entry.notification.alerts):
                    continue
                enriched = _enriched(entry.notification, alert_id, evidence)
                queue[place] = msgspec.structs.replace(entry, notification=enriched)
                changed.append(queue[place])
        knowing = self._left_with_evidence.pop(alert_id, set()) | {entry.receiver for entry in changed}
        return Enriched(changed=tuple(changed), knowing=frozenset(knowing))

    async def retry(self, entry_id: int) -> bool:
        """Queue a dead letter again, behind what waits; return whether there was one of that id. Raises: StoreError."""
        old = await self._store.read(lambda connection: outbox_rows.dead_of_id(connection, entry_id))
        if old is None:
            return False
        fresh = self.make(old.receiver, old.notification)

        def requeue(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM outbox WHERE id = ?", (old.id,))
            save_entries(connection, [fresh])

        def requeued() -> None:
            self._dead[old.receiver] -= 1
            self.accept([fresh])

        await self._journal.commit(requeue, requeued)
        return True

    async def dead_letters(self, limit: int) -> list[OutboxEntry]:
        """Return the newest dead letters. Raises: StoreError."""
        return await self._store.read(lambda connection: outbox_rows.dead(connection, limit))

    def queued(self) -> list[OutboxEntry]:
        """Return all that waits, in order."""
        return sorted((entry for queue in self._queues.values() for entry in queue), key=lambda entry: entry.id)

    def depth(self, receiver: str) -> Depth:
        """Return what a receiver's queue holds."""
        queue = self._queues[receiver]
        oldest = queue[0].queued_at if queue else None
        age = (self._clock.now() - oldest).total_seconds() if oldest else 0.0
        return Depth(
            queued=len(queue),
            oldest_queued_at=oldest,
            oldest_age_seconds=max(0.0, age),
            dead=self._dead[receiver],
            delivered_total=self._delivered_total[receiver],
            failed_total=self._failed_total[receiver],
        )

    def _ending(self, entry: OutboxEntry, state: str) -> Change:
        done_at = self._clock.now().isoformat()

        def end(connection: sqlite3.Connection) -> None:
            save_entries(connection, [entry])
            connection.execute("UPDATE outbox SET state = ?, done_at = ? WHERE id = ?", (state, done_at, entry.id))

        return end

    def _replace(self, entry: OutboxEntry) -> None:
        queue = self._queues[entry.receiver]
        if queue and queue[0].id == entry.id:
            queue[0] = entry

    def _leave(self, entry: OutboxEntry) -> None:
        queue = self._queues[entry.receiver]
        if queue and queue[0].id == entry.id:
            queue.popleft()
        self._begun.discard(entry.id)
        self._queued_monotonic.pop(entry.id, None)


def save_entries(connection: sqlite3.Connection, entries: Iterable[OutboxEntry]) -> None:
    """Write queued entries as they are now."""
    connection.executemany(
        "INSERT INTO outbox (id, receiver, key, state, queued_at, attempts, tried_seconds, last_error, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " attempts = excluded.attempts, tried_seconds = excluded.tried_seconds,"
        " last_error = excluded.last_error, body = excluded.body",
        [
            (
                entry.id,
                entry.receiver,
                entry.notification.key,
                outbox_rows.QUEUED,
                entry.queued_at.isoformat(),
                entry.attempts,
                entry.tried_seconds,
                entry.last_error,
                msgspec.json.encode(entry.notification).decode(),
            )
            for entry in entries
        ],
    )


def trim(connection: sqlite3.Connection, keep_entries: int) -> None:
    """Keep the newest delivered entries; what is queued or dead is never removed here."""
    connection.execute(
        "DELETE FROM outbox WHERE state = ? AND id <= (SELECT max(id) FROM outbox) - ?",
        (outbox_rows.DELIVERED, keep_entries),
    )


def _enriched(notification: Notification, alert_id: str, evidence: Mapping[str, str]) -> Notification:
    alerts = tuple(
        msgspec.structs.replace(alert, evidence={**alert.evidence, **evidence}) if alert.id == alert_id else alert
        for alert in notification.alerts
    )
    return msgspec.structs.replace(notification, alerts=alerts)
