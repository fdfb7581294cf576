"""Which snapshots there are. The folder is the truth: what is asked is read from it anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from semsupervisor.backup.folders import RUNBOOK_ARCHIVE, Folders
from semsupervisor.backup.manifest import Kind, LeftOut, Manifest
from semsupervisor.backup.verify import read_manifest

RUNBOOK_KIND = "runbook"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot as it is listed. `problem` is why nothing more is known of it, empty if nothing speaks against it.

    `kind` is hot, cold, or runbook for what the runbook's own script wrote; `host` is where it was taken, empty where
    that is not known. `pinned` is why it is kept whatever the policy says, None where the policy decides.
    """

    id: str
    kind: str
    taken_at: datetime | None = None
    took_seconds: float = 0.0
    size_bytes: int = 0
    content_bytes: int = 0
    streams: int = 0
    messages: int = 0
    complete: bool = False
    left_out: tuple[LeftOut, ...] = ()
    suspicions: tuple[str, ...] = ()
    note: str = ""
    downtime_seconds: float = 0.0
    problem: str = ""
    host: str = ""
    pinned: str | None = None


class LastTwo(msgspec.Struct, frozen=True):
    """The newest snapshot, whatever became of it, and the newest complete one, which may be the same."""

    newest: Manifest | None
    complete: Manifest | None


def entries(folders: Folders) -> Sequence[Entry]:
    """Return all snapshots, newest first by name. It blocks. Raises: TargetUnusable."""
    pins = folders.pins()
    return [_pinned(_entry(folders, snapshot_id), pins) for snapshot_id in reversed(folders.ids())]


def find(folders: Folders, snapshot_id: str) -> tuple[Entry, Manifest | None]:
    """Return one snapshot, with its manifest if it has one that can be used. It blocks.

    Raises: NoSnapshot; TargetUnusable.
    """
    found = read_manifest(folders.path(snapshot_id))
    entry = _pinned(_entry(folders, snapshot_id), folders.pins())
    return entry, found if isinstance(found, Manifest) else None


def _pinned(entry: Entry, pins: Mapping[str, str]) -> Entry:
    return msgspec.structs.replace(entry, pinned=pins.get(entry.id))


def last_two(folders: Folders) -> LastTwo:
    """Return the newest hot snapshot, and the newest one that is complete: a cold one names no streams. It blocks.

    Raises: TargetUnusable.
    """
    newest: Manifest | None = None
    for snapshot_id in reversed(folders.ids()):
        found = read_manifest(folders.path(snapshot_id))
        if isinstance(found, Manifest) and found.kind is Kind.HOT:
            newest = newest or found
            if found.is_complete:
                return LastTwo(newest, found)
    return LastTwo(newest, None)


def _entry(folders: Folders, snapshot_id: str) -> Entry:
    folder = folders.path(snapshot_id)
    found = read_manifest(folder)
    if isinstance(found, Manifest):
        return Entry(
            id=snapshot_id,
            kind=found.kind.value,
            taken_at=found.began_at,
            took_seconds=(found.ended_at - found.began_at).total_seconds(),
            size_bytes=found.size_bytes,
            content_bytes=found.content_bytes,
            streams=len(found.streams),
            messages=found.messages,
            complete=found.is_complete,
            left_out=found.left_out,
            suspicions=found.suspicions,
            note=found.note,
            downtime_seconds=found.downtime_seconds,
            host=found.host,
        )
    archive = folder / RUNBOOK_ARCHIVE
    if archive.is_file():
        return Entry(
            id=snapshot_id,
            kind=RUNBOOK_KIND,
            size_bytes=archive.stat().st_size,
            problem="written by the runbook's script: nothing in it was ever verified",
        )
    return Entry(id=snapshot_id, kind="", problem=found)
