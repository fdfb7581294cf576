"""Background tasks: failing loops back off and recover, cancellation goes through, and what must not be torn is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from semsupervisor.kit.tasks import (
    FAILURES_UNTIL_SHOWN,
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    TaskOwner,
    uninterrupted,
)
from tests.support.clock import ManualClock
from tests.support.logs import Logs
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("logs")


class Pauses:
    """Waits no time at all and remembers how long it should have been."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        """Remember the pause and let the others run."""
        self.seconds.append(seconds)
        await asyncio.sleep(0)


class Owned:
    """A TaskOwner in a group that ends with the test."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self.clock = ManualClock()
        self.pauses = Pauses()
        self.owner = TaskOwner(group, self.clock, self.pauses)


@pytest.fixture
async def owned() -> AsyncIterator[Owned]:
    """Return a TaskOwner and stop it after the test."""
    async with asyncio.TaskGroup() as group:
        owned = Owned(group)
        yield owned
        await owned.owner.stop()


async def test_a_failing_loop_backs_off_and_recovers(owned: Owned, logs: Logs) -> None:
    """Each failure doubles the pause up to the longest; one good turn and all is forgotten but the total."""
    turns = 0
    good = asyncio.Event()

    async def turn() -> None:
        nonlocal turns
        turns += 1
        if turns <= 10:
            raise OSError(f"turn {turns}")
        good.set()
        await asyncio.Event().wait()

    owned.owner.loop("watch", turn)
    await asyncio.wait_for(good.wait(), 5)
    health = owned.owner.loops["watch"]
    assert owned.pauses.seconds[:3] == [FIRST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2, FIRST_PAUSE_SECONDS * 4]
    assert owned.pauses.seconds[-1] == LONGEST_PAUSE_SECONDS
    assert (health.failures_in_row, health.failures_total, health.last_error) == (10, 10, "OSError: turn 10")
    assert [entry["event"] for entry in logs] == ["loop.failed"]
    assert logs[0]["loop"] == "watch"


async def test_a_loop_that_recovered_says_so(owned: Owned, logs: Logs) -> None:
    """After the first good turn the failures in a row are 0 and the time of it is known."""
    turns = 0
    owned.clock.advance(5)

    async def turn() -> None:
        nonlocal turns
        turns += 1
        if turns <= 2:
            raise ValueError("not yet")

    owned.owner.loop("watch", turn)
    await eventually(lambda: turns > 3)
    health = owned.owner.loops["watch"]
    assert (health.failures_in_row, health.failures_total) == (0, 2)
    assert health.last_good_monotonic == owned.clock.monotonic()
    assert [(entry["event"], entry.get("failures")) for entry in logs] == [("loop.failed", None), ("loop.recovered", 2)]


async def test_what_recurs_and_fails_again_and_again_is_a_failing_loop(owned: Owned, logs: Logs) -> None:
    """One failure is only logged; several in a row are shown as those of a loop, until it goes well or is dropped."""

    async def run(error: Exception | None = None) -> None:
        if error:
            raise error

    for number in range(1, FAILURES_UNTIL_SHOWN + 2):
        await owned.owner.recur("job.look", run(OSError(f"run {number} of caf\udce9")))
        assert ("job.look" in owned.owner.loops) is (number >= FAILURES_UNTIL_SHOWN)
    health = owned.owner.loops["job.look"]
    assert (health.failures_in_row, health.last_error) == (4, "OSError: run 4 of caf\\udce9")
    await owned.owner.recur("job.look", run())
    assert (health.failures_in_row, health.failures_total) == (0, 4)
    assert [entry["event"] for entry in logs] == ["task.failed"] * 4 + ["loop.recovered"]
    for _ in range(FAILURES_UNTIL_SHOWN):
        await owned.owner.recur("job.look", run(OSError("again")))
    assert owned.owner.loops["job.look"].failures_in_row == FAILURES_UNTIL_SHOWN
    owned.owner.drop("job.look")
    assert not owned.owner.loops


async def test_the_longest_pause_holds_for_ever(owned: Owned) -> None:
    """A loop that has failed for days backs off by the longest pause still, and does not end for too large a number."""
    failures = 0

    async def turn() -> None:
        nonlocal failures
        failures += 1
        raise OSError("still away")

    owned.owner.loop("watch", turn)
    await eventually(lambda: failures > 1500)
    assert set(owned.pauses.seconds[10:]) == {LONGEST_PAUSE_SECONDS}


async def test_a_loop_that_never_waits_leaves_the_others_their_turn(owned: Owned) -> None:
    """A turn that returns at once, again and again, does not hold up the event loop."""
    turns = 0

    async def turn() -> None:
        nonlocal turns
        turns += 1

    owned.owner.loop("busy", turn)
    await asyncio.wait_for(asyncio.sleep(0.01), 1)
    assert turns > 1


async def test_cancelling_a_loop_ends_it(owned: Owned) -> None:
    """Cancellation is no failure: it goes through, in a turn as well as in a pause."""
    asleep = asyncio.Event()

    async def turn() -> None:
        asleep.set()
        await asyncio.Event().wait()

    task = owned.owner.loop("watch", turn)
    await asleep.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert owned.owner.loops["watch"].failures_total == 0


async def test_a_turn_that_keeps_a_cancellation_to_itself_is_the_last(owned: Owned) -> None:
    """A loop ends with the turn in which it is cancelled, even if something that the turn awaits hides that."""
    asleep = asyncio.Event()

    async def turn() -> None:
        asleep.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    owned.owner.loop("watch", turn)
    await asleep.wait()
    async with asyncio.timeout(30):
        await owned.owner.stop()
    assert owned.owner.loops["watch"].failures_total == 0


async def test_a_cancelled_thing_that_a_turn_awaits_does_not_end_the_loop(owned: Owned) -> None:
    """A CancelledError that nobody asked of the loop itself is a failure of that turn."""
    turns = 0

    async def turn() -> None:
        nonlocal turns
        turns += 1
        if turns == 1:
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future
        await asyncio.Event().wait()

    owned.owner.loop("watch", turn)
    await eventually(lambda: turns == 2)
    assert owned.owner.loops["watch"].failures_total == 1


async def test_a_loop_started_again_keeps_its_counts(owned: Owned) -> None:
    """The health of a loop outlives the task, as at a reload."""

    async def turn() -> None:
        raise OSError("away")

    first = owned.owner.loop("watch", turn)
    await eventually(lambda: owned.owner.loops["watch"].failures_total >= 1)
    first.cancel()
    await asyncio.wait([first])
    before = owned.owner.loops["watch"].failures_total
    owned.owner.loop("watch", turn)
    await eventually(lambda: owned.owner.loops["watch"].failures_total > before)


async def test_a_failed_attempt_ends_nothing_else(owned: Owned, logs: Logs) -> None:
    """What is only attempted may fail: it is logged with its name, and the others go on."""
    going_on = asyncio.Event()

    async def fail() -> None:
        raise KeyError("evidence")

    async def go_on() -> None:
        await asyncio.sleep(0.01)
        going_on.set()

    owned.owner.start("other", go_on())
    await owned.owner.attempt("evidence.1", fail())
    await asyncio.wait_for(going_on.wait(), 5)
    assert [(entry["event"], entry["task"]) for entry in logs] == [("task.failed", "evidence.1")]


async def test_a_failed_start_ends_the_group() -> None:
    """What the daemon cannot do without ends everything when it fails."""

    async def fail() -> None:
        raise KeyError("socket")

    async def daemon() -> None:
        async with asyncio.TaskGroup() as group:
            TaskOwner(group, ManualClock()).start("server", fail())
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        await daemon()
    assert [type(error) for error in caught.value.exceptions] == [KeyError]


async def test_stop_waits_until_all_have_ended() -> None:
    """After stop nothing runs any more, also what was started while others were ending; the caller goes on."""
    ended = []

    async def work(name: str, owner: TaskOwner) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            if name == "first":
                owner.start("last words", work("last words", owner))
            ended.append(name)

    async with asyncio.TaskGroup() as group:
        owner = TaskOwner(group, ManualClock())
        owner.start("first", work("first", owner))
        owner.start("second", work("second", owner))
        await asyncio.sleep(0)

        async def stop_all() -> str:
            await owner.stop()
            return "stopped"

        assert await asyncio.wait_for(owner.start("stopper", stop_all()), 5) == "stopped"
        assert {"first", "second"} <= set(ended)
        assert {task.get_name() for task in asyncio.all_tasks()} & {"first", "second", "last words"} == set()


async def test_uninterrupted_work_ends_before_its_caller() -> None:
    """A caller that is cancelled, twice even, ends only after the work has ended, and as cancelled."""
    begun, may_end, done = asyncio.Event(), asyncio.Event(), False

    async def work() -> None:
        nonlocal done
        begun.set()
        await may_end.wait()
        done = True

    async with asyncio.TaskGroup() as group:
        caller = group.create_task(uninterrupted(work()))
        await begun.wait()
        caller.cancel()
        await asyncio.sleep(0.01)
        caller.cancel()
        await asyncio.sleep(0.01)
        assert not caller.done()
        may_end.set()
        await asyncio.wait([caller])
    assert done
    assert caller.cancelled()


async def test_uninterrupted_work_gives_its_result_or_error() -> None:
    """Without a cancellation it is as if the work were awaited."""

    async def work(error: Exception | None) -> int:
        await asyncio.sleep(0)
        if error:
            raise error
        return 7

    assert await uninterrupted(work(None)) == 7
    with pytest.raises(KeyError):
        await uninterrupted(work(KeyError("x")))


async def test_a_deadline_of_the_caller_still_counts() -> None:
    """asyncio.timeout around uninterrupted work raises TimeoutError, after the work has ended."""
    done = False

    async def work() -> None:
        nonlocal done
        await asyncio.sleep(0.03)
        done = True

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await uninterrupted(work())
    assert done


async def test_work_that_fails_for_a_cancelled_caller_is_told_along() -> None:
    """The cancellation goes on, and carries the error as its cause."""
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.sleep(0.01)
        raise KeyError("x")

    async def call() -> None:
        await uninterrupted(work())

    async with asyncio.TaskGroup() as group:
        caller = group.create_task(call())
        await begun.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await caller
    assert isinstance(caught.value.__cause__, KeyError)


async def test_work_that_is_itself_cancelled_looks_cancelled() -> None:
    """Only when the whole loop is torn down is the work cancelled; its caller sees just that."""

    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await uninterrupted(work())
