"""The jobs of a host: told of in the timeline, taken up at the start and left in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from semsupervisor.daemon.acting import Acting, NotTakenUp, failed, trim_jobs
from semsupervisor.errors import StoreError
from semsupervisor.health.observation import FactValue, Subject
from semsupervisor.jobs import book
from semsupervisor.jobs.book import JobBook
from semsupervisor.jobs.mirror import Mirror
from semsupervisor.jobs.record import JobRecord, JobState
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Journal
from tests.support.clock import ManualClock
from tests.support.job_world import job as a_job
from tests.support.waiting import eventually
from tests.support.workshop import Piece, World, kind

pytestmark = pytest.mark.usefixtures("logs")


class Host:
    """One run of the acting part on a folder."""

    def __init__(self, folder: Path, owner: TaskOwner, world: World) -> None:
        self.clock = clock = ManualClock()
        self.store = Store(folder / "state.db", book.MIGRATIONS, clock)
        self.journal = Journal(self.store)
        kinds = [
            kind("build", [world.step("one"), world.step("two")]),
            kind("look", [world.step("see")], exclusive=False),
        ]
        self.book = job_book = JobBook(self.store, self.journal, Mirror(folder / "jobs"))
        self.acting = Acting(clock, job_book, owner, kinds, self._note, self._ended)
        self.notes: list[tuple[str, str]] = []
        self.ends = 0

    async def _note(self, kind: str, subject: Subject, text: str, facts: Mapping[str, FactValue]) -> None:
        assert (str(subject), set(facts)) == ("supervisor:jobs", {"job", "kind"})
        self.notes.append((kind, text))

    async def _ended(self) -> None:
        self.ends += 1

    async def ended(self, kind: str = "build", piece: str = "piece") -> JobRecord:
        """Ask for a job and return it at its end."""
        job = (await self.acting.submit(kind, Piece(piece), "root")).job
        return await self.at_its_end(job.id)

    async def at_its_end(self, job_id: str) -> JobRecord:
        """Return a job once it is not open any more, or stuck."""
        readings = self.acting.readings()

        async def look() -> JobRecord | None:
            job = await readings.find(job_id)
            return job if job and (not job.is_open or job.state is JobState.STUCK) else None

        job = await eventually(look)
        assert job is not None
        return job


@asynccontextmanager
async def a_host(folder: Path, world: World) -> AsyncIterator[Host]:
    """Run one, not taken up yet."""
    async with asyncio.TaskGroup() as group:
        owner = TaskOwner(group, ManualClock())
        host = Host(folder, owner, world)
        yield host
        await host.acting.stop()
        await owner.stop()
        await host.store.close()


async def test_what_becomes_of_a_job_is_told(tmp_path: Path) -> None:
    """That it was asked for and by whom, and its end with what is to be said of it."""
    world = World(tmp_path / "world")
    async with a_host(tmp_path, world) as host:
        await host.acting.take_up()
        await host.ended()
        world.failing = {"do two"}
        await host.ended()
        await eventually(lambda: host.ends == 2)
        assert sorted(host.notes) == [
            ("job.asked", "build piece was asked for by root"),
            ("job.asked", "build piece was asked for by root"),
            ("job.done", "build piece is done"),
            ("job.undone", "build piece was undone: Two: do two is broken"),
        ]


async def test_the_newest_jobs_are_those_of_disk_and_memory(tmp_path: Path) -> None:
    """Newest first, no more than were asked for; what is under way is as memory knows it."""
    world = World(tmp_path / "world")
    async with a_host(tmp_path, world) as host:
        await host.acting.take_up()
        readings = host.acting.readings()
        first = await host.ended()
        host.clock.advance(1)
        release = world.hold("do see")
        second = (await host.acting.submit("look", Piece("x"), "root")).job
        await eventually(lambda: "do see" in world.calls)
        assert [job.id for job in await readings.newest(5)] == [second.id, first.id]
        assert [job.id for job in await readings.newest(1)] == [second.id]
        assert [job.id for job in readings.shown()] == [first.id, second.id]
        assert readings.progress(second.id) is not None
        assert await readings.find("none") is None
        release.set()
        await host.at_its_end(second.id)
        await trim_jobs(host.journal)
        assert len(await readings.newest(5)) == 2


async def test_nothing_is_begun_before_what_is_open_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it cannot be read, that is tried again and again."""
    world = World(tmp_path / "world")

    def fail(_: Mirror) -> Sequence[JobRecord]:
        raise StoreError("cannot read the open jobs")

    read = Mirror.read
    monkeypatch.setattr(Mirror, "read", fail)
    async with a_host(tmp_path, world) as host:
        for _ in range(2):
            await host.acting.try_to_take_up()
            with pytest.raises(NotTakenUp, match="try again in a moment"):
                await host.acting.submit("build", Piece(), "root")
        with pytest.raises(StoreError, match="cannot read the open jobs"):
            await host.acting.take_up()
        monkeypatch.setattr(Mirror, "read", read)
        await host.acting.try_to_take_up()
        assert (await host.ended()).state is JobState.DONE


async def test_how_many_jobs_are_stuck_is_seen(tmp_path: Path) -> None:
    """And which, so that somebody can be told; nothing is said before it is known what an earlier run left."""
    world = World(tmp_path / "world")
    await asyncio.to_thread(Mirror(tmp_path / "jobs").write, a_job("0a", JobState.RUNNING, kind="from.the.future"))
    async with a_host(tmp_path, world) as host:
        assert list(await host.acting.observe()) == []
        await host.acting.take_up()
        (seen,) = await host.acting.observe()
        assert (str(seen.subject), seen.facts) == ("supervisor:jobs", {"stuck_jobs": 1.0, "failed_jobs": 0.0})
        assert "(0a): this version of the supervisor knows no job of the kind from.the.future" in seen.evidence["jobs"]
        assert host.notes[0][0] == "job.stuck"
        await host.acting.readings().give_up("0a", "root")
        assert host.notes[-1][0] == "job.given_up"
        (seen,) = await host.acting.observe()
        assert (seen.facts, seen.evidence) == ({"stuck_jobs": 0.0, "failed_jobs": 0.0}, {})


async def test_what_failed_is_seen_until_it_is_done(tmp_path: Path) -> None:
    """Of each kind the last job counts, for a day, also after a new start."""
    world = World(tmp_path / "world")
    async with a_host(tmp_path, world) as host:
        await asyncio.to_thread((tmp_path / "jobs").mkdir)
        await host.book.write(a_failed_job())
        await host.acting.take_up()
        (seen,) = await host.acting.observe()
        assert (seen.facts["failed_jobs"], "(0a): no room" in seen.evidence["failed"]) == (1.0, True)
        assert (await host.ended()).state is JobState.DONE
        await eventually(lambda: host.ends)  # what became of it is known before it is told
        (seen,) = await host.acting.observe()
        assert (seen.facts["failed_jobs"], seen.evidence) == (0.0, {})


def a_failed_job() -> JobRecord:
    """Return a job that was undone because of a step that failed."""
    job = a_job("0a", JobState.UNDONE, kind="build", ended_at=ManualClock().now(), cause="no room")
    step = msgspec.structs.replace(job.steps[0], error="no room")
    return msgspec.structs.replace(job, steps=(step,))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"cancelled": True}, False),
        ({"ended_at": None}, False),
        ({"state": JobState.DONE}, False),
        ({"steps": ()}, False),
        ({"ended_at": ManualClock().now() - timedelta(days=1)}, False),
    ],
)
def test_what_counts_as_failed(changes: dict[str, Any], expected: bool) -> None:
    """A step that failed, and not somebody who did not want it any more, or a power cut."""
    job = msgspec.structs.replace(a_failed_job(), **changes)
    assert failed(job, ManualClock().now()) is expected


async def test_a_job_that_holds_the_stack_is_undone_at_the_end(tmp_path: Path) -> None:
    """One that does not is left for the next run, which undoes it."""
    world = World(tmp_path / "world")
    world.hold("do two")
    world.hold("do see")
    async with a_host(tmp_path, world) as host:
        await host.acting.take_up()
        for name in ("build", "look"):
            await host.acting.submit(name, Piece(), "root")
        await eventually(lambda: {"do two", "do see"} <= set(world.calls))
        await host.acting.stop()
        assert await world.made() == {"see"}
    world.held.clear()
    async with a_host(tmp_path, world) as host:
        await host.acting.take_up()
        await eventually(lambda: not any(job.is_open for job in host.acting.readings().shown()))
        assert await world.made() == set()
        await eventually(lambda: [kind for kind, _ in host.notes] == ["job.undone"])


async def test_a_stuck_job_is_told(tmp_path: Path) -> None:
    """It stays open."""
    world = World(tmp_path / "world")
    step = world.step("one", commits=True)
    world.failing = {"do two"}
    async with asyncio.TaskGroup() as group:
        owner = TaskOwner(group, ManualClock())
        host = Host(tmp_path, owner, world)
        host.acting = Acting(
            ManualClock(),
            JobBook(host.store, host.journal, Mirror(tmp_path / "jobs")),
            owner,
            [kind("build", [step, world.step("two")])],
            host._note,
            host._ended,
        )
        await host.acting.take_up()
        assert (await host.ended()).state is JobState.STUCK
        await eventually(lambda: ("job.stuck", "build piece is stuck: Two: do two is broken") in host.notes)
        assert (host.ends, len(host.acting.readings().shown())) == (0, 1)
        await owner.stop()
        await host.store.close()
