"""The jobs of this host: taken up at the start, told of in the timeline, and given back at the end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

import msgspec
import structlog

from semsupervisor.api.readings import JobReadings, ScheduleReading
from semsupervisor.errors import StoreError, TemporaryError
from semsupervisor.health.observation import FactValue, Observation, Subject, SubjectKind
from semsupervisor.jobs.book import JobBook, trim
from semsupervisor.jobs.kinds import AnyKind
from semsupervisor.jobs.record import OUTCOME, JobRecord, JobState
from semsupervisor.jobs.runner import Asked, Runner, Wanted
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.store.journal import Journal

log = structlog.get_logger(__name__)

LAST_SHOWN = 3
# Among so many of the newest jobs the last one of each kind is looked for at the start.
LAST_LOOKED_AT = 50
FAILED_SECONDS = 86_400.0
JOBS = Subject(SubjectKind.SUPERVISOR, "jobs")
PATIENCE_SECONDS = 5.0
PATIENCE_WITH_THE_STACK_SECONDS = 100.0
KEPT_JOBS = 1000

WriteNote = Callable[[str, Subject, str, Mapping[str, FactValue]], Awaitable[None]]


class NotTakenUp(TemporaryError):
    """What an earlier run left open is not known yet, so nothing new is begun."""


class Acting:
    """Carries jobs of these kinds out. `ended` is called after each that has ended."""

    name = "jobs"

    def __init__(
        self,
        clock: Clock,
        book: JobBook,
        owner: TaskOwner,
        kinds: Sequence[AnyKind],
        note: WriteNote,
        ended: Callable[[], Awaitable[None]],
    ) -> None:
        self._book = book
        self._clock = clock
        self._note = note
        self._ended = ended
        self._runner = Runner(clock, book, owner, kinds, self._tell)
        self._taken_up = False
        self._last: deque[JobRecord] = deque(maxlen=LAST_SHOWN)
        self._last_of_kind: dict[str, JobRecord] = {}

    @property
    def open_jobs(self) -> Sequence[JobRecord]:
        """Return the jobs that are open."""
        return self._runner.open_jobs

    async def take_up(self) -> None:
        """Finish or undo what an earlier run left open; until that is known nothing new is begun.

        Raises: StoreError while it cannot be known.
        """
        if not self._taken_up:
            await self._book.hold()
            await self._runner.take_up()
            self._taken_up = True
            ended = [job for job in reversed(await self._book.newest(LAST_LOOKED_AT)) if not job.is_open]
            self._last.extend(ended)
            self._last_of_kind |= {job.kind: job for job in ended}

    async def settle(self, wanted: Wanted, limit_seconds: float) -> Sequence[JobRecord]:
        """Finish or undo what is wanted of all that was left open, and return it as it is after that, or in the end.

        Raises: JobsHeld; StoreError.
        """
        await self._book.hold()
        await self._runner.load(wanted)
        await self._runner.take_up()
        found = {job.id: job for job in self._runner.open_jobs}

        async def follow(job: JobRecord) -> None:
            found[job.id] = await self._runner.wait(job.id)

        with suppress(TimeoutError):
            async with asyncio.timeout(limit_seconds):
                await asyncio.gather(*(follow(job) for job in found.values() if job.state is not JobState.STUCK))
        return list(found.values())

    async def try_to_take_up(self) -> None:
        """Take up what is open unless that was done; what cannot be read now is tried again by whoever calls again."""
        try:
            await self.take_up()
        except StoreError as error:
            log.error("jobs.not_taken_up", error=str(error))

    async def try_to_load(self) -> None:
        """Learn what is open and begin nothing yet; what cannot be read now is read when it is to be taken up."""
        try:
            await self._book.hold()
            await self._runner.load()
        except StoreError as error:
            log.error("jobs.not_loaded", error=str(error))

    def holder(self) -> JobRecord | None:
        """Return the job that holds the stack now."""
        return self._runner.holder

    async def submit(self, kind: str, parameters: msgspec.Struct, by: str) -> Asked:
        """Take a request for a job. Raises: NotTakenUp; StoreError."""
        if not self._taken_up:
            raise NotTakenUp("the jobs that an earlier run left open are not known yet: try again in a moment")
        return await self._runner.submit(kind, parameters, by)

    async def stop(self) -> None:
        """Begin nothing more, and give the stack back if a job holds it."""
        holds = self._runner.holder is not None
        try:
            await self._runner.stop(PATIENCE_WITH_THE_STACK_SECONDS if holds else PATIENCE_SECONDS)
        finally:
            self._book.release()

    async def observe(self) -> Sequence[Observation]:
        """Return how many jobs are stuck, and of how many kinds the last one failed within a day, and which these are.

        Nothing before it is known what an earlier run left.
        """
        if not self._taken_up:
            return ()
        at = self._clock.instant()
        stuck = [job for job in self._runner.open_jobs if job.state is JobState.STUCK]
        undone = [job for job in self._last_of_kind.values() if failed(job, at.wall)]
        evidence = {
            "jobs": "; ".join(f"{job.title} ({job.id}): {job.error}" for job in stuck),
            "failed": "; ".join(f"{job.title} ({job.id}): {job.cause}" for job in undone),
        }
        facts = {"stuck_jobs": float(len(stuck)), "failed_jobs": float(len(undone))}
        return [Observation(self.name, JOBS, at, facts, {name: text for name, text in evidence.items() if text})]

    def readings(self, schedules: Callable[[], Sequence[ScheduleReading]] = tuple) -> JobReadings:
        """Return what the API may read and ask for; `schedules` are those that ask for jobs by themselves."""
        return JobReadings(
            shown=lambda: (*self._last, *self._runner.open_jobs),
            newest=self.newest,
            find=self.find,
            progress=self._runner.progress,
            schedules=schedules,
            cancel=self._runner.cancel,
            settle=self._runner.settle,
            give_up=self._runner.give_up,
        )

    async def newest(self, limit: int) -> Sequence[JobRecord]:
        """Return the newest jobs; of those that are open what is known in memory, which the disk may lag behind.

        Raises: StoreError.
        """
        known = {job.id: job for job in await self._book.newest(limit)} | {
            job.id: job for job in self._runner.open_jobs
        }
        return sorted(known.values(), key=lambda job: job.id, reverse=True)[:limit]

    def remembered(self, job_id: str) -> JobRecord | None:
        """Return one job as it is now, of those that are open or were the last of their kind to end; else None."""
        known = (*self._runner.open_jobs, *self._last_of_kind.values())
        return next((job for job in known if job.id == job_id), None)

    async def last_done(self, kind: str, besides: str) -> JobRecord | None:
        """Return the newest of a kind that is done and that another than `besides` asked for. Raises: StoreError."""
        return await self._book.last_done(kind, besides)

    async def note(self, kind: str, text: str) -> None:
        """Write a line about what is done by itself into the timeline."""
        await self._note(kind, JOBS, text, {})

    async def find(self, job_id: str) -> JobRecord | None:
        """Return one job, None if there is none. Raises: StoreError."""
        found = [job for job in self._runner.open_jobs if job.id == job_id]
        return found[0] if found else await self._book.find(job_id)

    async def _tell(self, job: JobRecord) -> None:
        facts: Mapping[str, FactValue] = {"job": job.id, "kind": job.kind}
        match job.state:
            case JobState.QUEUED:
                await self._note("job.asked", JOBS, f"{job.title} was asked for by {job.asked_by}", facts)
            case JobState.DONE:
                said = [f"{job.title} is done", str(job.data.get(OUTCOME, "")), *job.notes]
                await self._note("job.done", JOBS, "; ".join(text for text in said if text), facts)
            case JobState.UNDONE:
                await self._note("job.undone", JOBS, f"{job.title} was undone: {job.cause}", facts)
            case JobState.STUCK:
                await self._note("job.stuck", JOBS, f"{job.title} is stuck: {job.error}", facts)
            case JobState.GIVEN_UP:
                await self._note("job.given_up", JOBS, f"{job.title} was {job.cause}", facts)
            case JobState.RUNNING | JobState.UNDOING:
                log.info("job.goes_on", job=job.id, kind=job.kind, state=job.state.value)
        if not job.is_open:
            self._last.append(job)
            self._last_of_kind[job.kind] = job
            await self._ended()


def failed(job: JobRecord, now: datetime) -> bool:
    """Tell whether a job ended because a step failed, within a day; one that was cancelled or cut off did not."""
    if job.state is not JobState.UNDONE or job.ended_at is None or job.cancelled:
        return False
    return (now - job.ended_at).total_seconds() < FAILED_SECONDS and any(step.error for step in job.steps)


async def trim_jobs(journal: Journal) -> None:
    """Keep the newest jobs that have ended."""
    await journal.commit(lambda connection: trim(connection, KEPT_JOBS))
