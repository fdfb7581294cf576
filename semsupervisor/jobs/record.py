"""What a job is on record: its steps, how far each is, and what they found out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec.structs import force_setattr

from semsupervisor.kit.text import encodable

OUTCOME = "outcome"
"""What a job's data calls the sentence that says what it did, for the timeline and who follows it."""

Json = bool | int | float | str | list[Any] | dict[str, Any] | None


class StepState(StrEnum):
    """How far one step is. `begun` means that it may have happened, wholly or in part."""

    WAITING = "waiting"
    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"


class JobState(StrEnum):
    """How far a job is.

    `undoing` also covers what was interrupted on its way back; `stuck` is a job that could neither be finished nor
    undone, which stays open until somebody settles it; `given_up` one that was stuck and was left as it was.
    """

    QUEUED = "queued"
    RUNNING = "running"
    UNDOING = "undoing"
    DONE = "done"
    UNDONE = "undone"
    STUCK = "stuck"
    GIVEN_UP = "given_up"


class StepPlan(msgspec.Struct, frozen=True):
    """What has to be known of a step to decide: its name, and its sentence for people.

    Once a step that `commits` is done there is no way back: a job that is interrupted after it is finished instead.
    What an `optional` step fails at is noted, and the job goes on. A step that is not `undoable` leaves nothing behind
    that would have to be taken back.
    """

    name: str
    title: str
    commits: bool = False
    optional: bool = False
    undoable: bool = False


class StepRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One step as it stands in the record."""

    plan: StepPlan
    state: StepState = StepState.WAITING
    began_at: datetime | None = None
    ended_at: datetime | None = None
    error: str = ""

    def __post_init__(self) -> None:
        force_setattr(self, "error", encodable(self.error))


class JobRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it is written down.

    `asked_by` says who wanted it, in words; `parameters` what exactly; `data` is what its steps found out and later
    ones need. `revision` grows with each change, so that of two copies the newer is known whatever the clocks said.
    `cause` is why it goes back, `error` why it is stuck, `notes` what went wrong without being a failure. One that is
    not `accepted` was written down before whoever asked for it could be told that it will be carried out.
    """

    id: str
    kind: str
    title: str
    asked_by: str
    parameters: Mapping[str, Json]
    steps: tuple[StepRecord, ...]
    created_at: datetime
    exclusive: bool
    state: JobState = JobState.QUEUED
    data: Mapping[str, Json] = {}
    revision: int = 0
    began_at: datetime | None = None
    ended_at: datetime | None = None
    cancelled: bool = False
    cause: str = ""
    error: str = ""
    notes: tuple[str, ...] = ()
    accepted: bool = True

    def __post_init__(self) -> None:
        for name in ("title", "asked_by", "parameters", "data", "cause", "error", "notes"):
            force_setattr(self, name, _encodable(getattr(self, name)))

    @property
    def is_open(self) -> bool:
        """Tell whether something is still to be done about it."""
        return self.state not in (JobState.DONE, JobState.UNDONE, JobState.GIVEN_UP)

    @property
    def is_committed(self) -> bool:
        """Tell whether it is past its point of no return."""
        return any(step.plan.commits and step.state is StepState.DONE for step in self.steps)


def _encodable(value: Any) -> Any:
    """Return what a record holds so that it can be written: errors and notes may quote bytes that are no UTF-8."""
    match value:
        case str():
            return encodable(value)
        case list():
            return [_encodable(one) for one in value]
        case tuple():
            return tuple(_encodable(one) for one in value)
        case dict():
            return {encodable(name): _encodable(one) for name, one in value.items()}
        case _:
            return value


def unreadable(job_id: str, why: str) -> JobRecord:
    """Return what stands for a job whose record cannot be read: stuck, and older than whatever else is known of it.

    Its id tells when it was asked for.
    """
    try:
        asked_at = datetime.fromtimestamp(int(job_id[:12], 16) / 1000, UTC)
    except ValueError:
        asked_at = datetime.fromtimestamp(0, UTC)
    return JobRecord(
        id=job_id,
        kind="unreadable",
        title="job whose record cannot be read",
        asked_by="",
        parameters={},
        steps=(),
        created_at=asked_at,
        exclusive=False,
        state=JobState.STUCK,
        revision=-1,
        error=why,
    )
