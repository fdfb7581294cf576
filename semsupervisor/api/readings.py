"""What the daemon gives the API to read and to ask for: plain callables, so that nothing here knows how it is built.

Readings that are not awaitable answer at once from memory; the awaitable ones read the state database. None of them
asks Docker or NATS anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from semsupervisor.alerts.book import TimelineEntry
from semsupervisor.alerts.lifecycle import Alert
from semsupervisor.alerts.notification import OutboxEntry
from semsupervisor.alerts.outbox import Depth
from semsupervisor.alerts.rules import Rule
from semsupervisor.backup.catalogue import Entry
from semsupervisor.backup.manifest import Kind, Manifest
from semsupervisor.backup.retention import Decision
from semsupervisor.backup.verdicts import Look
from semsupervisor.health.last_answers import LastAnswer
from semsupervisor.health.observation import Observation, Subject
from semsupervisor.health.probing import ProbeReport
from semsupervisor.health.series import Series
from semsupervisor.health.setup import SetupFinding
from semsupervisor.jobs.progress import Progress
from semsupervisor.jobs.record import JobRecord
from semsupervisor.jobs.runner import Asked
from semsupervisor.kit.clock import Clock, Instant
from semsupervisor.kit.tasks import LoopHealth
from semsupervisor.settings.load import Loaded


class ServiceReading(Protocol):
    """What watching says of one service beside its facts: since when it is so, and why, in words."""

    @property
    def since(self) -> datetime | None:
        """Return when the service came into its present state, by the engine's clock."""
        ...

    @property
    def intent(self) -> str:
        """Return who or what brought it there, in words; empty when there is nothing to say."""
        ...


class StreamReading(Protocol):
    """How the engine's event stream is doing."""

    @property
    def connected_since(self) -> Instant | None:
        """Return since when it is followed, None while it is not."""
        ...

    @property
    def reconnects_total(self) -> int:
        """Return how often it had to be followed anew."""
        ...

    @property
    def last_lag_seconds(self) -> float | None:
        """Return the time from the last event's stamp to its arrival, None before the first."""
        ...


class StoreReading(msgspec.Struct, frozen=True, kw_only=True):
    """The state database: what is wrong with it (empty: nothing), its size, changes that are in memory only.

    `set_aside` is where a broken database was moved when the daemon found it.
    """

    problem: str
    size_bytes: int
    waiting_changes: int
    set_aside: str | None = None


class StackReading(msgspec.Struct, frozen=True, kw_only=True):
    """What is supervised: the host's name in messages, the compose project and its folder."""

    host: str
    project: str
    directory: str


class TimelineReader(Protocol):
    """The record of all that was seen, decided and done."""

    async def __call__(
        self,
        limit: int,
        *,
        before_id: int | None = None,
        after_id: int | None = None,
        subject: str | None = None,
        kind: str | None = None,
        since: datetime | None = None,
    ) -> Sequence[TimelineEntry]:
        """Return at most `limit` entries, newest first. Raises: StoreError."""
        ...


class Acts(msgspec.Struct, frozen=True, kw_only=True):
    """What the API may ask the daemon to do.

    `test_receiver` sends a marked test to one of those in `testable` and returns what came back, in words; it raises
    TemporaryError or PermanentError with the receiver's answer. `reload` reads the settings again and returns what
    changed, in words; it raises SettingsError and leaves the running settings. `retry_dead_letter` and
    `drop_dead_letter` say whether there was one of that number. `forget_service` is told which and by whom; it raises
    UnknownService or NotForgotten, and EngineError or EngineForbidden while the engine does not say what there is.
    """

    testable: Callable[[], Sequence[str]]
    test_receiver: Callable[[str], Awaitable[str]]
    reload: Callable[[], Awaitable[Sequence[str]]]
    retry_dead_letter: Callable[[int], Awaitable[bool]]
    drop_dead_letter: Callable[[int], Awaitable[bool]]
    forget_service: Callable[[str, str], Awaitable[None]]


class ScheduleReading(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule as the settings have it, and the kind of job that it asks for.

    `next_at` is past while what is owed `waits`, which says why; None when there is no schedule, or none that counts
    yet. `last` is the last job that it got, as far as it is on record.
    """

    name: str
    kind: str
    schedule: str
    next_at: datetime | None
    last: JobRecord | None
    waits: str


class JobReadings(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs, and what may be done about them.

    `shown` are the last few that have ended and those that have not, oldest first; `newest` all, the newest first;
    `progress` is how far the present step is. `cancel` and `give_up` are told by whom; they and `settle` raise
    UnknownJob where no such job is open, and the latter two NotSettled where that cannot be done.
    """

    shown: Callable[[], Sequence[JobRecord]]
    newest: Callable[[int], Awaitable[Sequence[JobRecord]]]
    find: Callable[[str], Awaitable[JobRecord | None]]
    progress: Callable[[str], Progress | None]
    schedules: Callable[[], Sequence[ScheduleReading]]
    cancel: Callable[[str, str], Awaitable[JobRecord]]
    settle: Callable[[str], Awaitable[JobRecord]]
    give_up: Callable[[str, str], Awaitable[JobRecord]]


class SnapshotReading(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot: how it is listed, the last look at it, and its manifest where that was asked for and is there."""

    entry: Entry
    look: Look | None = None
    manifest: Manifest | None = None

    @property
    def good(self) -> bool:
        """Tell whether all is in it that should be, and every byte of it was read and found as it was written."""
        return self.entry.complete and self.look is not None and self.look.proves


class BackupReadings(msgspec.Struct, frozen=True, kw_only=True):
    """The snapshots, and what may be asked for. They are looked up in their folder, the newest good one is remembered.

    `plan` is what a backup of that kind does, step by step. `now` takes the kind, a note and who asks, `verify` an id,
    a level and who asks. Raises: TemporaryError; NoSnapshot.
    """

    all: Callable[[], Awaitable[Sequence[SnapshotReading]]]
    one: Callable[[str], Awaitable[SnapshotReading]]
    newest_good: Callable[[], Entry | None]
    now: Callable[[Kind, str, str], Awaitable[Asked]]
    plan: Callable[[Kind], Sequence[str]]
    verify: Callable[[str, int, str], Awaitable[Asked]]


class KeepingReadings(msgspec.Struct, frozen=True, kw_only=True):
    """Which snapshots are kept, and what may be asked for.

    `plan` says what becomes of each; `prune` is told who asks, `pin` an id and why. Raises: TemporaryError;
    PermanentError while nothing can be decided; NoSnapshot.
    """

    plan: Callable[[], Awaitable[Sequence[Decision]]]
    prune: Callable[[str], Awaitable[Asked]]
    pin: Callable[[str, str], Awaitable[None]]
    unpin: Callable[[str], Awaitable[None]]


class Readings(msgspec.Struct, frozen=True, kw_only=True):
    """All that the API reads.

    `facts_version` counts up with every change of a fact in `latest`; while it stays, what was rendered from the facts
    stays true. `course` is what a rule has seen of a fact over time, None for one that looks at no course.
    `last_answers` are the endpoints' last words by their names. `listed` says whether the first list of containers, or
    its failure, is known. `receivers` are the queues that messages wait in: one for each receiver, or one for each of
    its addresses. `history` gives the newest episodes: all of them, or those of an alert's id, a rule or a subject.
    """

    clock: Clock
    started: Instant
    stack: Callable[[], StackReading]
    facts_version: Callable[[], int]
    latest: Callable[[], Mapping[tuple[Subject, str], Observation]]
    alerts: Callable[[], Sequence[Alert]]
    rules: Callable[[], Sequence[Rule]]
    course: Callable[[Rule, Subject], Series | None]
    last_answers: Callable[[], Mapping[str, LastAnswer]]
    listed: Callable[[], bool]
    services: Callable[[], Mapping[str, ServiceReading]]
    stream: Callable[[], StreamReading]
    probes: Callable[[], Mapping[str, ProbeReport]]
    receivers: Callable[[], Sequence[str]]
    depth: Callable[[str], Depth]
    queued: Callable[[], Sequence[OutboxEntry]]
    loops: Callable[[], Mapping[str, LoopHealth]]
    loop_lag_seconds: Callable[[], float]
    store: Callable[[], StoreReading]
    findings: Callable[[], Sequence[SetupFinding]]
    settings: Callable[[], Loaded]
    timeline: TimelineReader
    history: Callable[[int, str | None], Awaitable[Sequence[Alert]]]
    dead_letters: Callable[[int], Awaitable[Sequence[OutboxEntry]]]
    acts: Acts
    jobs: JobReadings
    backups: BackupReadings
    keeping: KeepingReadings
