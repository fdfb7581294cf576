"""The supervisor looking after itself: what waits for the disk, a database that broke, the watchdog's food."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import structlog

from semsupervisor.daemon.predecessors import Predecessors
from semsupervisor.errors import StoreError
from semsupervisor.health.observation import FactValue, Observation, Subject, SubjectKind
from semsupervisor.health.probing import ProbeReport
from semsupervisor.kit.blocking import BlockingCalls, Hanging
from semsupervisor.kit.clock import Clock
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Journal

log = structlog.get_logger(__name__)

STORE = Subject(SubjectKind.SUPERVISOR, "store")
STALLED_INTERVALS = 6.0
LOOK_SECONDS = 5.0
# So long it is told; there is nothing that would end it.
REMOVED_SECONDS = 600.0

WriteNote = Callable[[str, Subject, str, Mapping[str, FactValue]], Awaitable[None]]


class Folders:
    """What readers want to know of folders, looked up beside the loop: the state's size, whether the stack's exists.

    `scripts` are those that the runbook has put into the stack's, where the host still runs them.
    """

    def __init__(self, state: Path, stack: Path, scripts: Predecessors) -> None:
        self._state = state
        self._stack = stack
        self._calls = BlockingCalls()
        self.state_bytes = 0
        self.stack_exists = True
        self.scripts = scripts

    async def look(self) -> None:
        """Look once; what a hanging disk does not tell stays as it was."""
        try:
            self.state_bytes = await self._calls.run("state", self._size, LOOK_SECONDS)
            self.stack_exists = await self._calls.run("stack", self._stack.is_dir, LOOK_SECONDS)
        except Hanging as error:
            log.warning("folders.hanging", error=str(error))

    def _size(self) -> int:
        parts = (Path(f"{self._state}{part}") for part in ("", "-wal"))
        return sum(part.stat().st_size for part in parts if part.exists())


class StoreWatch:
    """Brings what waits in memory to the disk, and sees whether the state database is there and can be written."""

    name = "store"

    def __init__(
        self, store: Store, journal: Journal, clock: Clock, load: Callable[[], Awaitable[None]], note: WriteNote
    ) -> None:
        self._store = store
        self._journal = journal
        self._clock = clock
        self._load = load
        self._note = note
        self._noted = store.removed_total
        self._removed: float | None = None

    async def observe(self) -> Sequence[Observation]:
        """Try the database; what is in memory only, or was lost with its file, is written now.

        What the last run left is taken up now if it could not be read before.
        """
        try:
            await self._store.read(lambda db: db.execute("PRAGMA user_version").fetchone())
            await self._journal.catch_up()
            await self._load()
            if self._journal.settled:
                await self._note_removal()
                await self._store.end_salvage()
        except StoreError:
            log.debug("store.unreadable", problem=self._store.problem)
        moved = str(self._store.set_aside) if self._store.set_aside else ""
        problem = self._store.problem
        facts = {
            "writable": not problem and not self._journal.waiting,
            "set_aside": bool(moved),
            "removed": self._was_removed(),
        }
        evidence = {"error": problem, "moved_to": moved, "path": str(self._store.path)}
        return [
            Observation(
                source=self.name,
                subject=STORE,
                at=self._clock.instant(),
                facts=facts,
                evidence={key: text for key, text in evidence.items() if text},
            )
        ]

    async def _note_removal(self) -> None:
        """Write down, once there is a new file to write into, that the old one was taken away."""
        removed = self._store.removed_total
        if removed == self._noted:
            return
        self._noted, self._removed = removed, self._clock.monotonic()
        text = f"{self._store.path} was taken away under the running supervisor: a new one was begun"
        await self._note("daemon.state_removed", STORE, text, {"times": removed})

    def _was_removed(self) -> bool:
        return self._removed is not None and self._clock.monotonic() - self._removed < REMOVED_SECONDS


def works(reports: Mapping[str, ProbeReport], clock: Clock) -> bool:
    """Tell whether the schedule still makes probes end: at least one did within `STALLED_INTERVALS` of its own."""
    now = clock.monotonic()
    return not reports or any(
        now - (report.last_ended or report.added).monotonic <= STALLED_INTERVALS * report.interval_seconds
        for report in reports.values()
    )
