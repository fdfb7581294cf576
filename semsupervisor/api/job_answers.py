"""The bodies that the API answers with about jobs, and about what asks for them by itself."""

from __future__ import annotations

from semsupervisor.api.answers import Answer, Moment
from semsupervisor.jobs.record import JobState, StepState


class StepAnswer(Answer, frozen=True, kw_only=True):
    """One step of a job, and how far it is; `title` is for people."""

    name: str
    title: str
    state: StepState
    began_at: Moment | None
    ended_at: Moment | None
    error: str


class ProgressAnswer(Answer, frozen=True, kw_only=True):
    """How far the present step is, in `unit`; null is what cannot be said."""

    step: str
    unit: str
    done: float
    total: float | None
    rate_per_second: float | None
    remaining_seconds: float | None


class JobAnswer(Answer, frozen=True, kw_only=True):
    """One job. `fine` says that it came to its end and that nothing is to be said against what it did.

    `cause` is why it went back, `error` why it is stuck, `notes` what went wrong without being a failure. `snapshot` is
    what it takes or looks at, empty where it is about none; `outcome` says what it did, where there is more to say.
    """

    id: str
    kind: str
    title: str
    state: JobState
    open: bool
    fine: bool
    asked_by: str
    created_at: Moment
    began_at: Moment | None
    ended_at: Moment | None
    cause: str
    error: str
    notes: tuple[str, ...]
    snapshot: str
    outcome: str
    steps: tuple[StepAnswer, ...]
    progress: ProgressAnswer | None


class ScheduleAnswer(Answer, frozen=True, kw_only=True):
    """A schedule that asks for a kind of job by itself. `next_at` is null where it does not, and past while it `waits`.

    `last_at` is when it last asked for one, by the job `last_job`, and `last_state` how that stands; `last_fine` says
    that it came to its end with nothing to be said against it, null before its end.
    """

    name: str
    kind: str
    schedule: str
    next_at: Moment | None
    last_at: Moment | None
    last_job: str
    last_state: JobState | None
    last_fine: bool | None
    waits: str
