"""What is to be done next with a job, and what becomes of its record. Pure.

A job is a list of steps. Each call that changes the world is a step of its own, written down as begun before it is
made, and as done after it; so that whoever finds the record after a power cut knows what may have happened and what
cannot have. A job goes forward step by step; after a failure or a cancellation it goes back, undoing in reverse order
whatever was begun.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from semsupervisor.jobs.record import JobRecord, JobState, Json, StepRecord, StepState


class Do(msgspec.Struct, frozen=True):
    """Begin this step and carry it out."""

    index: int


class Check(msgspec.Struct, frozen=True):
    """Find out whether this step, which was begun and interrupted, had been done."""

    index: int


class Undo(msgspec.Struct, frozen=True):
    """Take this step back."""

    index: int


class End(msgspec.Struct, frozen=True):
    """Nothing is left: the job ends so."""

    state: JobState


class Rest(msgspec.Struct, frozen=True):
    """Nothing is to be done now: it has ended, is stuck, or has not begun."""


Move = Do | Check | Undo | End | Rest

_TO_UNDO = (StepState.BEGUN, StepState.DONE, StepState.FAILED, StepState.UNDOING)


def next_move(job: JobRecord) -> Move:
    """Return what is to be done next."""
    match job.state:
        case JobState.RUNNING:
            return _forward(job.steps)
        case JobState.UNDOING:
            return _back(job.steps)
        case JobState.QUEUED | JobState.DONE | JobState.UNDONE | JobState.STUCK | JobState.GIVEN_UP:
            return Rest()


def _forward(steps: Sequence[StepRecord]) -> Move:
    for index, step in enumerate(steps):
        if step.state is StepState.WAITING:
            return Do(index)
        if step.state is StepState.BEGUN:
            return Check(index)
    return End(JobState.DONE)


def _back(steps: Sequence[StepRecord]) -> Move:
    for index in reversed(range(len(steps))):
        if steps[index].state in _TO_UNDO:
            return Undo(index)
    return End(JobState.UNDONE)


def accept(job: JobRecord) -> JobRecord:
    """Return a job that will be carried out, as whoever asked for it is told now."""
    return _changed(job, accepted=True)


def refuse(job: JobRecord, at: datetime) -> JobRecord:
    """Return the end of a job that nobody was told would be carried out: nothing of it was begun."""
    cause = "nobody was told that it would be carried out: the disk was too slow, or the supervisor ended before that"
    return _changed(job, state=JobState.UNDONE, ended_at=at, cause=cause)


def begin(job: JobRecord, at: datetime) -> JobRecord:
    """Return a queued job that goes forward now."""
    return _changed(job, state=JobState.RUNNING, began_at=at)


def step_begun(job: JobRecord, index: int, at: datetime) -> JobRecord:
    """Return the job with a step that may have happened from now on."""
    return _with_step(job, index, state=StepState.BEGUN, began_at=at, ended_at=None, error="")


def step_done(job: JobRecord, index: int, at: datetime) -> JobRecord:
    """Return the job with a step that has happened."""
    return _with_step(job, index, state=StepState.DONE, ended_at=at)


def step_not_done(job: JobRecord, index: int) -> JobRecord:
    """Return the job with an interrupted step that turned out not to have happened, to be done again."""
    return _with_step(job, index, state=StepState.WAITING, began_at=None)


def step_failed(job: JobRecord, index: int, error: str, at: datetime) -> JobRecord:
    """Return the job after a step failed: it goes back, or on if the step was optional or there is no way back.

    A step that must not be left out, and fails behind the point of no return, leaves the job stuck.
    """
    step = job.steps[index].plan
    if step.optional:
        passed = _with_step(job, index, state=StepState.DONE, ended_at=at, error=error)
        return _changed(passed, notes=(*job.notes, f"{step.title}: {error}"))
    failed = _with_step(job, index, state=StepState.FAILED, ended_at=at, error=error)
    if job.is_committed:
        return _changed(failed, state=JobState.STUCK, error=f"{step.title}: {error}")
    return _changed(failed, state=JobState.UNDOING, cause=f"{step.title}: {error}")


def undo_begun(job: JobRecord, index: int) -> JobRecord:
    """Return the job with a step that is being taken back."""
    return _with_step(job, index, state=StepState.UNDOING)


def undo_done(job: JobRecord, index: int, at: datetime) -> JobRecord:
    """Return the job with a step that was taken back."""
    return _with_step(job, index, state=StepState.UNDONE, ended_at=at)


def undo_failed(job: JobRecord, index: int, error: str) -> JobRecord:
    """Return the job that could not be undone: it is stuck where it is."""
    return _changed(job, state=JobState.STUCK, error=f"undoing {job.steps[index].plan.title}: {error}")


def cancel(job: JobRecord, by: str) -> JobRecord:
    """Return the job after somebody wanted it to end; behind the point of no return it goes on to its end.

    What has not begun ends at once, since there is nothing to undo.
    """
    if not job.is_open or job.is_committed or job.cancelled:
        return job
    match job.state:
        case JobState.QUEUED | JobState.RUNNING:
            return _changed(job, cancelled=True, state=JobState.UNDOING, cause=f"cancelled by {by}")
        case JobState.UNDOING | JobState.STUCK | JobState.DONE | JobState.UNDONE | JobState.GIVEN_UP:
            return job


def turn_back(job: JobRecord, why: str) -> JobRecord:
    """Return a running job that goes back for a reason of ours; behind the point of no return it goes on."""
    if job.state is not JobState.RUNNING or job.is_committed:
        return job
    return _changed(job, state=JobState.UNDOING, cause=why)


def interrupt(job: JobRecord, *, finishes: bool) -> JobRecord:
    """Return an open job as it is to be taken up by a new run of the daemon.

    It goes on if its kind `finishes` what was interrupted, or if there is no way back or may be none, otherwise it goes
    back. What was stuck is tried again. What had not begun stays queued.
    """
    if job.state is JobState.QUEUED or not job.is_open:
        return job
    onwards = finishes or any(step.plan.commits and step.state is StepState.BEGUN for step in job.steps)
    if job.is_committed or (job.state is JobState.RUNNING and onwards):
        return _changed(_with_failed_waiting(job), state=JobState.RUNNING, error="")
    cause = job.cause or f"interrupted in: {_current_title(job)}"
    return _changed(job, state=JobState.UNDOING, cause=cause, error="")


def is_left_behind(job: JobRecord, *, ended_well: bool) -> bool:
    """Tell whether somebody has to settle a job when no daemon takes it up: it holds the stack, or left what is half.

    A daemon that ended well has left on purpose what does not hold the stack.
    """
    if job.state is JobState.QUEUED or not job.is_open:
        return False
    made = any(step.plan.undoable and step.state is not StepState.WAITING for step in job.steps)
    return job.exclusive or (made and not job.is_committed and not ended_well)


def settle(job: JobRecord) -> JobRecord:
    """Return a stuck job as it is to be tried once more, in the direction in which it was stuck."""
    if job.state is not JobState.STUCK:
        return job
    return interrupt(job, finishes=False)


def foreign(job: JobRecord, why: str) -> JobRecord:
    """Return how a job is shown that this version cannot go on with; its record stays as it was for one that can."""
    if job.state is JobState.STUCK and job.revision < 0:
        return job
    advice = f"it is left as it was: start the version of the supervisor that began it (asked for by {job.asked_by})"
    return msgspec.structs.replace(job, state=JobState.STUCK, error=f"{why}; {advice}")


def give_up(job: JobRecord, by: str, at: datetime) -> JobRecord:
    """Return the end of a stuck job that is left as it is."""
    cause = f"given up by {by or 'somebody'}, with what it had begun left as it was; it was stuck: {job.error}"
    return _changed(job, state=JobState.GIVEN_UP, ended_at=at, cause=cause, error="")


def end(job: JobRecord, state: JobState, at: datetime) -> JobRecord:
    """Return the job at its end."""
    return _changed(job, state=state, ended_at=at)


def with_data(job: JobRecord, data: Mapping[str, Json]) -> JobRecord:
    """Return the job with more of what its steps found out."""
    return _changed(job, data={**job.data, **data})


def with_note(job: JobRecord, note: str) -> JobRecord:
    """Return the job with one more note."""
    return _changed(job, notes=(*job.notes, note))


def newer(one: JobRecord, other: JobRecord) -> JobRecord:
    """Return of two copies of a job's record the one that was written last."""
    return one if one.revision >= other.revision else other


def _current_title(job: JobRecord) -> str:
    """Return the step that a running job was at, or the last that was done."""
    begun = [step.plan.title for step in job.steps if step.state is not StepState.WAITING]
    return begun[-1] if begun else "nothing begun yet"


def _with_failed_waiting(job: JobRecord) -> JobRecord:
    steps = tuple(
        msgspec.structs.replace(step, state=StepState.WAITING) if step.state is StepState.FAILED else step
        for step in job.steps
    )
    return msgspec.structs.replace(job, steps=steps)


def _with_step(job: JobRecord, index: int, **changes: object) -> JobRecord:
    step = msgspec.structs.replace(job.steps[index], **changes)
    return _changed(job, steps=(*job.steps[:index], step, *job.steps[index + 1 :]))


def _changed(job: JobRecord, **changes: object) -> JobRecord:
    return msgspec.structs.replace(job, revision=job.revision + 1, **changes)
