"""An outbox on a real database, for tests of what goes into it and comes out of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from semsupervisor.alerts import outbox_rows
from semsupervisor.alerts.notification import Notification, OutboxEntry
from semsupervisor.alerts.outbox import MIGRATIONS, Outbox
from semsupervisor.kit.clock import Clock
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Journal


class Post:
    """An outbox and its database."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._closed = False
        self.store = Store(folder / "state.db", MIGRATIONS, clock)
        self.journal = Journal(self.store)
        self.outbox = Outbox(self.store, self.journal, clock)

    async def close(self) -> None:
        """Close the database, if that was not done yet."""
        if not self._closed:
            self._closed = True
            await self.store.close()

    async def reloaded(self) -> list[OutboxEntry]:
        """Return what a daemon that starts now finds queued; this one is at its end."""
        await self.close()
        again = Post(self._folder, self._clock)
        await again.outbox.load()
        await again.close()
        return again.outbox.queued()

    async def put(self, receiver: str, *notifications: Notification) -> list[OutboxEntry]:
        """Queue notifications the way the pipeline does."""
        entries = [self.outbox.make(receiver, notification) for notification in notifications]
        await self.journal.commit(lambda connection: outbox_rows.save(connection, entries))
        self.outbox.accept(entries)
        return entries

    async def states(self) -> dict[tuple[str, str], str]:
        """Return the state of each message in the table, by receiver and key."""
        rows = await self.store.read(
            lambda connection: connection.execute("SELECT receiver, key, state FROM outbox ORDER BY id").fetchall()
        )
        return {(row[0], row[1]): row[2] for row in rows}


class Scripted:
    """A receiver that answers as it is told, then always takes what it gets; `seen` holds the keys of all attempts."""

    def __init__(self, name: str = "ops", *outcomes: Exception | None, patience_seconds: float = 0.0) -> None:
        self.name = name
        self.patience_seconds = patience_seconds
        self.outcomes = deque(outcomes)
        self.seen: list[str] = []
        self.taken: list[str] = []
        self.evidence: list[Mapping[str, str]] = []
        self.waited: list[float | None] = []

    async def send(self, notification: Notification) -> None:
        """Do what comes next in the script."""
        self.seen.append(notification.key)
        self.waited.append(notification.waited_seconds)
        await asyncio.sleep(0)
        outcome = self.outcomes.popleft() if self.outcomes else None
        if outcome is not None:
            raise outcome
        self.taken.append(notification.key)
        self.evidence += [alert.evidence for alert in notification.alerts[:1]]
