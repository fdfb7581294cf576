"""When things run: APScheduler decides, and a clock that jumps neither stalls nor stops it.

APScheduler 3.x plans in wall time. Left alone it makes up every run that a forward jump skips, and runs nothing until
the wall clock has caught up again after a backward one. Here a trigger never looks back, and whoever reads the wall
clock to plan by it, a round of the scheduler included, first adds to every plan what that very reading gained on the
monotonic clock. A clock that is set within a round is seen at its end, and another round follows at once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog
from apscheduler.events import EVENT_SCHEDULER_SHUTDOWN, SchedulerEvent
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.schedulers.base import STATE_RUNNING
from apscheduler.triggers.base import BaseTrigger

from semsupervisor.kit.clock import Clock
from semsupervisor.kit.tasks import TaskOwner

log = structlog.get_logger(__name__)

FIRST_WITHIN_SECONDS = 1.0
JITTER_RATIO = 0.05
TOLERATED_JUMP_SECONDS = 2.0
CANCEL_SECONDS = 1.0


class Job(msgspec.Struct, frozen=True):
    """What runs every `interval_seconds`, give or take `JITTER_RATIO` of it."""

    name: str
    interval_seconds: float
    run: Callable[[], Awaitable[None]]


class Schedule:
    """Starts jobs at their times, each in a task of its own that `owner` guards, and never two runs of one at a time.

    A job runs first within `FIRST_WITHIN_SECONDS` of its start, each at another moment. A run that is due while the
    last one is under way is left out.
    """

    def __init__(self, clock: Clock, owner: TaskOwner) -> None:
        self._clock = clock
        self._owner = owner
        self._jobs: dict[str, Job] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self._scheduler = _Scheduler(self._follow, self._jumped)
        self._scheduler.add_listener(self._note_stopped, EVENT_SCHEDULER_SHUTDOWN)
        self._stopped = asyncio.Event()
        self._lead_seconds = 0.0

    def replace(self, jobs: Sequence[Job]) -> None:
        """Run these and no others; those whose interval stays keep their next time, and runs under way go on."""
        before, self._jobs = self._jobs, {job.name: job for job in jobs}
        for name in before.keys() - self._jobs.keys():
            self._owner.drop(f"job.{name}")
        if not self._scheduler.running:
            return
        for name in before.keys() - self._jobs.keys():
            self._scheduler.remove_job(name)
        for job in jobs:
            if job.name not in before or before[job.name].interval_seconds != job.interval_seconds:
                self._plan(job)

    def start(self) -> None:
        """Begin to run the jobs on the loop that runs now."""
        self._lead_seconds = self._lead(self._clock.now())
        self._scheduler.start()
        for job in self._jobs.values():
            self._plan(job)

    async def stop(self, patience_seconds: float) -> None:
        """Start nothing more, wait so long for what runs, then cancel it."""
        if not self._scheduler.running:
            return
        self._scheduler.pause()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=patience_seconds)
            for task in late:
                log.warning("job.cancelled", job=task.get_name())
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=CANCEL_SECONDS)
        self._scheduler.shutdown(wait=False)
        async with asyncio.timeout(CANCEL_SECONDS):
            await self._stopped.wait()

    def _plan(self, job: Job) -> None:
        first = timedelta(seconds=random.uniform(0.0, min(FIRST_WITHIN_SECONDS, job.interval_seconds)))
        wall = self._clock.now()
        self._follow(wall)
        self._scheduler.add_job(
            self._run,
            _Every(job.interval_seconds),
            args=[job.name],
            id=job.name,
            name=job.name,
            next_run_time=wall + first,
            replace_existing=True,
            coalesce=True,
            max_instances=1,
            # However late a run is, it is run: what was due is still wanted, once.
            misfire_grace_time=None,
        )

    async def _run(self, name: str) -> None:
        """Run a job in a task that outlives the scheduler's own, which shutdown would cancel at once."""
        job = self._jobs.get(name)
        if job is None or self._scheduler.state != STATE_RUNNING:
            return
        task = self._owner.recur(f"job.{name}", _once(job))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.wait({task})

    def _note_stopped(self, _: SchedulerEvent) -> None:
        self._stopped.set()

    def _lead(self, wall: datetime) -> float:
        """Return by how many seconds a wall time, read just now, is ahead of the monotonic one."""
        return wall.timestamp() - self._clock.monotonic()

    def _jumped(self) -> bool:
        return abs(self._lead(self._clock.now()) - self._lead_seconds) > TOLERATED_JUMP_SECONDS

    def _follow(self, wall: datetime) -> None:
        """Move every plan along with a wall clock that was set, as this time, read just now, shows."""
        lead = self._lead(wall)
        jump, self._lead_seconds = lead - self._lead_seconds, lead
        if abs(jump) <= TOLERATED_JUMP_SECONDS or self._scheduler.state != STATE_RUNNING:
            return
        log.warning("clock.jumped", seconds=round(jump, 3))
        self._scheduler.pause()
        for planned in self._scheduler.get_jobs():
            planned.modify(next_run_time=planned.next_run_time + timedelta(seconds=jump))
        self._scheduler.resume()


async def _once(job: Job) -> None:
    await job.run()


class _Plans(MemoryJobStore):  # type: ignore[misc]  # APScheduler has no types
    def __init__(self, follow: Callable[[datetime], None]) -> None:
        self._follow = follow
        super().__init__()

    def get_due_jobs(self, now: datetime) -> list[Any]:
        """Return what is due at the time that this round goes by, once the plans go by it too."""
        self._follow(now)
        return list(super().get_due_jobs(now))


class _Scheduler(AsyncIOScheduler):  # type: ignore[misc]  # APScheduler has no types
    def __init__(self, follow: Callable[[datetime], None], jumped: Callable[[], bool]) -> None:
        self._jumped = jumped
        super().__init__(jobstores={"default": _Plans(follow)}, timezone=UTC)

    def _process_jobs(self) -> float | None:
        """Do a round and return the seconds to the next: none, if the clock was set since the round read it."""
        wait_seconds: float | None = super()._process_jobs()
        return 0.0 if wait_seconds is not None and self._jumped() else wait_seconds


class _Every(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Every so many seconds with a little chance in it, and never more than one run for the past."""

    __slots__ = ("_interval_seconds",)

    def __init__(self, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds

    def get_next_fire_time(self, previous_fire_time: datetime, now: datetime) -> datetime:
        """Return the next time that is on the beat of the last one and after now."""
        gone = max(0.0, (now - previous_fire_time).total_seconds()) / self._interval_seconds
        beats = int(gone) + 1
        earliest = -JITTER_RATIO if beats - gone > JITTER_RATIO else 0.0
        jitter = random.uniform(earliest, JITTER_RATIO)
        return previous_fire_time + timedelta(seconds=self._interval_seconds * (beats + jitter))
