"""Jobs are carried out one at a time where they hold the stack, joined, cancelled, and taken up by the next run."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from semsupervisor.errors import StoreError
from semsupervisor.jobs import book, carrying
from semsupervisor.jobs.kinds import AnyKind, Step
from semsupervisor.jobs.mirror import Mirror
from semsupervisor.jobs.record import JobRecord, JobState, StepState
from semsupervisor.jobs.runner import NotSettled, UnknownJob
from semsupervisor.kit.tasks import TaskOwner
from tests.support.clock import ManualClock
from tests.support.logs import Logs
from tests.support.waiting import eventually
from tests.support.workshop import Piece, Workshop, World, kind

pytestmark = pytest.mark.usefixtures("logs")

DONE, UNDONE, STUCK = JobState.DONE, JobState.UNDONE, JobState.STUCK


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is tried again be tried at once."""
    monkeypatch.setattr(carrying, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(carrying, "LONGEST_PAUSE_SECONDS", 0.001)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return what the jobs change."""
    return World(tmp_path / "world")


@asynccontextmanager
async def a_run(folder: Path, kinds: Sequence[AnyKind]) -> AsyncIterator[Workshop]:
    """Run a runner that takes up what is open; at the end all of its tasks are cut off, as by a kill."""
    async with asyncio.TaskGroup() as group:
        owner = TaskOwner(group, ManualClock())
        workshop = Workshop(folder, owner, kinds)
        await workshop.runner.take_up()
        yield workshop
        await owner.stop()
        await workshop.store.close()


def events(logs: Logs) -> list[str]:
    """Return what the log tells of."""
    return [entry["event"] for entry in logs]


def put_in_the_way(folder: Path) -> None:
    """Let nothing be written there any more."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("in the way")


def lose(folder: Path) -> None:
    """Take the database away."""
    for file in folder.glob("state.db*"):
        file.unlink()


def building(world: World, **options: bool) -> list[AnyKind]:
    """Return the one kind of job most tests need: three files."""
    return [kind("build", [world.step("one"), world.step("two"), world.step("three")], **options)]


async def test_a_job_does_all_of_its_steps(world: World, tmp_path: Path) -> None:
    """In order; its record says so, and what it kept; nothing of it is left open on the disk."""
    async with a_run(tmp_path, building(world)) as shop:
        job = await shop.done()
        assert world.calls == ["do one", "do two", "do three"]
        assert (job.state, job.title, job.asked_by) == (DONE, "build piece", "a test")
        assert sorted(job.data) == ["one", "three", "two"]
        assert shop.told == [("build piece", state) for state in (JobState.QUEUED, JobState.RUNNING, DONE)]
        assert await shop.book.find(job.id) == job
        assert list(await shop.mirrored()) == []
        assert list(shop.runner.open_jobs) == []
        assert shop.runner.holder is None


async def test_a_step_is_on_the_disk_before_it_is_done(world: World, tmp_path: Path) -> None:
    """Whoever reads the disk while it acts finds it begun."""
    async with a_run(tmp_path, building(world)) as shop:
        go_on = world.hold("do two")
        job = await shop.ask()
        await eventually(lambda: "do two" in world.calls)
        (found,) = await shop.mirrored()
        assert [step.state for step in found.steps] == [StepState.DONE, StepState.BEGUN, StepState.WAITING]
        progress = shop.runner.progress(job.id)
        assert progress is not None
        assert (progress.step, progress.done, progress.total) == ("two", 1, 2)
        go_on.set()
        assert (await shop.runner.wait(job.id)).state is DONE
        assert shop.runner.progress(job.id) is None


async def test_a_failed_job_leaves_nothing(world: World, tmp_path: Path) -> None:
    """All that it did is undone, the failed step too."""
    async with a_run(tmp_path, building(world)) as shop:
        world.failing.add("do three")
        job = await shop.done()
        assert (job.state, job.cause) == (UNDONE, "Three: do three is broken")
        assert await world.made() == set()
        assert world.calls[-3:] == ["undo three", "undo two", "undo one"]


async def test_an_act_that_takes_too_long_is_cut_off(world: World, tmp_path: Path) -> None:
    """That counts as a failure, and says after how long."""
    slow = [kind("build", [world.step("one", limit=0.05)])]
    async with a_run(tmp_path, slow) as shop:
        world.hold("do one")
        job = await shop.done()
        assert (job.state, job.cause) == (UNDONE, "One: not done within 0.05 s")
        assert await world.made() == set()


async def test_an_optional_step_that_fails_is_noted(world: World, tmp_path: Path) -> None:
    """The job is done all the same."""
    async with a_run(tmp_path, [kind("build", [world.step("one", optional=True), world.step("two")])]) as shop:
        world.failing.add("do one")
        job = await shop.done()
        assert (job.state, job.notes) == (DONE, ("One: do one is broken",))


async def test_a_bug_in_a_step_is_a_failure_of_the_job(world: World, tmp_path: Path, logs: Logs) -> None:
    """It is logged with its place, and what was done is undone."""

    async def broken(_: object) -> None:
        raise ValueError("oops")

    bad = Step(name="bad", title="Bad", do=broken)
    async with a_run(tmp_path, [kind("build", [world.step("one"), bad])]) as shop:
        job = await shop.done()
        assert (job.state, job.cause) == (UNDONE, "Bad: ValueError: oops")
        assert await world.made() == set()
    assert "job.broken" in events(logs)


async def test_the_same_request_joins_the_job_under_way(world: World, tmp_path: Path) -> None:
    """Other parameters are another job."""
    async with a_run(tmp_path, building(world)) as shop:
        go_on = world.hold("do one")
        first = await shop.ask()
        again = await shop.runner.submit("build", Piece("piece"), "somebody else")
        other = await shop.runner.submit("build", Piece("another"), "somebody else")
        assert (again.joined, again.job.id, other.joined) == (True, first.id, False)
        go_on.set()
        await shop.runner.wait(other.job.id)
        afresh = await shop.runner.submit("build", Piece("piece"), "a test")
        assert not afresh.joined
        await shop.runner.wait(afresh.job.id)


async def test_one_job_holds_the_stack_at_a_time(world: World, tmp_path: Path) -> None:
    """The others wait in the order in which they were asked for; what needs nothing of the stack does not."""
    kinds = [*building(world), kind("look", [world.step("seen")], exclusive=False)]
    async with a_run(tmp_path, kinds) as shop:
        go_on = world.hold("do one")
        first, second = await shop.ask(piece="a"), await shop.ask(piece="b")
        assert (await shop.done("look")).state is DONE
        await eventually(lambda: shop.runner.holder)
        held = shop.runner.holder
        assert held is not None
        assert held.id == first.id
        assert [job.state for job in shop.runner.open_jobs] == [JobState.RUNNING, JobState.QUEUED]
        go_on.set()
        assert (await shop.runner.wait(second.id)).state is DONE


async def test_a_cancelled_job_is_undone(world: World, tmp_path: Path) -> None:
    """Its present step is cut short, and it says who wanted that."""
    async with a_run(tmp_path, building(world)) as shop:
        world.hold("do two")
        job = await shop.ask()
        await eventually(lambda: "do two" in world.calls)
        await shop.runner.cancel(job.id, "root")
        ended = await shop.runner.wait(job.id)
        assert (ended.state, ended.cancelled, ended.cause) == (UNDONE, True, "cancelled by root")
        assert await world.made() == set()
        assert "do three" not in world.calls


async def test_a_step_that_may_not_be_cut_short_is_done_first(world: World, tmp_path: Path) -> None:
    """The cancellation counts after it."""
    async with a_run(tmp_path, [kind("build", [world.step("one", interruptible=False), world.step("two")])]) as shop:
        go_on = world.hold("do one")
        job = await shop.ask()
        await eventually(lambda: "do one" in world.calls)
        await shop.runner.cancel(job.id, "root")
        go_on.set()
        ended = await shop.runner.wait(job.id)
        assert (ended.state, ended.cancelled) == (UNDONE, True)
        assert [one.state for one in ended.steps] == [StepState.UNDONE, StepState.WAITING]


async def test_a_queued_job_that_is_cancelled_never_begins(world: World, tmp_path: Path) -> None:
    """And whatever waits behind it moves up."""
    async with a_run(tmp_path, building(world)) as shop:
        go_on = world.hold("do one")
        first, second = await shop.ask(piece="a"), await shop.ask(piece="b")
        await eventually(lambda: "do one" in world.calls)
        await shop.runner.cancel(second.id, "root")
        go_on.set()
        assert (await shop.runner.wait(first.id)).state is DONE
        await eventually(lambda: not shop.runner.open_jobs)
        found = await shop.book.find(second.id)
        assert found is not None
        assert (found.state, found.began_at) == (UNDONE, None)
        assert world.calls == ["do one", "do two", "do three"]


async def test_a_kind_that_preempts_makes_others_give_way(world: World, tmp_path: Path) -> None:
    """What is under way is undone first, what is queued does not begin; behind a point of no return it waits."""
    kinds = [*building(world), kind("kill", [world.step("killed")], preempts=True)]
    async with a_run(tmp_path, kinds) as shop:
        world.hold("do two")
        first, queued = await shop.ask(piece="a"), await shop.ask(piece="b")
        await eventually(lambda: "do two" in world.calls)
        kill = await shop.ask("kill")
        assert (await shop.runner.wait(kill.id)).state is DONE
        assert await world.made() == {"killed"}
        for job_id in (first.id, queued.id):
            found = await shop.book.find(job_id)
            assert found is not None
            assert (found.state, found.cause) == (UNDONE, f"cancelled by kill piece ({kill.id})")


async def test_what_cannot_be_undone_is_stuck_and_can_be_settled(world: World, tmp_path: Path) -> None:
    """It stays open, says why, does not hold the stack, and another try may do it."""
    async with a_run(tmp_path, building(world)) as shop:
        world.failing |= {"do three", "undo two"}
        job = await shop.done()
        assert (job.state, job.error) == (STUCK, "undoing Two: undo two is broken")
        assert world.calls.count("undo two") == carrying.UNDO_TRIES
        assert shop.runner.holder is None
        world.failing.clear()
        assert (await shop.done(piece="other")).state is DONE
        await shop.runner.settle(job.id)
        await eventually(lambda: not shop.runner.open_jobs)
        found = await shop.book.find(job.id)
        assert found is not None
        assert (found.state, found.cause) == (UNDONE, "Three: do three is broken")


async def test_who_is_tireless_is_never_stuck(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has to come back is tried until it does, and the record says that it takes its time."""
    monkeypatch.setattr(carrying, "LONGEST_TIRELESS_PAUSE_SECONDS", 0.001)
    world.failing = {"do two", "undo one"}
    one = msgspec.structs.replace(world.step("one"), tireless=True)
    async with a_run(tmp_path, [kind("build", [one, world.step("two")])]) as shop:
        job = await shop.ask()
        await eventually(lambda: world.calls.count("undo one") > 2 * carrying.UNDO_TRIES)
        (going,) = shop.runner.open_jobs
        assert (going.state, going.notes) == (JobState.UNDOING, ("undoing One: undo one is broken; it is tried on",))
        world.failing = set()
        assert (await shop.runner.wait(job.id)).state is UNDONE
    assert await world.made() == set()


async def test_what_is_open_is_known_before_it_is_taken_up(world: World, tmp_path: Path) -> None:
    """So what it holds is known before anything is looked at; nothing is done about it yet."""
    steps = [world.step("one"), world.step("two")]
    held = world.hold("do two")
    async with a_run(tmp_path, [kind("build", steps)]) as shop:
        await shop.ask()
        await eventually(lambda: "do two" in world.calls)
    world.held.clear()
    held.set()
    world.calls.clear()
    async with asyncio.TaskGroup() as group:
        owner = TaskOwner(group, ManualClock())
        shop = Workshop(tmp_path, owner, [kind("build", steps)])
        for _ in range(2):
            await shop.runner.load()
        assert shop.runner.holder is not None
        assert (shop.runner.holder.state, world.calls) == (JobState.UNDOING, [])
        waited = shop.runner.holder.id
        await shop.runner.take_up()
        assert (await shop.runner.wait(waited)).state is UNDONE
        await owner.stop()
        await shop.store.close()


@pytest.mark.parametrize("finishes", [True, False])
@pytest.mark.parametrize("call", ["do one", "do two", "do three", "undo two", "undo one"])
async def test_a_job_outlives_the_end_of_a_run_at_any_step(
    world: World, tmp_path: Path, call: str, finishes: bool
) -> None:
    """The next run finishes it or undoes it, as its kind says, with nothing in between left."""
    if call.startswith("undo"):
        world.failing.add("do three")
    async with a_run(tmp_path, building(world, finishes=finishes)) as shop:
        world.hold(call)
        job = await shop.ask()
        await eventually(lambda: call in world.calls)
    world.held.clear()
    async with a_run(tmp_path, building(world, finishes=finishes)) as shop:
        await eventually(lambda: not shop.runner.open_jobs)
        found = await shop.book.find(job.id)
        assert found is not None
        expected = DONE if finishes and call.startswith("do") else UNDONE
        assert found.state is expected
        assert await world.made() == ({"one", "two", "three"} if expected is DONE else set())


async def test_a_job_outlives_a_broken_database(world: World, tmp_path: Path) -> None:
    """The mirror alone tells the next run what was begun."""
    async with a_run(tmp_path, building(world)) as shop:
        world.hold("do two")
        await shop.ask()
        await eventually(lambda: "do two" in world.calls)
    await asyncio.to_thread(lose, tmp_path)
    world.held.clear()
    async with a_run(tmp_path, building(world)) as shop:
        await eventually(lambda: not shop.runner.open_jobs)
        assert await world.made() == set()


async def test_an_end_that_is_asked_for_gives_the_stack_back_first(world: World, tmp_path: Path) -> None:
    """The job that holds it is undone, and one that does not is left on record for the next run."""
    kinds = [*building(world), kind("look", [world.step("seen")], exclusive=False, finishes=True)]
    async with a_run(tmp_path, kinds) as shop:
        world.hold("do two")
        world.hold("do seen")
        job = await shop.ask()
        look = await shop.ask("look")
        await eventually(lambda: {"do two", "do seen"} <= set(world.calls))
        await shop.runner.stop(patience_seconds=10)
        found = await shop.book.find(job.id)
        assert found is not None
        assert (found.state, found.cause) == (UNDONE, "the supervisor was asked to end")
        assert await world.made() == {"seen"}
    world.held.clear()
    async with a_run(tmp_path, kinds) as shop:
        await eventually(lambda: not shop.runner.open_jobs)
        found = await shop.book.find(look.id)
        assert found is not None
        assert found.state is DONE


async def test_an_end_does_not_wait_for_ever(world: World, tmp_path: Path, logs: Logs) -> None:
    """What is not undone in time stays on record, and that is said."""
    async with a_run(tmp_path, building(world)) as shop:
        world.hold("do two")
        world.hold("undo two")
        await shop.ask()
        await eventually(lambda: "do two" in world.calls)
        await shop.runner.stop(patience_seconds=0.05)
        assert len(await shop.mirrored()) == 1
    assert "jobs.left_open" in events(logs)


async def test_what_cannot_be_written_down_is_not_begun(world: World, tmp_path: Path) -> None:
    """Neither a job nor a step of it."""
    async with a_run(tmp_path, building(world)) as shop:
        await asyncio.to_thread(put_in_the_way, tmp_path / "jobs")
        with pytest.raises(StoreError, match="cannot write down the job"):
            await shop.ask()
        assert list(shop.runner.open_jobs) == []
        await asyncio.to_thread((tmp_path / "jobs").unlink)
        go_on = world.hold("do one")
        job = await shop.ask()
        await eventually(lambda: "do one" in world.calls)
        await asyncio.to_thread(put_in_the_way, tmp_path / "jobs")
        go_on.set()
        ended = await shop.runner.wait(job.id)
        assert "do two" not in world.calls
        assert await world.made() == set()
        assert ended.state is UNDONE


async def test_what_a_slow_disk_writes_after_all_is_not_carried_out(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its request was refused: the next run ends it, and says that nobody was told otherwise."""
    write, disk = Mirror.write, threading.Event()

    def slowly(mirror: Mirror, job: JobRecord) -> None:
        disk.wait(30)
        write(mirror, job)

    monkeypatch.setattr(Mirror, "write", slowly)
    async with a_run(tmp_path, building(world)) as shop:
        with monkeypatch.context() as impatient:
            impatient.setattr(book, "MIRROR_SECONDS", 0.05)
            with pytest.raises(StoreError, match="does not answer"):
                await shop.ask()
        disk.set()
        await eventually(shop.mirrored)
    async with a_run(tmp_path, building(world)) as shop:
        assert list(shop.runner.open_jobs) == []
        assert list(await shop.mirrored()) == []
        (found,) = await shop.book.newest(5)
        assert (found.state, found.began_at, "nobody was told" in found.cause) == (UNDONE, None, True)
        assert world.calls == []


async def test_what_this_version_does_not_know_is_stuck(world: World, tmp_path: Path, logs: Logs) -> None:
    """A kind that is gone, or has other steps now: said and told, left as it is on the disk, for one that knows it."""
    async with a_run(tmp_path, building(world)) as shop:
        world.hold("do two")
        job = await shop.ask()
        await eventually(lambda: "do two" in world.calls)
        (before,) = await shop.mirrored()
    for kinds in ([kind("other", [])], [kind("build", [world.step("one")])]):
        async with a_run(tmp_path, kinds) as shop:
            (shown,) = shop.runner.open_jobs
            assert (shown.id, shown.state, shop.runner.holder) == (job.id, STUCK, None)
            assert shop.told == [("build piece", STUCK)]
            assert list(await shop.mirrored()) == [before]
            with pytest.raises(NotSettled, match="cannot be tried once more: this version of the supervisor"):
                await shop.runner.settle(job.id)
            with pytest.raises(UnknownJob):
                await shop.runner.cancel(job.id, "root")
    assert events(logs).count("jobs.not_understood") == 2
    world.held.clear()
    async with a_run(tmp_path, building(world)) as shop:
        await eventually(lambda: not shop.runner.open_jobs)
        assert await world.made() == set()


async def test_what_is_stuck_can_be_given_up(world: World, tmp_path: Path) -> None:
    """One that this version does not know, and one that cannot be undone; the next run finds nothing open."""
    async with a_run(tmp_path, building(world)) as shop:
        world.hold("do two")
        strange = await shop.ask()
        await eventually(lambda: "do two" in world.calls)
        with pytest.raises(NotSettled, match="is not stuck"):
            await shop.runner.give_up(strange.id, "root")
    world.held.clear()
    async with a_run(tmp_path, [kind("other", [world.step("x", commits=True), world.step("y")])]) as shop:
        world.failing = {"do y"}
        stuck = await shop.done("other")
        for job in (strange, stuck):
            ended = await shop.runner.give_up(job.id, "root")
            assert (ended.state, ended.cause.startswith("given up by root")) == (JobState.GIVEN_UP, True)
        assert shop.told[-2:] == [("build piece", JobState.GIVEN_UP), ("other piece", JobState.GIVEN_UP)]
        assert list(shop.runner.open_jobs) == []
        assert list(await shop.mirrored()) == []
        assert {job.state for job in await shop.book.newest(5)} == {JobState.GIVEN_UP}
        assert {"one", "x"} <= await world.made()


async def test_only_open_jobs_can_be_asked_about(world: World, tmp_path: Path) -> None:
    """Cancelling, settling or waiting for another says where to look."""
    async with a_run(tmp_path, building(world)) as shop:
        runner = shop.runner
        for call in (runner.cancel("x", "root"), runner.settle("x"), runner.give_up("x", "root"), runner.wait("x")):
            with pytest.raises(UnknownJob, match="jobs list"):
                await call
        assert runner.progress("x") is None
