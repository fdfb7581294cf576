"""Carries one job out, step by step, in the order: decide, write down, act, write down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from semsupervisor.errors import StoreError, SupervisorError
from semsupervisor.jobs import steps
from semsupervisor.jobs.book import JobBook
from semsupervisor.jobs.kinds import Act, Ask, At, Step
from semsupervisor.jobs.progress import Progress
from semsupervisor.jobs.record import JobRecord, JobState, Json
from semsupervisor.jobs.steps import Check, Do, End, Rest, Undo
from semsupervisor.kit import backoff
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.failpoints import reach
from semsupervisor.kit.tasks import TaskOwner

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
# Whoever is never left waits for something that comes back, such as an engine that is started again.
LONGEST_TIRELESS_PAUSE_SECONDS = 5.0
UNDO_TRIES = 6
CHECK_TRIES = 6

Tell = Callable[[JobRecord], Awaitable[None]]
"""Called after each change of a job's state: as it was asked for, begins, goes back, ends."""


class Carrier:
    """One open job and the task that carries it out. `rested` is set while nothing is done about it."""

    def __init__(
        self,
        clock: Clock,
        book: JobBook,
        job: JobRecord,
        acts: Sequence[Step],
        tell: Tell,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Raises: ValueError when the job's record does not have these steps."""
        if [step.plan.name for step in job.steps] != [step.name for step in acts]:
            raise ValueError("this version of the supervisor does it in other steps")
        self.job = job
        self.progress: Progress | None = None
        self.rested = asyncio.Event()
        self._clock = clock
        self._book = book
        self._acts = acts
        self._tell = tell
        self._pause = pause
        self._task: asyncio.Task[None] | None = None
        self._limit: asyncio.Timeout | None = None
        self._wish: Callable[[JobRecord], JobRecord] | None = None

    @property
    def is_carried(self) -> bool:
        """Tell whether a task carries it out now."""
        return self._task is not None and not self._task.done()

    def is_for(self, kind: str, parameters: Mapping[str, Json]) -> bool:
        """Tell whether the job under way is what such a request wants."""
        going = self.job.state in (JobState.QUEUED, JobState.RUNNING) and self._wish is None
        return going and self.job.kind == kind and self.job.parameters == parameters

    async def take_up(self, *, finishes: bool) -> None:
        """Decide what becomes of a job that an earlier run left open, and write it down."""
        await self._write(steps.interrupt(self.job, finishes=finishes))

    async def accept(self) -> None:
        """Write down that it will be carried out; it will be, as far as the disk lets it, when this returns."""
        await self._write(steps.accept(self.job))

    async def give_up(self, by: str) -> None:
        """End a stuck job where it is. Raises: StoreError, and then it is as it was."""
        given_up = steps.give_up(self.job, by, self._clock.now())
        await self._book.write(given_up)
        self.job = given_up
        await self._tell(given_up)

    def unstick(self) -> None:
        """Let a stuck job be tried once more."""
        self.job = steps.settle(self.job)

    def start(self, owner: TaskOwner, then: Callable[[Carrier], Awaitable[None]]) -> None:
        """Carry it out in a task of its own, then call `then`."""
        self.rested.clear()
        self._task = owner.attempt(f"job.{self.job.kind}.{self.job.id}", self._carry(then))

    async def cancel(self, by: str) -> None:
        """Let the job go back as soon as its present step allows."""
        await self._wished(lambda job: steps.cancel(job, by))

    async def interrupt(self, why: str) -> None:
        """Let the job go back, or on to its end behind the point of no return, because the supervisor ends."""
        await self._wished(lambda job: steps.turn_back(job, why))

    def now_monotonic(self) -> float:
        """Return the monotonic time in seconds."""
        return self._clock.monotonic()

    def abandon(self) -> None:
        """Stop carrying it, wherever it is: the record tells the next run how far it was."""
        if self._task is not None:
            self._task.cancel()

    async def _wished(self, wish: Callable[[JobRecord], JobRecord]) -> None:
        if not self.is_carried:
            await self._write(wish(self.job))
            return
        if wish(self.job) is self.job:
            return
        self._wish = wish
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time())

    async def _carry(self, then: Callable[[Carrier], Awaitable[None]]) -> None:
        try:
            if self.job.state is JobState.QUEUED:
                await self._change(steps.begin(self.job, self._clock.now()))
            await self._walk()
        finally:
            self.progress = None
            self.rested.set()
        self._task = None
        await then(self)

    async def _walk(self) -> None:
        while True:
            if self._wish is not None:
                wish, self._wish = self._wish, None
                await self._change(wish(self.job))
            match steps.next_move(self.job):
                case Do(index):
                    await self._do(index)
                case Check(index):
                    await self._check(index)
                case Undo(index):
                    await self._undo(index)
                case End(state):
                    await self._change(steps.end(self.job, state, self._clock.now()))
                    return
                case Rest():
                    return

    async def _do(self, index: int) -> None:
        act = self._acts[index]
        if not await self._change(steps.step_begun(self.job, index, self._clock.now())):
            unwritten = "it could not be written down that it begins, so it was not begun"
            await self._change(steps.step_failed(self.job, index, unwritten, self._clock.now()))
            return
        reach(f"job.begun.{act.name}")
        error = await self._once(act.do, act, act.limit_seconds, interruptible=act.interruptible)
        reach(f"job.acted.{act.name}")
        if error is not None and self._wish is not None:
            return  # it was cut short for that, and may have happened
        now = self._clock.now()
        failed = error is not None
        await self._change(
            steps.step_failed(self.job, index, error or "", now) if failed else steps.step_done(self.job, index, now)
        )

    async def _check(self, index: int) -> None:
        act = self._acts[index]
        if act.is_done is None:
            await self._change(steps.step_not_done(self.job, index))
            return
        answers: list[bool] = []
        error = await self._tried(_asking(act.is_done, answers), act, act.limit_seconds, CHECK_TRIES)
        if error is not None:
            await self._change(steps.step_failed(self.job, index, error, self._clock.now()))
        elif answers[-1]:
            await self._change(steps.step_done(self.job, index, self._clock.now()))
        else:
            await self._change(steps.step_not_done(self.job, index))

    async def _undo(self, index: int) -> None:
        act = self._acts[index]
        if act.undo is not None:
            await self._change(steps.undo_begun(self.job, index))
            reach(f"job.undoing.{act.name}")
            error = await self._tried(act.undo, act, act.undo_limit_seconds, None if act.tireless else UNDO_TRIES)
            reach(f"job.undone.{act.name}")
            if error is not None:
                await self._change(steps.undo_failed(self.job, index, error))
                return
        await self._change(steps.undo_done(self.job, index, self._clock.now()))

    async def _tried(self, act: Act, step: Step, limit_seconds: float, tries: int | None) -> str | None:
        """Call it until it succeeds, with growing pauses; return what went wrong at last, None if it went well.

        With None for `tries` it is tried for ever, and the record says so after a while.
        """
        count = 0
        while (error := await self._once(act, step, limit_seconds, interruptible=False)) is not None:
            count += 1
            if count == tries:
                return error
            log.warning("job.trying_again", job=self.job.id, step=step.name, error=error, tries=count)
            if tries is None and count == UNDO_TRIES:
                await self._change(steps.with_note(self.job, f"undoing {step.title}: {error}; it is tried on"))
            longest = LONGEST_PAUSE_SECONDS if tries else LONGEST_TIRELESS_PAUSE_SECONDS
            await self._pause(backoff.pause_seconds(count, FIRST_PAUSE_SECONDS, longest, lambda: 1.0))
        return None

    async def _once(self, act: Act, step: Step, limit_seconds: float, *, interruptible: bool) -> str | None:
        """Call it once, cut off at its limit; return what went wrong, None if it went well."""
        self.progress = None
        limit = asyncio.timeout(limit_seconds)
        self._limit = limit if interruptible else None
        try:
            async with limit:
                await act(_At(self, step.name))
        except TimeoutError as error:
            return f"not done within {limit_seconds:g} s" if limit.expired() else f"timed out: {error}"
        except SupervisorError as error:
            return str(error)
        except Exception as error:
            log.exception("job.broken", job=self.job.id, step=step.name)
            return f"{type(error).__name__}: {error}"
        finally:
            self._limit = None
        return None

    async def keep(self, changed: JobRecord) -> None:
        """Put a change that a step asks for on the disk. Raises: StoreError."""
        self.job = changed
        await self._book.write(changed)

    async def _change(self, changed: JobRecord) -> bool:
        """Put a change on the disk and tell of it; return whether it is there.

        Going back is not held up by a disk that takes nothing: what is true is kept in memory and written later.
        """
        if changed is self.job:
            return True
        told = changed.state is not self.job.state
        written = await self._write(changed)
        if told:
            await self._tell(changed)
        return written

    async def _write(self, changed: JobRecord) -> bool:
        self.job = changed
        try:
            await self._book.write(changed)
        except StoreError as error:
            log.error("job.not_written", job=changed.id, error=str(error))
            return False
        return True


class _At:
    """What a step works with; see `kinds.At`."""

    def __init__(self, carrier: Carrier, step: str) -> None:
        self._carrier = carrier
        self._step = step
        self._began = carrier.now_monotonic()

    @property
    def job_id(self) -> str:
        """Return the job's id."""
        return self._carrier.job.id

    @property
    def data(self) -> Mapping[str, Json]:
        """Return what earlier steps kept."""
        return self._carrier.job.data

    async def keep(self, data: Mapping[str, Json]) -> None:
        """Write down what later steps need."""
        await self._carrier.keep(steps.with_data(self._carrier.job, data))

    async def note(self, text: str) -> None:
        """Write down what went wrong without being a failure."""
        await self._carrier.keep(steps.with_note(self._carrier.job, text))

    def progress(self, done: float, total: float | None, unit: str) -> None:
        """Say how far the step is."""
        at = self._carrier.now_monotonic()
        self._carrier.progress = Progress(self._step, unit, done, total, self._began, at)


def _asking(ask: Ask, answers: list[bool]) -> Act:
    async def act(at: At) -> None:
        answers.append(await ask(at))

    return act
