"""The body that the API answers with about everything at once."""

from __future__ import annotations

from semsupervisor.api.answers import (
    AlertAnswer,
    Answer,
    DaemonAnswer,
    FindingAnswer,
    Moment,
    ProbeAnswer,
    ReceiverAnswer,
    ServiceAnswer,
    StreamAnswer,
    SubjectAnswer,
)
from semsupervisor.api.job_answers import JobAnswer, ScheduleAnswer
from semsupervisor.api.verdicts import State


class StatusAnswer(Answer, frozen=True, kw_only=True):
    """Everything on one screen; `status` and `reasons` judge the stack, `untold` are those that no alert tells.

    `host` is what the host is called in messages, `host_seen` what was seen of it, None before the first look. `jobs`
    are those that are open, behind the last that have ended, `schedules` what asks for jobs by itself; the newest
    snapshot is that of the complete ones which are not known to be damaged.
    """

    now: Moment
    host: str
    project: str
    directory: str
    status: State
    reasons: tuple[str, ...]
    untold: tuple[str, ...]
    daemon: DaemonAnswer
    engine: SubjectAnswer | None
    stream: StreamAnswer
    services: tuple[ServiceAnswer, ...]
    semstreams: tuple[SubjectAnswer, ...]
    nats: tuple[SubjectAnswer, ...]
    filesystems: tuple[SubjectAnswer, ...]
    host_seen: SubjectAnswer | None
    alerts: tuple[AlertAnswer, ...]
    receivers: tuple[ReceiverAnswer, ...]
    probes: tuple[ProbeAnswer, ...]
    findings: tuple[FindingAnswer, ...]
    jobs: tuple[JobAnswer, ...]
    schedules: tuple[ScheduleAnswer, ...]
    newest_snapshot: str
    newest_snapshot_at: Moment | None
