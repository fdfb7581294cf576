"""The pipeline on a real database, for tests of what comes in, what is kept, and what goes out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from semsupervisor.alerts import book as alert_book
from semsupervisor.alerts import outbox as alert_outbox
from semsupervisor.alerts.book import Book
from semsupervisor.alerts.lifecycle import Alert
from semsupervisor.alerts.notification import NotificationKind, OutboxEntry
from semsupervisor.alerts.outbox import Outbox
from semsupervisor.alerts.turn import Policy
from semsupervisor.health.observation import Observation
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.pipeline import Pipeline
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Journal
from tests.support.clock import ManualClock

MIGRATIONS = (*alert_book.MIGRATIONS, *alert_outbox.MIGRATIONS)
Told = tuple[str, NotificationKind, str]


class Gathering:
    """Gives evidence when the test lets it: at once, later, or an error."""

    def __init__(self) -> None:
        self.evidence: Mapping[str, str] = {}
        self.error: Exception | None = None
        self.may_end = asyncio.Event()
        self.asked: list[str] = []

    async def __call__(self, service: str, ended_at: str) -> Mapping[str, str]:
        """Wait until it may end, and give what it has."""
        self.asked.append(f"{service} {ended_at}".rstrip())
        await self.may_end.wait()
        if self.error:
            raise self.error
        return self.evidence


class Heart:
    """One run of the daemon's heart; the next run on the same file is another one."""

    def __init__(self, path: Path, policy: Policy, owner: TaskOwner, clock: ManualClock, boot_id: str = "boot") -> None:
        self.path = path
        self._closed = False
        self.clock = clock
        self.gathering = Gathering()
        self.store = Store(path, MIGRATIONS, clock)
        self.journal = Journal(self.store)
        self.outbox = Outbox(self.store, self.journal, clock)
        self.book = Book(self.store)
        self.pipeline = Pipeline(policy, self.journal, self.outbox, clock, owner, self.gathering, boot_id=boot_id)

    async def load(self) -> None:
        """Take up what the last run left."""
        await self.pipeline.load(self.book)

    async def see(self, *observations: Observation, after_seconds: float = 0.0) -> None:
        """Let time pass, and observe all at the moment that is then."""
        at = self.clock.advance(after_seconds)
        seen = [
            Observation(one.source, one.subject, at, one.facts, one.evidence, gone=one.gone) for one in observations
        ]
        await self.pipeline.observe(seen)

    def queued(self) -> list[Told]:
        """Return what waits: receiver, kind and rule."""
        return told(self.outbox.queued())

    async def deliver_all(self) -> list[Told]:
        """Deliver all that waits, and return it."""
        waiting = self.outbox.queued()
        for entry in waiting:
            await self.outbox.delivered(self.outbox.begin(entry, {}))
        return told(waiting)

    async def on_disk(self) -> list[Alert]:
        """Return the open alerts as they stand in the database."""
        return await self.book.open_alerts()

    async def rows(self, state: str) -> list[tuple[str, str]]:
        """Return receiver and key of the messages in one state, in their order."""
        query = "SELECT receiver, key FROM outbox WHERE state = ? ORDER BY id"
        return await self.store.read(lambda db: db.execute(query, (state,)).fetchall())

    async def close(self) -> None:
        """End as a kill does: nothing is written any more."""
        if not self._closed:
            self._closed = True
            await self.store.close()


def told(entries: Sequence[OutboxEntry]) -> list[Told]:
    """Return receiver, kind and rule of messages; a test has no rule."""
    return [
        (
            entry.receiver,
            entry.notification.kind,
            entry.notification.alerts[0].rule if entry.notification.alerts else "",
        )
        for entry in entries
    ]
