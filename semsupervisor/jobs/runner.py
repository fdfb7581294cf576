"""Carries jobs out: each step is written down before it is done, and what was begun is finished or undone.

At most one job holds the stack at a time; the others wait in the order in which they were asked for. What an earlier
run of the daemon left open is taken up before anything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from semsupervisor.errors import PermanentError
from semsupervisor.jobs import steps
from semsupervisor.jobs.book import JobBook
from semsupervisor.jobs.carrying import Carrier, Tell
from semsupervisor.jobs.kinds import AnyKind
from semsupervisor.jobs.progress import Progress
from semsupervisor.jobs.record import JobRecord, JobState, Json, StepRecord
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.failpoints import reach
from semsupervisor.kit.ids import new_id
from semsupervisor.kit.tasks import TaskOwner

log = structlog.get_logger(__name__)


Wanted = Callable[[JobRecord], bool]


def _all(_: JobRecord) -> bool:
    return True


class UnknownJob(PermanentError):
    """There is no open job of that id."""


class NotSettled(PermanentError):
    """The job cannot be tried once more, or not given up; the text says why, and what can be done."""


class Asked(msgspec.Struct, frozen=True):
    """The job that a request got, and whether it was under way already."""

    job: JobRecord
    joined: bool


class Runner:
    """Takes requests for jobs, and carries them out in tasks that `owner` guards."""

    def __init__(self, clock: Clock, book: JobBook, owner: TaskOwner, kinds: Sequence[AnyKind], tell: Tell) -> None:
        self._clock = clock
        self._book = book
        self._owner = owner
        self._kinds = {kind.name: kind for kind in kinds}
        self._tell = tell
        self._open: dict[str, Carrier] = {}
        self._strangers: dict[str, JobRecord] = {}
        self._order = asyncio.Lock()
        self._ending = False
        self._loaded = False

    @property
    def open_jobs(self) -> Sequence[JobRecord]:
        """Return the jobs that are open: those that this version cannot go on with, then the others, oldest first."""
        carried = (carrier.job for carrier in self._open.values())
        return [*self._strangers.values(), *(job for job in carried if job.is_open)]

    @property
    def holder(self) -> JobRecord | None:
        """Return the job that holds the stack now."""
        return next((carrier.job for carrier in self._open.values() if _holds(carrier.job)), None)

    def progress(self, job_id: str) -> Progress | None:
        """Return how far the present step of an open job is, None when it does not say."""
        carrier = self._open.get(job_id)
        return carrier.progress if carrier else None

    async def load(self, wanted: Wanted = _all) -> None:
        """Learn what an earlier run left open, and begin nothing yet.

        Of the jobs whose kinds are known only those that are `wanted` are touched. Raises: StoreError when it cannot
        be read.
        """
        async with self._order:
            if not self._loaded:
                for job in await self._book.open_jobs():
                    await self._take_up(job, wanted)
                self._loaded = True

    async def take_up(self) -> None:
        """Finish or undo what an earlier run left open; to be called once, before anything else is asked for.

        Raises: StoreError when it cannot be read what is open.
        """
        await self.load()
        async with self._order:
            self._start_what_may()

    async def submit(self, kind_name: str, parameters: msgspec.Struct, asked_by: str) -> Asked:
        """Take a request for a job and return what became of it; the same request joins the job under way.

        Raises: StoreError when it cannot be written down: nothing was begun then, nor is by a later run, even if a slow
        disk writes it down all the same.
        """
        kind = self._kinds[kind_name]
        wanted: Mapping[str, Json] = msgspec.to_builtins(parameters)
        async with self._order:
            for carrier in self._open.values():
                if carrier.is_for(kind_name, wanted):
                    return Asked(carrier.job, joined=True)
            carrier = self._carrier(kind, self._record(kind, parameters, wanted, asked_by))
            await self._book.write(carrier.job)
            reach("job.asked")
            await carrier.accept()
            if kind.preempts:
                await self._make_way(f"{carrier.job.title} ({carrier.job.id})")
            self._open[carrier.job.id] = carrier
            await self._tell(carrier.job)
            self._start_what_may()
            return Asked(carrier.job, joined=False)

    async def cancel(self, job_id: str, by: str) -> JobRecord:
        """End a job as soon as its present step allows, and undo it; behind its point of no return it goes on.

        Raises: UnknownJob.
        """
        carrier = self._found(job_id)
        await carrier.cancel(by)
        self._start_what_may()
        return carrier.job

    async def settle(self, job_id: str) -> JobRecord:
        """Try a stuck job once more. Raises: UnknownJob; NotSettled when this version cannot go on with it."""
        async with self._order:
            if stranger := self._strangers.get(job_id):
                raise NotSettled(f"{stranger.title} cannot be tried once more: {stranger.error}")
            carrier = self._found(job_id)
            carrier.unstick()
            self._start_what_may()
            return carrier.job

    async def give_up(self, job_id: str, by: str) -> JobRecord:
        """End a stuck job and leave what it had begun as it is.

        Raises: UnknownJob; NotSettled when it is not stuck; StoreError when that cannot be written down.
        """
        async with self._order:
            if stranger := self._strangers.get(job_id):
                ended = steps.give_up(stranger, by, self._clock.now())
                await self._book.write(ended)
                del self._strangers[job_id]
                await self._tell(ended)
                return ended
            carrier = self._found(job_id)
            if carrier.is_carried or carrier.job.state is not JobState.STUCK:
                raise NotSettled(f"{carrier.job.title} is not stuck: end it with semsupervisor jobs cancel {job_id}")
            await carrier.give_up(by)
            del self._open[job_id]
            return carrier.job

    async def wait(self, job_id: str) -> JobRecord:
        """Return a job when nothing is done about it any more: it has ended or is stuck. Raises: UnknownJob."""
        carrier = self._found(job_id)
        await carrier.rested.wait()
        return carrier.job

    async def stop(self, patience_seconds: float) -> None:
        """Begin nothing more; give the stack back, within so many seconds.

        A job that holds the stack is undone, or finished where there is no way back. All others are left as they are
        on record, for the next run.
        """
        self._ending = True
        holding = [carrier for carrier in self._open.values() if _holds(carrier.job)]
        for carrier in holding:
            await carrier.interrupt("the supervisor was asked to end")
        try:
            async with asyncio.timeout(patience_seconds):
                for carrier in holding:
                    await carrier.rested.wait()
        except TimeoutError:
            log.error("jobs.left_open", jobs=[carrier.job.id for carrier in holding if carrier.job.is_open])
        for carrier in self._open.values():
            carrier.abandon()

    async def _take_up(self, job: JobRecord, wanted: Wanted) -> None:
        if not job.accepted:
            await self._end_refused(job)
            return
        try:
            kind = self._known(job.kind)
            carrier = self._carrier(kind, job)
        except (msgspec.ValidationError, ValueError) as error:
            log.error("jobs.not_understood", job=job.id, kind=job.kind, error=str(error))
            self._strangers[job.id] = steps.foreign(job, str(error))
            await self._tell(self._strangers[job.id])
            return
        if not wanted(job):
            return
        self._open[job.id] = carrier
        await carrier.take_up(finishes=kind.finishes)
        log.info("job.taken_up", job=job.id, kind=job.kind, state=carrier.job.state.value)

    async def _end_refused(self, job: JobRecord) -> None:
        """End a job whose request was refused before it was seen to be on the disk. Raises: StoreError."""
        refused = steps.refuse(job, self._clock.now())
        await self._book.write(refused)
        await self._tell(refused)

    def _known(self, kind: str) -> AnyKind:
        if kind not in self._kinds:
            raise ValueError(f"this version of the supervisor knows no job of the kind {kind}")
        return self._kinds[kind]

    def _record(
        self, kind: AnyKind, parameters: msgspec.Struct, wanted: Mapping[str, Json], asked_by: str
    ) -> JobRecord:
        now = self._clock.now()
        return JobRecord(
            id=new_id(now),
            kind=kind.name,
            title=kind.title(parameters),
            asked_by=asked_by,
            parameters=wanted,
            steps=tuple(StepRecord(plan=step.plan) for step in kind.steps(parameters)),
            created_at=now,
            exclusive=kind.exclusive,
            accepted=False,
        )

    def _carrier(self, kind: AnyKind, job: JobRecord) -> Carrier:
        """Return what carries a job out. Raises: ValueError, ValidationError when this version does not know it so."""
        parameters = msgspec.convert(job.parameters, kind.parameters)
        return Carrier(self._clock, self._book, job, kind.steps(parameters), self._tell)

    async def _make_way(self, wanted: str) -> None:
        for carrier in list(self._open.values()):
            if carrier.job.exclusive:
                await carrier.cancel(wanted)

    def _start_what_may(self) -> None:
        """Start what is free to go: all that needs nothing of the stack, and one that holds it, the oldest first."""
        if self._ending:
            return
        for carrier in self._open.values():
            if carrier.is_carried or carrier.job.state is JobState.STUCK:
                continue
            if any(other.is_carried and self._excludes(other.job, carrier.job) for other in self._open.values()):
                continue
            carrier.start(self._owner, self._carried)

    def _excludes(self, under_way: JobRecord, job: JobRecord) -> bool:
        """Tell whether a job has to wait for the end of another one."""
        alone = job.kind == under_way.kind and not self._kinds[job.kind].overlaps
        return alone or (job.exclusive and under_way.exclusive)

    async def _carried(self, carrier: Carrier) -> None:
        async with self._order:
            if not carrier.job.is_open:
                self._open.pop(carrier.job.id, None)
            self._start_what_may()

    def _found(self, job_id: str) -> Carrier:
        carrier = self._open.get(job_id)
        if carrier is None:
            raise UnknownJob(f"there is no open job {job_id}; see `semsupervisor jobs list`")
        return carrier


def _holds(job: JobRecord) -> bool:
    return job.exclusive and job.state in (JobState.RUNNING, JobState.UNDOING)
