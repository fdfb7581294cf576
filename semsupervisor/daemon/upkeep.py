"""The supervisor looking after itself: what waits for the disk, a database that broke, the watchdog's food."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import structlog

from semsupervisor.errors import StoreError
from semsupervisor.health.observation import Observation, Subject, SubjectKind
from semsupervisor.health.probing import ProbeReport
from semsupervisor.kit.clock import Clock
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Journal

log = structlog.get_logger(__name__)

STORE = Subject(SubjectKind.SUPERVISOR, "store")
STALLED_INTERVALS = 6.0


class Folders:
    """What readers want to know of folders, looked up beside the loop: the state's size, whether the stack's exists."""

    def __init__(self, state: Path, stack: Path) -> None:
        self._state = state
        self._stack = stack
        self.state_bytes = 0
        self.stack_exists = True

    async def look(self) -> None:
        """Look once."""
        self.state_bytes, self.stack_exists = await asyncio.to_thread(self._looked)

    def _looked(self) -> tuple[int, bool]:
        parts = (Path(f"{self._state}{part}") for part in ("", "-wal"))
        return sum(part.stat().st_size for part in parts if part.exists()), self._stack.is_dir()


class StoreWatch:
    """Brings what waits in memory to the disk, and sees whether the state database can be written."""

    name = "store"

    def __init__(
        self,
        store: Store,
        journal: Journal,
        clock: Clock,
        load: Callable[[], Awaitable[None]],
        save_all: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._journal = journal
        self._clock = clock
        self._load = load
        self._save_all = save_all
        self._saved_after = (store.set_aside, journal.forgotten_total)

    async def observe(self) -> Sequence[Observation]:
        """Try the database, and write everything again where it was lost while running.

        It is with a database that was set aside, and as changes that were too many to wait for the disk.
        What the last run left is taken up now if it could not be read before.
        """
        caught_up = await self._journal.catch_up()
        try:
            await self._load()
            await self._store.read(lambda db: db.execute("PRAGMA user_version").fetchone())
        except StoreError:
            log.debug("store.unreadable", problem=self._store.problem)
        lost = (self._store.set_aside, self._journal.forgotten_total if caught_up else self._saved_after[1])
        if lost != self._saved_after:
            self._saved_after = lost
            await self._save_all()
        moved = str(self._store.set_aside) if self._store.set_aside else ""
        problem = self._store.problem
        return [
            Observation(
                source=self.name,
                subject=STORE,
                at=self._clock.instant(),
                facts={"writable": not problem and not self._journal.waiting, "set_aside": bool(moved)},
                evidence={key: text for key, text in (("error", problem), ("moved_to", moved)) if text},
            )
        ]


def works(reports: Mapping[str, ProbeReport], clock: Clock) -> bool:
    """Tell whether the schedule still makes probes end: at least one did within `STALLED_INTERVALS` of its own."""
    now = clock.monotonic()
    return not reports or any(
        now - (report.last_ended or report.added).monotonic <= STALLED_INTERVALS * report.interval_seconds
        for report in reports.values()
    )
