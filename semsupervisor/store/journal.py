"""Changes that must reach the database in order, also when its disk is full for a while.

A change is a function that can be run twice without harm (rows are named by the program, not by the database).
While the store fails, changes wait in memory and go in front of the next one in a single transaction.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable

import structlog

from semsupervisor.errors import StoreError
from semsupervisor.store.database import Store

log = structlog.get_logger(__name__)

Change = Callable[[sqlite3.Connection], object]

MOST_WAITING = 10_000


class Journal:
    """The one way in which chapters change their tables."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._order = asyncio.Lock()
        self._waiting: deque[Change] = deque()
        self.forgotten_total = 0

    @property
    def waiting(self) -> int:
        """Return how many changes are in memory only."""
        return len(self._waiting)

    async def commit(self, change: Change) -> bool:
        """Commit a change behind all that wait; return whether it is on the disk (else it waits in memory)."""
        async with self._order:
            batch = [*self._waiting, change]
            try:
                await self._store.write(lambda connection: _run_all(connection, batch))
            except StoreError as error:
                self._keep(change, error)
                return False
            self._waiting.clear()
            return True

    async def catch_up(self) -> bool:
        """Try to commit what waits; with nothing waiting, do nothing. Return whether nothing waits any more."""
        async with self._order:
            batch = list(self._waiting)
            if not batch:
                return True
            try:
                await self._store.write(lambda connection: _run_all(connection, batch))
            except StoreError:
                return False
            self._waiting.clear()
            log.info("journal.caught_up", changes=len(batch))
            return True

    def _keep(self, change: Change, error: StoreError) -> None:
        if not self._waiting:
            log.error("journal.waiting", error=str(error))
        self._waiting.append(change)
        while len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self.forgotten_total += 1


def _run_all(connection: sqlite3.Connection, changes: list[Change]) -> None:
    for change in changes:
        change(connection)
