"""Whether a snapshot is what its manifest says, by levels of which each sees more and costs more.

Level 0: the manifest can be read, and all files are there with their sizes. Level 1: every byte is read, checksums
agree, and the frames of each stream are walked to their end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from semsupervisor.backup import manifest as manifests
from semsupervisor.backup.folders import PIECE_BYTES, Folders, TargetUnusable, checksum, sizes
from semsupervisor.backup.framing import FrameWalk, Malformed
from semsupervisor.backup.manifest import FileEntry, Manifest, StreamEntry, Unusable, differences

Progress = Callable[[float, float | None, str], None]
HIGHEST_LEVEL = 1


class Verdict(msgspec.Struct, frozen=True):
    """What a look at a snapshot found: up to which level it was looked at, and all that is wrong with it, in words."""

    level: int
    damage: tuple[str, ...]
    bytes_read: int


class Verifier:
    """Looks at snapshots in one folder."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    async def verify(self, snapshot_id: str, level: int, progress: Progress) -> Verdict:
        """Look at a snapshot up to that level. Raises: NoSnapshot; TargetUnusable when its disk fails."""
        folder = await asyncio.to_thread(self._folders.path, snapshot_id)
        found = await asyncio.to_thread(read_manifest, folder)
        if isinstance(found, str):
            return Verdict(0, (found,), 0)
        damage = list(await asyncio.to_thread(_level_0, folder, found))
        if level < 1:
            return Verdict(0, tuple(damage), 0)
        passed = 0
        wrong_sizes = {text.partition(" ")[0] for text in damage}
        for path, entry in sorted(found.files.items()):
            if path not in wrong_sizes:
                damage += await asyncio.to_thread(_level_1, folder, path, entry, found.streams)
                passed += entry.size_bytes
            progress(passed, found.size_bytes, "bytes")
        return Verdict(1, tuple(damage), passed)


def read_manifest(folder: Path) -> Manifest | str:
    """Return a snapshot's manifest, or in words why there is none that can be used."""
    try:
        return manifests.decode((folder / manifests.FILE_NAME).read_bytes())
    except FileNotFoundError:
        return f"{manifests.FILE_NAME} is missing"
    except OSError as error:
        return f"{manifests.FILE_NAME} cannot be read: {error.strerror or error}"
    except Unusable as error:
        return str(error)


def _level_0(folder: Path, manifest: Manifest) -> Sequence[str]:
    wrong_name = [] if manifest.id == folder.name else [f"{manifests.FILE_NAME} is that of {manifest.id}"]
    return [*wrong_name, *differences(manifest, sizes(folder))]


def _level_1(folder: Path, path: str, entry: FileEntry, streams: Sequence[StreamEntry]) -> Sequence[str]:
    """Read one file through and return what is wrong with it."""
    file = folder / path
    try:
        found = checksum(file)
    except TargetUnusable as error:
        return [f"{path} cannot be read: {error}"]
    if found != entry.sha256:
        return [f"{path} has another content than it was written with"]
    return [text for stream in streams if stream.file == path for text in _walked(file, path, stream)]


def _walked(file: Path, path: str, stream: StreamEntry) -> Sequence[str]:
    walk = FrameWalk()
    try:
        with file.open("rb", buffering=0) as opened:
            while piece := opened.read(PIECE_BYTES):
                walk.feed(piece)
        walk.end()
    except Malformed as error:
        return [f"{path} is no whole archive: {error}"]
    except OSError as error:
        return [f"{path} cannot be read: {error.strerror or error}"]
    return [] if walk.blocks == stream.blocks else [f"{path} has {walk.blocks} blocks instead of {stream.blocks}"]
