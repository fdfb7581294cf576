"""A snapshot's folder, small and whole."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from semsupervisor.backup import manifest as manifests
from semsupervisor.backup.manifest import FileEntry, Kind, Manifest, StreamEntry
from tests.support.archives import archive, unpacked

AT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
ID = "20260301-020000"
ARCHIVE = archive({"meta.inf": b"{}", "msgs/1.blk": b"data"})
UNPACKED_BYTES = len(unpacked(ARCHIVE))
STREAM = "streams/EV/stream.tar.s2"


def entry(content: bytes) -> FileEntry:
    """Return what a manifest says of that content."""
    return FileEntry(len(content), hashlib.sha256(content).hexdigest())


MANIFEST = Manifest(
    version=1,
    id=ID,
    kind=Kind.HOT,
    host="edge7",
    supervisor="0.1.0",
    began_at=AT,
    ended_at=AT,
    files={".env": entry(b"A=1"), STREAM: entry(ARCHIVE)},
    streams=(
        StreamEntry(account="$G", name="EV", file=STREAM, config={}, state={}, blocks=1, unpacked_bytes=UNPACKED_BYTES),
    ),
)


def taken(root: Path, at: datetime, **changed: Any) -> str:
    """Make one of that moment below a folder, some values of its manifest exchanged, and return its id."""
    snapshot_id = at.strftime("%Y%m%d-%H%M%S")
    whole(root).rename(root / snapshot_id)
    manifest = msgspec.structs.replace(MANIFEST, id=snapshot_id, began_at=at, ended_at=at, **changed)
    (root / snapshot_id / manifests.FILE_NAME).write_bytes(manifests.encode(manifest))
    return snapshot_id


def whole(root: Path) -> Path:
    """Make it below a folder and return it."""
    snapshot = root / ID
    (snapshot / "streams" / "EV").mkdir(parents=True)
    (snapshot / ".env").write_bytes(b"A=1")
    (snapshot / STREAM).write_bytes(ARCHIVE)
    (snapshot / manifests.FILE_NAME).write_bytes(manifests.encode(MANIFEST))
    return snapshot
