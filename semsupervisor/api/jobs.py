"""Jobs as the API shows them."""

from __future__ import annotations

from collections.abc import Iterable

from semsupervisor.api.answers import Answer, Moment
from semsupervisor.api.job_answers import JobAnswer, ProgressAnswer, ScheduleAnswer, StepAnswer
from semsupervisor.api.readings import Readings, ScheduleReading
from semsupervisor.jobs.progress import Progress
from semsupervisor.jobs.record import OUTCOME, JobRecord, JobState, StepRecord
from semsupervisor.jobs.runner import Asked

SNAPSHOT = "snapshot"


class JobsAnswer(Answer, frozen=True, kw_only=True):
    """The newest jobs, newest first."""

    now: Moment
    jobs: tuple[JobAnswer, ...]


class OneJobAnswer(Answer, frozen=True, kw_only=True):
    """One job."""

    now: Moment
    job: JobAnswer


class AskedAnswer(OneJobAnswer, frozen=True, kw_only=True):
    """The job that a request got; `joined` says that it was under way already."""

    joined: bool


def jobs(readings: Readings, records: Iterable[JobRecord]) -> JobsAnswer:
    """Return jobs as an answer."""
    return JobsAnswer(now=readings.clock.now(), jobs=tuple(job(readings, one) for one in records))


def one(readings: Readings, record: JobRecord) -> OneJobAnswer:
    """Return one job as an answer."""
    return OneJobAnswer(now=readings.clock.now(), job=job(readings, record))


def asked(readings: Readings, request: Asked) -> AskedAnswer:
    """Return what a request got."""
    return AskedAnswer(now=readings.clock.now(), job=job(readings, request.job), joined=request.joined)


def job(readings: Readings, record: JobRecord) -> JobAnswer:
    """Return a job, with how far its present step is."""
    progress = readings.jobs.progress(record.id) if record.is_open else None
    return JobAnswer(
        id=record.id,
        kind=record.kind,
        title=record.title,
        state=record.state,
        open=record.is_open,
        fine=is_fine(record),
        asked_by=record.asked_by,
        created_at=record.created_at,
        began_at=record.began_at,
        ended_at=record.ended_at,
        cause=record.cause,
        error=record.error,
        notes=record.notes,
        snapshot=str(record.data.get(SNAPSHOT) or record.parameters.get(SNAPSHOT) or ""),
        outcome=str(record.data.get(OUTCOME, "")),
        steps=tuple(_step(step) for step in record.steps),
        progress=_progress(progress) if progress else None,
    )


def schedules(readings: Readings) -> tuple[ScheduleAnswer, ...]:
    """Return the schedules that ask for jobs by themselves, as an answer."""
    return tuple(_schedule(one) for one in readings.jobs.schedules())


def is_fine(record: JobRecord) -> bool:
    """Tell whether a job came to its end, and nothing is to be said against what it did."""
    return record.state is JobState.DONE and not record.notes


def _schedule(one: ScheduleReading) -> ScheduleAnswer:
    last = one.last
    return ScheduleAnswer(
        name=one.name,
        kind=one.kind,
        schedule=one.schedule,
        next_at=one.next_at,
        last_at=last.created_at if last else None,
        last_job=last.id if last else "",
        last_state=last.state if last else None,
        last_fine=is_fine(last) if last and not last.is_open else None,
        waits=one.waits,
    )


def _step(step: StepRecord) -> StepAnswer:
    return StepAnswer(
        name=step.plan.name,
        title=step.plan.title,
        state=step.state,
        began_at=step.began_at,
        ended_at=step.ended_at,
        error=step.error,
    )


def _progress(progress: Progress) -> ProgressAnswer:
    return ProgressAnswer(
        step=progress.step,
        unit=progress.unit,
        done=progress.done,
        total=progress.total,
        rate_per_second=progress.rate_per_second,
        remaining_seconds=progress.remaining_seconds,
    )
