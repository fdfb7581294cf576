"""The messages that were given up: dead letters, kept in the table `outbox` until somebody decides about them."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping

from semsupervisor.alerts import outbox_rows
from semsupervisor.alerts.notification import Notification, OutboxEntry
from semsupervisor.kit.clock import Clock
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Change, Journal

Renew = Callable[[OutboxEntry], Awaitable[Notification | None]]
"""Says what is to be told now instead of a message that was given up, None if that is nothing any more."""


async def as_it_was(entry: OutboxEntry) -> Notification:
    """Tell the same as then."""
    return entry.notification


class GivenUp:
    """Counts the dead letters of each receiver, and hands each out once."""

    def __init__(self, store: Store, journal: Journal, clock: Clock) -> None:
        self._store = store
        self._journal = journal
        self._clock = clock
        self._counts: dict[str, int] = defaultdict(int)
        self._generation: int | None = None
        self._raised: set[int] = set()  # sent again or dropped
        self._unsaved: dict[int, OutboxEntry] = {}

    @property
    def counts(self) -> Mapping[str, int]:
        """Return how many there are for each receiver that has any."""
        return {receiver: count for receiver, count in self._counts.items() if count}

    async def load(self) -> None:
        """Count what lies in the table, with what can be read of a database that was set aside.

        Once that was done it does nothing until rows are lost again. Raises: StoreError.
        """
        generation = self._store.generation
        if generation == self._generation:
            return
        salvaged = outbox_rows.readable(await self._store.salvage(outbox_rows.SELECT_DEAD))
        lying = [entry for entry in salvaged if entry.id not in self._raised]
        if lying:
            await self._journal.commit(lambda connection: self.write(connection, lying))
        counts = await self._store.read(outbox_rows.dead_by_receiver)
        self._counts.clear()
        self._counts.update(counts)
        self._generation = generation

    def write(self, connection: sqlite3.Connection, entries: list[OutboxEntry]) -> None:
        """Write entries that the table does not have as dead letters."""
        new = outbox_rows.absent(connection, entries)
        outbox_rows.save(connection, new)
        outbox_rows.end(connection, [entry.id for entry in new], outbox_rows.DEAD, self._clock.now().isoformat())

    def add(self, entry: OutboxEntry) -> None:
        """Count one more, which is about to be written."""
        self._counts[entry.receiver] += 1
        if self._journal.settled:
            self._unsaved.clear()
        self._unsaved[entry.id] = entry

    def remove(self, entry: OutboxEntry) -> None:
        """Count one less."""
        self._counts[entry.receiver] -= 1
        self._unsaved.pop(entry.id, None)

    async def take(self, entry_id: int) -> OutboxEntry | None:
        """Return a dead letter that nobody has taken yet; asked for twice, something happens to it once.

        Raises: StoreError.
        """
        old = await self._store.read(lambda connection: outbox_rows.dead_of_id(connection, entry_id))
        if old is None or entry_id in self._raised:
            return None
        self._raised.add(entry_id)
        return old

    async def renewed(self, entry: OutboxEntry, renew: Renew) -> Notification | None:
        """Return what is to be told instead of one that was taken; when that cannot be said it stays where it was.

        Raises: what `renew` raises.
        """
        try:
            return await renew(entry)
        except BaseException:
            self._raised.discard(entry.id)
            raise

    async def newest(self, limit: int) -> list[OutboxEntry]:
        """Return the newest ones. Raises: StoreError."""
        return await self._store.read(lambda connection: outbox_rows.dead(connection, limit))

    def whole(self, *, others_end: bool) -> Change:
        """Return what writes those of which it is not known that they are on the disk.

        With `others_end`, those that were sent again or dropped go, too.
        """
        unsaved, raised = list(self._unsaved.values()), tuple(self._raised) if others_end else ()
        done_at = self._clock.now().isoformat()

        def write(connection: sqlite3.Connection) -> None:
            outbox_rows.save(connection, unsaved)
            outbox_rows.end(connection, [entry.id for entry in unsaved], outbox_rows.DEAD, done_at)
            for entry_id in raised:
                outbox_rows.forget(connection, entry_id)

        return write
