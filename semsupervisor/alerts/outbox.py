"""Notifications on their way, in order for each receiver: the table `outbox` and the same queues in memory.

Entries are written in the transaction of the alert change that makes them, before anything is sent. A delivered
entry is marked after the receiver took it, so that a crash in between sends it again under the same key.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from semsupervisor.alerts import outbox_rows
from semsupervisor.alerts.given_up import GivenUp, Renew, as_it_was
from semsupervisor.alerts.leavings import Leavings
from semsupervisor.alerts.notification import Notification, OutboxEntry, enriched_with, shortened
from semsupervisor.errors import StoreError
from semsupervisor.kit.clock import Clock
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Change, Journal

MIGRATIONS = outbox_rows.MIGRATIONS


class Depth(msgspec.Struct, frozen=True, kw_only=True):
    """What one receiver's queue holds; totals count since the daemon started, `dead` all that lie there."""

    queued: int
    oldest_queued_at: datetime | None
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
        self._left_with_evidence = Leavings()
        self._made_monotonic: dict[int, float] = {}
        self._given_up = GivenUp(store, journal, clock)
        self._delivered_total: dict[str, int] = defaultdict(int)
        self._failed_total: dict[str, int] = defaultdict(int)
        self._loaded = False
        # Ids give the order of the messages about one alert. While the table cannot be read, they begin above those of
        # all runs that could read it, and where, by chance, none of another such run are.
        self._first_id = self._last_id = 2**40 + secrets.randbits(40)
        journal.keeps(self._whole)

    async def load(self) -> None:
        """Take up, once, what was queued when the daemon last ended, in front of what has been queued since.

        Of a broken database that was set aside, what waited in it is salvaged, and its dead letters. Raises:
        StoreError; a later call may succeed, and until then this run's own messages are delivered all the same.
        """
        if self._loaded:
            await self._given_up.load()
            return
        if not await self._journal.catch_up():
            raise StoreError("cannot take up what was queued: what waits in memory is not on the disk yet")
        waited = outbox_rows.readable(await self._store.salvage(outbox_rows.SELECT_QUEUED))
        salvaged = await self._store.read(lambda connection: outbox_rows.absent(connection, waited))
        await self._given_up.load()
        queued, last_id = await self._store.read(outbox_rows.all_at_the_start)
        # Of a broken database not all ids may be known: what is new keeps clear of them.
        unused = self._last_id == self._first_id and not self._store.set_aside
        self._last_id = max(0 if unused else self._last_id, last_id, *(entry.id for entry in salvaged))

        def take_up() -> None:
            self._loaded = True
            self._take_up([*salvaged, *queued])

        await self._journal.commit(lambda connection: outbox_rows.save(connection, salvaged), take_up)

    def make(self, receiver: str, notification: Notification) -> OutboxEntry:
        """Return a new entry behind all others; it counts once it is committed and accepted."""
        self._last_id += 1
        self._made_monotonic[self._last_id] = self._clock.monotonic()
        return OutboxEntry(id=self._last_id, receiver=receiver, notification=notification, queued_at=self._clock.now())

    def accept(self, entries: Iterable[OutboxEntry]) -> None:
        """Put committed entries into the queues and wake their receivers."""
        for entry in entries:
            self._queues[entry.receiver].append(entry)
            self._filled[entry.receiver].set()

    def receivers(self) -> tuple[str, ...]:
        """Return the receivers that have something queued or dead."""
        queued = {name for name, queue in self._queues.items() if queue}
        return tuple(sorted(queued | self._given_up.counts.keys()))

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
        """Return how long ago this process made the entry; infinite for one taken up from an earlier run.

        The commit counts: who has patience for evidence has it while the disk writes.
        """
        made = self._made_monotonic.get(entry.id)
        return float("inf") if made is None else self._clock.monotonic() - made

    def begin(self, entry: OutboxEntry, evidence: Mapping[str, str]) -> OutboxEntry:
        """Say that the head entry is about to leave, with what evidence has come; return it as it is to be sent.

        Evidence that comes later becomes a message of its own, for those who left without it.
        """
        self._begun.add(entry.id)
        if not evidence:
            return entry
        for alert in entry.notification.alerts:
            self._left_with_evidence.add(alert.id, entry.receiver)
        first = entry.notification.alerts[0].id
        complete = msgspec.structs.replace(entry, notification=enriched_with(entry.notification, first, evidence))
        self._replace(complete)
        return complete

    async def delivered(self, entry: OutboxEntry) -> None:
        """Mark the head entry as taken by its receiver; the table keeps it without its log lines."""
        kept = msgspec.structs.replace(entry, notification=shortened(entry.notification))

        def taken() -> None:
            self._delivered_total[entry.receiver] += 1
            self._leave(entry)

        await self._journal.commit(self._ending(kept, outbox_rows.DELIVERED), taken)

    async def dead(self, entry: OutboxEntry, error: str) -> None:
        """Give the head entry up; it stays in the table as a dead letter."""
        final = msgspec.structs.replace(entry, attempts=entry.attempts + 1, last_error=error)
        self._given_up.add(final)

        def given_up() -> None:
            self._failed_total[entry.receiver] += 1
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
        await self._journal.commit(lambda connection: outbox_rows.save(connection, [tried]))
        return tried

    async def split(self, entry: OutboxEntry, receivers: Sequence[str]) -> None:
        """Put a copy of the head entry, under the same key, into each of several queues in its place.

        The queues change at once and the table after it: what is added to the copies meanwhile is not lost, and after
        a kill in between the entry is split again.
        """
        copies = [self.make(receiver, entry.notification) for receiver in receivers]

        def change(connection: sqlite3.Connection) -> None:
            outbox_rows.forget(connection, entry.id)
            outbox_rows.save(connection, copies)

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
                enriched = enriched_with(entry.notification, alert_id, evidence)
                queue[place] = msgspec.structs.replace(entry, notification=enriched)
                changed.append(queue[place])
        knowing = self._left_with_evidence.take(alert_id) | {entry.receiver for entry in changed}
        return Enriched(changed=tuple(changed), knowing=frozenset(knowing))

    async def retry(self, entry_id: int, renew: Renew = as_it_was) -> bool:
        """Queue a dead letter again, behind what waits; return whether there was one of that id.

        Raises: StoreError, and what `renew` raises.
        """
        old = await self._given_up.take(entry_id)
        if old is None:
            return False
        message = await self._given_up.renewed(old, renew)
        fresh = [self.make(old.receiver, message)] if message else []

        def requeue(connection: sqlite3.Connection) -> None:
            outbox_rows.forget(connection, old.id)
            outbox_rows.save(connection, fresh)

        def requeued() -> None:
            self._given_up.remove(old)
            self.accept(fresh)

        await self._journal.commit(requeue, requeued)
        return True

    async def drop(self, entry_id: int) -> OutboxEntry | None:
        """Forget a dead letter, and return it; None if there is none of that id. Raises: StoreError."""
        old = await self._given_up.take(entry_id)
        if old is not None:
            self._given_up.remove(old)
            await self._journal.commit(lambda connection: outbox_rows.forget(connection, entry_id))
        return old

    async def dead_letters(self, limit: int) -> list[OutboxEntry]:
        """Return the newest dead letters. Raises: StoreError."""
        return await self._given_up.newest(limit)

    def queued(self) -> list[OutboxEntry]:
        """Return all that waits, in order for each receiver."""
        return [entry for queue in self._queues.values() for entry in queue]

    def depth(self, receiver: str) -> Depth:
        """Return what a receiver's queue holds."""
        queue = self._queues[receiver]
        return Depth(
            queued=len(queue),
            oldest_queued_at=queue[0].queued_at if queue else None,
            dead=self._given_up.counts.get(receiver, 0),
            delivered_total=self._delivered_total[receiver],
            failed_total=self._failed_total[receiver],
        )

    def _ending(self, entry: OutboxEntry, state: str) -> Change:
        done_at = self._clock.now().isoformat()

        def end(connection: sqlite3.Connection) -> None:
            outbox_rows.save(connection, [entry])
            outbox_rows.end(connection, [entry.id], state, done_at)

        return end

    def _whole(self, others_end: bool) -> Change:
        """Return what writes all that waits; what does not, as far as ever read, was delivered or given up."""
        queued, others_end = self.queued(), others_end and self._loaded
        waiting, done_at = {entry.id for entry in queued}, self._clock.now().isoformat()
        dead = self._given_up.whole(others_end=others_end)

        def write(connection: sqlite3.Connection) -> None:
            outbox_rows.save(connection, queued)
            dead(connection)
            if others_end:
                outbox_rows.end_others(connection, waiting, done_at)

        return write

    def _take_up(self, earlier: Iterable[OutboxEntry]) -> None:
        known = {entry.id for entry in self.queued()}
        before: dict[str, list[OutboxEntry]] = defaultdict(list)
        for entry in earlier:
            if entry.id not in known:
                before[entry.receiver].append(entry)
        for receiver, entries in before.items():
            self._queues[receiver].extendleft(reversed(entries))
            self._filled[receiver].set()

    def _replace(self, entry: OutboxEntry) -> None:
        queue = self._queues[entry.receiver]
        for place, one in enumerate(queue):
            if one.id == entry.id:
                queue[place] = entry

    def _leave(self, entry: OutboxEntry) -> None:
        """Take an entry out; it was the head when it was begun, but an earlier run's may stand before it by now."""
        queue = self._queues[entry.receiver]
        self._queues[entry.receiver] = deque(one for one in queue if one.id != entry.id)
        self._begun.discard(entry.id)
        self._made_monotonic.pop(entry.id, None)
