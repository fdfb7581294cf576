"""The job that looks at a snapshot again: whether it still is what its manifest says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from semsupervisor.backup.disk import Disk
from semsupervisor.backup.folders import Folders
from semsupervisor.backup.proving import Means, Proof, Proving
from semsupervisor.backup.scratch import ScratchFailed
from semsupervisor.backup.unpacking import NotPossible
from semsupervisor.backup.verify import HIGHEST_LEVEL, Verdict, Verifier
from semsupervisor.jobs.kinds import At, JobKind, Step
from semsupervisor.jobs.record import OUTCOME
from semsupervisor.kit import amounts
from semsupervisor.kit.blocking import BlockingCalls

KIND = "backup.verify"
LIMIT_SECONDS = 6 * 3600.0
# Of many that are verified at once each waits for those before it.
TURN_SECONDS = 14 * 86400.0
PROVING_LEVEL = 3


class Request(msgspec.Struct, frozen=True):
    """Which snapshot, and up to which level."""

    snapshot: str
    level: int


class Checking:
    """Makes the steps of looking at a snapshot; `found` hears what was seen."""

    def __init__(
        self,
        directory: Callable[[], Path],
        found: Callable[[str, Verdict], Awaitable[None]],
        means: Means,
        turn: asyncio.Lock,
        limit_seconds: float = LIMIT_SECONDS,
    ) -> None:
        """`turn` is held by whoever has a scratch server: the host has room for one. The limit counts from then on."""
        self._directory = directory
        self._found = found
        self._means = means
        self._turn = turn
        self._limit_seconds = limit_seconds
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
        look = Step(
            name="look",
            title="Read the snapshot",
            do=partial(self._look, request),
            limit_seconds=LIMIT_SECONDS,
        )
        if request.level < PROVING_LEVEL:
            return (look,)
        prove = Step(
            name="prove",
            title="Let a scratch server read every record",
            do=partial(self._prove, request),
            limit_seconds=TURN_SECONDS,
        )
        return look, prove

    async def _look(self, request: Request, at: At) -> None:
        """Look; damage is no failure of the job, but noted."""
        level = min(request.level, HIGHEST_LEVEL)
        await self._tell(request, at, await Verifier(self._disk()).verify(request.snapshot, level, at.progress))

    async def _prove(self, request: Request, at: At) -> None:
        """Go on where nothing is damaged so far; where that cannot be done the lower levels count, and why is noted."""
        if at.data["damage"]:
            return
        proving = Proving(self._means, self._disk(), request.snapshot, at.progress)
        try:
            async with self._turn:
                began = self._means.clock.monotonic()
                async with asyncio.timeout(self._limit_seconds):
                    proof = await proving.prove(at.job_id)
        except NotPossible as error:
            await at.note(f"level {PROVING_LEVEL} was not tried: {error}")
            return
        except TimeoutError as error:
            raise ScratchFailed(f"not done within {self._limit_seconds:g} s of its turn") from error
        await at.keep({OUTCOME: _rate(proof, self._means.clock.monotonic() - began)})
        await self._tell(request, at, Verdict(PROVING_LEVEL, proof.damage, proof.store_bytes, proof.streams))

    async def _tell(self, request: Request, at: At, verdict: Verdict) -> None:
        await self._found(request.snapshot, verdict)
        await at.keep({"snapshot": request.snapshot, "verified": verdict.level, "damage": list(verdict.damage)})
        for damage in verdict.damage:
            await at.note(damage)

    def _disk(self) -> Disk:
        return Disk(Folders(self._directory()), self._calls)


def _rate(proof: Proof, seconds: float) -> str:
    """Return how fast it went: restored, and every record read."""
    rate = amounts.size(int(proof.store_bytes / max(seconds, 0.001)))
    return f"a scratch server has read {amounts.size(proof.store_bytes)} in {seconds:.1f} s, {rate} a second"
