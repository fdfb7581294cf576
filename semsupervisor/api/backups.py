"""Snapshots as the API shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from semsupervisor.api import jobs
from semsupervisor.api.answers import Answer, Moment
from semsupervisor.api.job_answers import ScheduleAnswer
from semsupervisor.api.readings import Readings, SnapshotReading
from semsupervisor.backup.manifest import Manifest, StreamEntry


class LeftOutAnswer(Answer, frozen=True, kw_only=True):
    """What is not in a snapshot, and why; `fault` says that it should be."""

    what: str
    why: str
    fault: bool


class SnapshotAnswer(Answer, frozen=True, kw_only=True):
    """One snapshot. `messages` are those that its streams hold at least.

    `downtime_seconds` is how long the stack did not work for it; of a cold one no streams are named.
    It is `good` when it is complete and every byte was read, at level 1 or above, without finding damage. `suspicions`
    are what may be damage of the source, beside the snapshot before.

    `kind` is hot, cold, or runbook for one that the runbook's script wrote. `problem` is why nothing more is known.
    `pinned` is why it is kept whatever the settings say, null where they decide.
    `verified_level` and `verified_at` tell of the last look at it, null before the first, and `damage` what it found.
    """

    id: str
    kind: str
    taken_at: Moment | None
    size_bytes: int
    streams: int
    messages: int
    complete: bool
    good: bool
    left_out: tuple[LeftOutAnswer, ...]
    suspicions: tuple[str, ...]
    note: str
    downtime_seconds: float
    pinned: str | None
    problem: str
    verified_level: int | None
    verified_at: Moment | None
    damage: tuple[str, ...]


class SnapshotsAnswer(Answer, frozen=True, kw_only=True):
    """All snapshots in the folder, newest first, and the schedules that take them and look at them."""

    now: Moment
    directory: str
    schedules: tuple[ScheduleAnswer, ...]
    snapshots: tuple[SnapshotAnswer, ...]


class PlanAnswer(Answer, frozen=True, kw_only=True):
    """What a backup of that kind would do now, step by step."""

    kind: str
    steps: tuple[str, ...]


class StreamInAnswer(Answer, frozen=True, kw_only=True):
    """One stream in a snapshot: what it held when its copy began; more may be in it."""

    account: str
    name: str
    messages: int
    size_bytes: int
    first_sequence: int
    last_sequence: int
    consumers: int


class FileInAnswer(Answer, frozen=True, kw_only=True):
    """One file of a snapshot."""

    path: str
    size_bytes: int
    sha256: str


class ContentAnswer(Answer, frozen=True, kw_only=True):
    """What the manifest of a snapshot says."""

    host: str
    supervisor: str
    nats_version: str
    began_at: Moment
    ended_at: Moment
    streams: tuple[StreamInAnswer, ...]
    files: tuple[FileInAnswer, ...]
    images: Mapping[str, str]


class OneSnapshotAnswer(Answer, frozen=True, kw_only=True):
    """One snapshot; `content` is null where its manifest is not there or cannot be used."""

    now: Moment
    directory: str
    snapshot: SnapshotAnswer
    content: ContentAnswer | None


def snapshots(readings: Readings, found: Iterable[SnapshotReading]) -> SnapshotsAnswer:
    """Return snapshots as an answer."""
    shown = tuple(_snapshot(one) for one in found)
    return SnapshotsAnswer(
        now=readings.clock.now(), directory=_directory(readings), schedules=jobs.schedules(readings), snapshots=shown
    )


def one(readings: Readings, found: SnapshotReading) -> OneSnapshotAnswer:
    """Return one snapshot as an answer."""
    return OneSnapshotAnswer(
        now=readings.clock.now(),
        directory=_directory(readings),
        snapshot=_snapshot(found),
        content=_content(found.manifest) if found.manifest else None,
    )


def _directory(readings: Readings) -> str:
    return readings.settings().settings.backup.directory


def _snapshot(found: SnapshotReading) -> SnapshotAnswer:
    entry, look = found.entry, found.look
    return SnapshotAnswer(
        id=entry.id,
        kind=entry.kind,
        taken_at=entry.taken_at,
        size_bytes=entry.size_bytes,
        streams=entry.streams,
        messages=entry.messages,
        complete=entry.complete,
        good=found.good,
        left_out=tuple(LeftOutAnswer(what=left.what, why=left.why, fault=left.is_fault) for left in entry.left_out),
        suspicions=entry.suspicions,
        note=entry.note,
        downtime_seconds=entry.downtime_seconds,
        pinned=entry.pinned,
        problem=entry.problem,
        verified_level=look.level if look else None,
        verified_at=look.at if look else None,
        damage=look.damage if look else (),
    )


def _content(manifest: Manifest) -> ContentAnswer:
    return ContentAnswer(
        host=manifest.host,
        supervisor=manifest.supervisor,
        nats_version=manifest.nats_version,
        began_at=manifest.began_at,
        ended_at=manifest.ended_at,
        streams=tuple(_stream(stream) for stream in manifest.streams),
        files=tuple(
            FileInAnswer(path=path, size_bytes=file.size_bytes, sha256=file.sha256)
            for path, file in sorted(manifest.files.items())
        ),
        images=manifest.images,
    )


def _stream(stream: StreamEntry) -> StreamInAnswer:
    def count(name: str) -> int:
        value = stream.state.get(name)
        return value if isinstance(value, int) else 0

    return StreamInAnswer(
        account=stream.account,
        name=stream.name,
        messages=count("messages"),
        size_bytes=count("bytes"),
        first_sequence=count("first_seq"),
        last_sequence=count("last_seq"),
        consumers=count("consumer_count"),
    )
