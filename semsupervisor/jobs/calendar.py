"""Since when each schedule counts, as it is kept: the table `schedules`."""

from __future__ import annotations

import sqlite3
from datetime import datetime

import msgspec

from semsupervisor.store.database import Migration, Store
from semsupervisor.store.journal import Journal

MIGRATIONS = (
    Migration(
        320,
        """
        CREATE TABLE schedules (
            name TEXT PRIMARY KEY,
            plan TEXT NOT NULL,
            since TEXT NOT NULL,
            job TEXT NOT NULL,
            followed TEXT NOT NULL
        );
        """,
    ),
    Migration(321, "ALTER TABLE schedules ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;"),
)
_ONE = "SELECT plan, since, job, followed, tries FROM schedules WHERE name = ?"
_SAVE = "INSERT OR REPLACE INTO schedules (name, plan, since, job, followed, tries) VALUES (?, ?, ?, ?, ?, ?)"


class Counting(msgspec.Struct, frozen=True):
    """A schedule in words, and the moment after which its times count: its last run, or when it was set.

    `job` is the last that it got, `followed` the last after whose end was done what comes after it. `tries` is how
    often a run that had failed was asked for again.
    """

    plan: str
    since: datetime
    job: str = ""
    followed: str = ""
    tries: int = 0


class Calendar:
    """The only writer and reader of the schedules."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self._store = store
        self._journal = journal

    async def find(self, name: str) -> Counting | None:
        """Return since when a schedule counts, None before it does. Raises: StoreError."""
        rows = await self._store.read(lambda connection: connection.execute(_ONE, (name,)).fetchall())
        if not rows:
            return None
        plan, since, job, followed, tries = rows[0]
        return Counting(plan, datetime.fromisoformat(since), job, followed, tries)

    async def write(self, name: str, counting: Counting) -> None:
        """Keep since when a schedule counts; what the disk does not take now waits in memory for it."""
        row = (name, counting.plan, counting.since.isoformat(), counting.job, counting.followed, counting.tries)

        def save(connection: sqlite3.Connection) -> None:
            connection.execute(_SAVE, row)

        await self._journal.commit(save)
