"""The job that looks at a snapshot again: whether it still is what its manifest says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from semsupervisor.backup.disk import Disk
from semsupervisor.backup.folders import Folders
from semsupervisor.backup.verify import Verdict, Verifier
from semsupervisor.jobs.kinds import At, JobKind, Step
from semsupervisor.kit.blocking import BlockingCalls

KIND = "backup.verify"
LIMIT_SECONDS = 6 * 3600.0


class Request(msgspec.Struct, frozen=True):
    """Which snapshot, and up to which level."""

    snapshot: str
    level: int


class Checking:
    """Makes the one step of looking at a snapshot; `found` hears what was seen."""

    def __init__(self, directory: Callable[[], Path], found: Callable[[str, Verdict], Awaitable[None]]) -> None:
        self._directory = directory
        self._found = found
        self._calls = BlockingCalls()

    def kind(self) -> JobKind[Request]:
        """Return the kind of job."""
        return JobKind(
            name=KIND,
            parameters=Request,
            title=lambda request: f"verification of {request.snapshot} up to level {request.level}",
            steps=self._steps,
            exclusive=False,
            finishes=True,
        )

    def _steps(self, request: Request) -> Sequence[Step]:
        return (
            Step(
                name="look",
                title="Read the snapshot",
                do=partial(self._look, request),
                limit_seconds=LIMIT_SECONDS,
            ),
        )

    async def _look(self, request: Request, at: At) -> None:
        """Look; damage is no failure of the job, but noted."""
        disk = Disk(Folders(self._directory()), self._calls)
        verdict = await Verifier(disk).verify(request.snapshot, request.level, at.progress)
        await self._found(request.snapshot, verdict)
        await at.keep({"snapshot": request.snapshot, "verified": verdict.level, "damage": list(verdict.damage)})
        for damage in verdict.damage:
            await at.note(damage)
