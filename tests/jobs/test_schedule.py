"""The schedule on a real loop: beats, jitter, overlaps, errors, clock jumps, reload and stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from semsupervisor.jobs.schedule import JITTER_RATIO, Job, Schedule, _Every
from semsupervisor.kit.clock import Clock, SystemClock
from semsupervisor.kit.tasks import FAILURES_UNTIL_SHOWN, TaskOwner
from tests.support.waiting import eventually

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DAY = 86_400.0


class Counter:
    """A job that counts its runs."""

    def __init__(self) -> None:
        self.runs = 0
        self.ended = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def run(self) -> None:
        """Count, and end when the gate is open."""
        self.runs += 1
        await self.gate.wait()
        self.ended += 1

    def more_than(self, runs: int) -> Callable[[], bool]:
        """Return what tells whether there were more runs than that."""
        return lambda: self.runs > runs


class UnluckyClock(SystemClock):
    """The host's clocks, of which the wall clock is set right after the schedule has looked at it, once armed."""

    def __init__(self, traveller: time_machine.Traveller) -> None:
        self._traveller = traveller
        self._looks = 0
        self._jump_seconds = 0.0

    def arm(self, looks: int, jump_seconds: float) -> None:
        """Set the clock after so many looks from now."""
        self._looks, self._jump_seconds = looks, jump_seconds

    @property
    def armed(self) -> bool:
        """Tell whether the clock is still to be set."""
        return self._looks > 0

    def now(self) -> datetime:
        """Return the wall time, and set it afterwards if that was the look."""
        seen = super().now()
        if self._looks:
            self._looks -= 1
            if not self._looks:
                self._traveller.shift(self._jump_seconds)
        return seen


@asynccontextmanager
async def scheduling(clock: Clock | None = None) -> AsyncIterator[Schedule]:
    """Yield a schedule that is not started, and stop it and its tasks in the end."""
    clock = clock or SystemClock()
    async with asyncio.TaskGroup() as group:
        owner = TaskOwner(group, clock)
        schedule = Schedule(clock, owner)
        try:
            yield schedule
        finally:
            await schedule.stop(0.0)
            await owner.stop()


def add(schedule: Schedule, name: str, interval_seconds: float, run: Callable[[], Awaitable[None]]) -> None:
    """Let one job more run."""
    schedule.replace([*schedule._jobs.values(), Job(name, interval_seconds, run)])


def failing(error: Exception) -> Callable[[], Awaitable[None]]:
    """Return a job that fails."""

    async def run() -> None:
        raise error

    return run


async def test_jobs_run_again_and_again() -> None:
    """Each job runs soon after the start and then at its interval, whether added before the start or after it."""
    async with scheduling() as schedule:
        early, late = Counter(), Counter()
        add(schedule, "early", 0.05, early.run)
        schedule.start()
        add(schedule, "late", 0.05, late.run)
        await eventually(early.more_than(2))
        await eventually(late.more_than(2))


async def test_the_first_runs_are_spread() -> None:
    """After the start the jobs run within the first second, and not all at one moment."""
    async with scheduling() as schedule:
        loop, times = asyncio.get_running_loop(), list[float]()

        async def run() -> None:
            times.append(loop.time())

        for number in range(20):
            add(schedule, f"job-{number}", 60.0, run)
        began = loop.time()
        schedule.start()
        await eventually(lambda: len(times) == 20)
    assert max(times) - min(times) > 0.05
    assert all(at >= began for at in times)


async def test_a_job_that_hangs_delays_no_other_and_is_not_run_twice() -> None:
    """While one run is under way the job's next ones are left out, and other jobs go on."""
    async with scheduling() as schedule:
        hanging, other = Counter(), Counter()
        hanging.gate.clear()
        add(schedule, "hanging", 0.05, hanging.run)
        add(schedule, "other", 0.05, other.run)
        schedule.start()
        await eventually(other.more_than(4))
        assert hanging.runs == 1
        hanging.gate.set()
        await eventually(hanging.more_than(2))


async def test_a_job_that_fails_is_logged_and_runs_again() -> None:
    """An error of a run ends neither the job nor another."""
    async with scheduling() as schedule:
        other = Counter()
        add(schedule, "broken", 0.05, failing(RuntimeError("oops")))
        add(schedule, "other", 0.05, other.run)
        with capture_logs() as logs:
            schedule.start()
            await eventually(lambda: len(logs) > 1)
            await eventually(other.more_than(2))
    assert {(entry["event"], entry["task"]) for entry in logs} == {("task.failed", "job.broken")}


async def test_a_job_that_fails_again_and_again_is_a_failing_loop() -> None:
    """The owner of all tasks names it, so that nobody takes the daemon for well; no longer once the job is gone."""
    async with scheduling() as schedule:
        loops = schedule._owner.loops
        with capture_logs():
            add(schedule, "broken", 0.05, failing(RuntimeError("oops")))
            schedule.start()
            await eventually(lambda: "job.broken" in loops)
            assert loops["job.broken"].failures_in_row >= FAILURES_UNTIL_SHOWN
            schedule.replace([])
            assert not loops


async def test_the_library_says_nothing_of_healthy_runs(caplog: pytest.LogCaptureFixture) -> None:
    """Starting, running and stopping leaves nothing at warning or above in APScheduler's log."""
    caplog.set_level(logging.WARNING, "apscheduler")
    async with scheduling() as schedule:
        counter = Counter()
        add(schedule, "a", 0.05, counter.run)
        schedule.start()
        await eventually(counter.more_than(2))
    assert caplog.records == []


@pytest.mark.parametrize("jump_seconds", [365 * DAY, -DAY, -56 * 365 * DAY, 5.0, -5.0])
async def test_a_clock_that_jumps_changes_nothing(jump_seconds: float) -> None:
    """After a jump either way jobs go on at their beat: none is stalled, none is made up."""
    with time_machine.travel(START, tick=True) as traveller:
        async with scheduling() as schedule:
            counter = Counter()
            add(schedule, "a", 0.2, counter.run)
            with capture_logs() as logs:
                schedule.start()
                await eventually(counter.more_than(1))
                traveller.shift(jump_seconds)
                jumped_at, began = counter.runs, asyncio.get_running_loop().time()
                await eventually(counter.more_than(jumped_at + 3))
                took = asyncio.get_running_loop().time() - began
    assert [entry["event"] for entry in logs] == ["clock.jumped"]
    assert logs[0]["seconds"] == pytest.approx(jump_seconds, abs=0.1)
    assert took > 3 * 0.2 * (1 - JITTER_RATIO) - 0.2


async def test_a_small_step_of_the_clock_is_tolerated() -> None:
    """NTP's small corrections are no jumps."""
    with time_machine.travel(START, tick=True) as traveller:
        async with scheduling() as schedule:
            counter = Counter()
            add(schedule, "a", 0.05, counter.run)
            with capture_logs() as logs:
                schedule.start()
                for _ in range(5):
                    traveller.shift(0.5)
                    await eventually(counter.more_than(counter.runs))
    assert logs == []


@pytest.mark.parametrize("jump_seconds", [365 * DAY, -DAY, 50 * 365 * DAY, -56 * 365 * DAY])
async def test_a_jump_keeps_the_distance_to_the_next_run(jump_seconds: float) -> None:
    """A year on, a day back, fifty years on, to 1970: what was due in an hour or five minutes still is."""
    with time_machine.travel(START, tick=True) as traveller:
        async with scheduling() as schedule:
            counters = {interval: Counter() for interval in (3600.0, 600.0, 300.0, 0.05)}
            for interval, counter in counters.items():
                add(schedule, f"every {interval}", interval, counter.run)
            schedule.start()
            await eventually(lambda: all(counter.runs for counter in counters.values()))
            traveller.shift(jump_seconds)
            often = counters.pop(0.05)
            await eventually(often.more_than(often.runs + 3))
            for interval, counter in counters.items():
                planned = schedule._scheduler.get_job(f"every {interval}").next_run_time
                left = (planned - datetime.now(UTC)).total_seconds() / interval
                assert 0.5 < left < 1 + 2 * JITTER_RATIO
                assert counter.runs == 1


@pytest.mark.parametrize("looks", [1, 2, 3])
@pytest.mark.parametrize("jump_seconds", [DAY, -DAY])
async def test_a_clock_set_in_the_middle_of_a_round_stalls_nothing(jump_seconds: float, looks: int) -> None:
    """However unlucky the moment at which the clock is set, jobs go on, and the rare ones keep their distance."""
    with time_machine.travel(START, tick=True) as traveller:
        clock = UnluckyClock(traveller)
        async with scheduling(clock) as schedule:
            hourly, often = Counter(), Counter()
            add(schedule, "hourly", 3600.0, hourly.run)
            add(schedule, "often", 0.05, often.run)
            schedule.start()
            await eventually(hourly.more_than(0))
            clock.arm(looks, jump_seconds)
            await eventually(lambda: not clock.armed)
            await eventually(often.more_than(often.runs + 5))
            planned = schedule._scheduler.get_job("hourly").next_run_time
            assert 3600 * 0.9 < (planned - datetime.now(UTC)).total_seconds() < 3600 * 1.1
            assert hourly.runs == 1


@pytest.mark.parametrize("jump_seconds", [DAY, -DAY])
async def test_a_job_planned_after_a_jump_that_nobody_noticed_yet_runs(jump_seconds: float) -> None:
    """What a reload brings in right after the clock was set is not planned by that jump a second time."""
    with time_machine.travel(START, tick=True) as traveller:
        async with scheduling() as schedule:
            often, late = Counter(), Counter()
            add(schedule, "often", 0.05, often.run)
            schedule.start()
            await eventually(often.more_than(1))
            traveller.shift(jump_seconds)
            add(schedule, "late", 0.05, late.run)
            await eventually(late.more_than(3))
            await eventually(often.more_than(often.runs + 3))


async def test_a_reload_keeps_what_did_not_change() -> None:
    """Jobs that are gone run no more, those with another interval start anew, others keep their time."""
    async with scheduling() as schedule:
        gone, kept, swapped, changed = Counter(), Counter(), Counter(), Counter()
        add(schedule, "gone", 0.05, gone.run)
        add(schedule, "kept", 3600.0, kept.run)
        add(schedule, "changed", 3600.0, changed.run)
        schedule.start()
        await eventually(lambda: gone.runs and kept.runs and changed.runs)
        planned = schedule._scheduler.get_job("kept").next_run_time
        schedule.replace([Job("kept", 3600.0, swapped.run), Job("changed", 0.05, changed.run)])
        await eventually(changed.more_than(2))
        assert schedule._scheduler.get_job("kept").next_run_time == planned
        ran = gone.runs
        await eventually(changed.more_than(changed.runs + 3))
        assert gone.runs == ran
        await schedule._run("kept")
        assert (kept.runs, swapped.runs) == (1, 1)


async def test_jobs_can_be_replaced_before_the_start() -> None:
    """Only the last set runs."""
    async with scheduling() as schedule:
        first, second = Counter(), Counter()
        add(schedule, "first", 0.05, first.run)
        schedule.replace([Job("second", 0.05, second.run)])
        schedule.start()
        await eventually(second.more_than(1))
        assert first.runs == 0


async def test_stop_waits_for_what_runs() -> None:
    """A run that ends within the patience is not cancelled, and none is started after the stop."""
    async with scheduling() as schedule:
        counter = Counter()
        counter.gate.clear()
        add(schedule, "a", 0.05, counter.run)
        schedule.start()
        await eventually(counter.more_than(0))
        asyncio.get_running_loop().call_later(0.05, counter.gate.set)
        await schedule.stop(5.0)
        assert (counter.runs, counter.ended) == (1, 1)
        await schedule._run("a")
        assert counter.runs == 1


async def test_stop_cancels_what_does_not_end() -> None:
    """After the patience a run is cancelled and named, and the schedule is stopped."""
    async with scheduling() as schedule:
        counter = Counter()
        counter.gate.clear()
        add(schedule, "a", 0.05, counter.run)
        schedule.start()
        await eventually(counter.more_than(0))
        with capture_logs() as logs:
            await schedule.stop(0.01)
        assert (counter.runs, counter.ended) == (1, 0)
        assert [(entry["event"], entry["job"]) for entry in logs] == [("job.cancelled", "job.a")]


async def test_a_schedule_that_never_started_stops() -> None:
    """Stopping it does nothing, nor does stopping twice."""
    async with scheduling() as schedule:
        await schedule.stop(1.0)
        schedule.start()
        await schedule.stop(1.0)
        await schedule.stop(1.0)


@given(st.floats(0.1, 86_400.0), st.floats(-1e6, 1e8))
def test_the_next_time_is_always_ahead(interval: float, gone: float) -> None:
    """However late it is, the next time lies ahead, at most one interval and the jitter away from now."""
    now = START + timedelta(seconds=gone)
    due = _Every(interval).get_next_fire_time(START, now)
    assert due > now
    assert (due - max(now, START)).total_seconds() <= interval * (1 + JITTER_RATIO) + 0.001
    assert (due - START).total_seconds() >= interval * (1 - JITTER_RATIO) - 0.001
