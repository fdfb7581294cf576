"""Changes that must reach the database in order, also when its disk is full for a while.

A change is a function that can be run again after it failed. While the store fails, changes wait in memory and go in
front of the next one in a single transaction. When rows are lost all the same, with a database that had to be begun
afresh or as changes too many to wait, what chapters know in memory is the truth, and is written in front of all that.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
import structlog

from semsupervisor.errors import StoreError
from semsupervisor.kit.tasks import uninterrupted
from semsupervisor.store.database import Store, StoreRenewed

log = structlog.get_logger(__name__)

Change = Callable[[sqlite3.Connection], object]
Whole = Callable[[bool], Change]
"""Returns what writes all that a chapter knows, as it is at that moment; told True, what it does not know ends, too."""


class Companion(msgspec.Struct, frozen=True):
    """A change that belongs into the transaction of another one, and what makes it true in memory afterwards."""

    change: Change
    then: Callable[[], object]


# A few KiB each: so many fit beside everything else into the memory that the daemon may take.
MOST_WAITING = 2_000
# In one writing; who takes the file away more often than that is not outrun.
MOST_RENEWALS = 3


def _nothing() -> None:
    """Follow a commit that nothing in memory depends on."""


class Journal:
    """The one way in which chapters change their tables."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._order = asyncio.Lock()
        self._waiting: deque[Change] = deque()
        self._wholes: list[Whole] = []
        self._generation = store.generation
        self._forgets = False
        self.forgotten_total = 0

    @property
    def waiting(self) -> int:
        """Return how many changes are in memory only."""
        return len(self._waiting)

    @property
    def settled(self) -> bool:
        """Tell whether all that is known is on the disk, as far as known."""
        return not (self._waiting or self._forgets or self._store.generation != self._generation)

    def keeps(self, whole: Whole) -> None:
        """Take note of what writes all that a chapter knows."""
        self._wholes.append(whole)

    async def commit(self, change: Change, then: Callable[[], object] = _nothing) -> bool:
        """Commit a change behind all that wait; return whether it is on the disk (else it waits in memory).

        `then` is called in either case, and makes the change true in memory as well: even if the caller is cancelled
        while the disk writes, the two never differ. It must not fail.
        """
        return await uninterrupted(self._commit(change, then))

    async def catch_up(self) -> bool:
        """Try to commit what waits or was lost, if there is anything. Return whether there is nothing any more."""
        return await uninterrupted(self._catch_up())

    async def _commit(self, change: Change, then: Callable[[], object]) -> bool:
        async with self._order:
            try:
                await self._write([*self._waiting, change])
            except StoreError as error:
                self._keep(change, error)
                then()
                return False
            then()
            return True

    async def _catch_up(self) -> bool:
        async with self._order:
            if self.settled:
                return True
            try:
                await self._write(list(self._waiting))
            except StoreError:
                return False
            return True

    async def _write(self, changes: list[Change]) -> None:
        """Commit changes, behind what is to be written again. Raises: StoreError."""
        for _ in range(MOST_RENEWALS):
            generation, forgets = self._store.generation, self._forgets
            lost = forgets or generation != self._generation
            batch = [*(whole(forgets) for whole in self._wholes), *changes] if lost else changes
            try:
                await self._store.write(partial(_run_all, changes=batch), generation=generation)
            except StoreRenewed:
                continue
            self._caught_up(whole=lost)
            self._generation = generation
            return
        raise StoreError(f"cannot use the state database {self._store.path}: it is taken away again and again")

    def _caught_up(self, *, whole: bool) -> None:
        if self._waiting or whole:
            log.info("journal.caught_up", changes=len(self._waiting), whole=whole, forgotten_total=self.forgotten_total)
        self._waiting.clear()
        self._forgets = False

    def _keep(self, change: Change, error: StoreError) -> None:
        if not self._waiting:
            log.error("journal.waiting", error=str(error))
        self._waiting.append(change)
        if len(self._waiting) > MOST_WAITING and not self._forgets:
            self._forgets = True
            log.error("journal.forgetting", most_waiting=MOST_WAITING, error=str(error))
        while len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self.forgotten_total += 1


def _run_all(connection: sqlite3.Connection, changes: Sequence[Change]) -> None:
    for change in changes:
        change(connection)
