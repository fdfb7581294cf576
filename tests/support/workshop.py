"""A runner of jobs on a real store, with a kind of job whose acts are files in a folder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from semsupervisor.errors import TemporaryError
from semsupervisor.jobs import book
from semsupervisor.jobs.book import JobBook
from semsupervisor.jobs.kinds import AnyKind, At, JobKind, Step
from semsupervisor.jobs.mirror import Mirror
from semsupervisor.jobs.record import JobRecord, JobState
from semsupervisor.jobs.runner import Runner
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Journal
from tests.support.clock import ManualClock


class Piece(msgspec.Struct, frozen=True):
    """What a request of the tests asks for."""

    name: str = "piece"


class World:
    """A folder in which each act leaves a file, and what is to go wrong with which act."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)
        self.failing: set[str] = set()
        self.held: dict[str, asyncio.Event] = {}
        self.calls: list[str] = []

    async def made(self) -> set[str]:
        """Return which acts are in force."""
        return await asyncio.to_thread(lambda: {file.name for file in self._folder.iterdir()})

    def hold(self, call: str) -> asyncio.Event:
        """Let a call such as `do one` wait, after it has taken effect, until the event is set."""
        self.held[call] = asyncio.Event()
        return self.held[call]

    async def _call(self, call: str, change: Callable[[], object]) -> None:
        self.calls.append(call)
        if call in self.failing:
            raise TemporaryError(f"{call} is broken")
        await asyncio.to_thread(change)
        if call in self.held:
            await self.held[call].wait()

    def step(
        self, name: str, *, commits: bool = False, optional: bool = False, interruptible: bool = True, limit: float = 30
    ) -> Step:
        """Return a step whose act is a file."""
        file = self._folder / name

        async def do(at: At) -> None:
            at.progress(1, 2, "pieces")
            await self._call(f"do {name}", file.touch)
            await at.keep({name: str(file)})

        async def is_done(_: At) -> bool:
            await self._call(f"check {name}", lambda: None)
            return await asyncio.to_thread(file.exists)

        async def undo(_: At) -> None:
            await self._call(f"undo {name}", lambda: file.unlink(missing_ok=True))

        return Step(
            name=name,
            title=name.capitalize(),
            do=do,
            is_done=is_done,
            undo=undo,
            commits=commits,
            optional=optional,
            interruptible=interruptible,
            limit_seconds=limit,
        )


def kind(
    name: str, steps: Sequence[Step], *, exclusive: bool = True, finishes: bool = False, preempts: bool = False
) -> AnyKind:
    """Return a kind of job of these steps."""
    return JobKind(
        name=name,
        parameters=Piece,
        title=lambda piece: f"{name} {piece.name}",
        steps=lambda _: steps,
        exclusive=exclusive,
        finishes=finishes,
        preempts=preempts,
    )


class Workshop:
    """One run of the daemon's runner; the next run on the same folder is another one."""

    def __init__(self, folder: Path, owner: TaskOwner, kinds: Sequence[AnyKind]) -> None:
        self.clock = ManualClock()
        self.store = Store(folder / "state.db", book.MIGRATIONS, self.clock)
        self.mirror = Mirror(folder / "jobs")
        self.book = JobBook(self.store, Journal(self.store), self.mirror)
        self.told: list[tuple[str, JobState]] = []
        self.runner = Runner(self.clock, self.book, owner, kinds, self._tell)

    async def _tell(self, job: JobRecord) -> None:
        self.told.append((job.title, job.state))

    async def mirrored(self) -> Sequence[JobRecord]:
        """Return what stands in the mirror."""
        return await asyncio.to_thread(self.mirror.read)

    async def ask(self, name: str = "build", piece: str = "piece") -> JobRecord:
        """Ask for a job and return it."""
        return (await self.runner.submit(name, Piece(piece), "a test")).job

    async def done(self, name: str = "build", piece: str = "piece") -> JobRecord:
        """Ask for a job and return it when nothing is done about it any more."""
        return await self.runner.wait((await self.ask(name, piece)).id)
