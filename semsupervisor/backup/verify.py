"""Whether a snapshot is what its manifest says, by levels of which each sees more and costs more.

Level 0: the manifest can be read, and all files are there with their sizes. Level 1: every byte is read, checksums
agree, and the frames of each stream are walked to their end, where the tar in them must end too, without a word of the
server that it could not read all. The archive of a whole store is unpacked and walked likewise. Level 2: the messages
in the archives of streams follow each other to the end of each block, and are as many as the manifest says. Level 3
takes a server: see `proving`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from io import FileIO
from pathlib import Path

import msgspec

from semsupervisor.backup import deep
from semsupervisor.backup import manifest as manifests
from semsupervisor.backup.archive import ArchiveWalk
from semsupervisor.backup.comparing import Content
from semsupervisor.backup.disk import Disk
from semsupervisor.backup.folders import PIECE_BYTES, sizes
from semsupervisor.backup.framing import Malformed
from semsupervisor.backup.manifest import ArchiveEntry, FileEntry, Manifest, StreamEntry, Unusable, differences
from semsupervisor.backup.tarwalk import PackedWalk

Progress = Callable[[float, float | None, str], None]
HIGHEST_LEVEL = 2


class Verdict(msgspec.Struct, frozen=True):
    """What a look at a snapshot found: up to which level it was looked at, and all that is wrong with it, in words.

    `streams` are what they hold, by name, if a server has counted it.
    """

    level: int
    damage: tuple[str, ...]
    bytes_read: int
    streams: Mapping[str, Content] = {}


class Verifier:
    """Looks at snapshots in one folder."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    async def verify(self, snapshot_id: str, level: int, progress: Progress) -> Verdict:
        """Look at a snapshot up to that level. Raises: NoSnapshot; TargetUnusable when its disk fails or hangs."""
        folder = await self._disk.do(partial(self._disk.folders.path, snapshot_id))
        found = await self._disk.do(partial(read_manifest, folder))
        if isinstance(found, str):
            return Verdict(0, (found,), 0)
        damage = list(await self._disk.do(partial(_level_0, folder, found)))
        if level < 1:
            return Verdict(0, tuple(damage), 0)
        passed = 0
        wrong_sizes = {text.partition(" ")[0] for text in damage}
        for path, entry in sorted(found.files.items()):
            if path in wrong_sizes:
                continue
            archive = found.archive if found.archive and found.archive.file == path else None
            reading = _Reading(folder / path, path, archive)
            try:
                while piece_bytes := await self._disk.do(reading.read_on):
                    passed += piece_bytes
                    progress(passed, found.size_bytes, "bytes")
            finally:
                self._disk.leave(reading.close)
            damage += reading.damage(entry, [stream for stream in found.streams if stream.file == path])
        if level < 2:
            return Verdict(1, tuple(damage), passed)
        return Verdict(2, (*damage, *await _level_2(folder, found, damage, progress)), passed)


def read_manifest(folder: Path) -> Manifest | str:
    """Return a snapshot's manifest, or in words why there is none that can be used."""
    file = folder / manifests.FILE_NAME
    try:
        if file.is_symlink():
            return f"{manifests.FILE_NAME} is a link"
        return manifests.decode(file.read_bytes())
    except FileNotFoundError:
        return f"{manifests.FILE_NAME} is missing"
    except OSError as error:
        return f"{manifests.FILE_NAME} cannot be read: {error.strerror or error}"
    except Unusable as error:
        return str(error)


def _level_0(folder: Path, manifest: Manifest) -> Sequence[str]:
    wrong_name = [] if manifest.id == folder.name else [f"{manifests.FILE_NAME} is that of {manifest.id}"]
    return [*wrong_name, *differences(manifest, sizes(folder))]


async def _level_2(folder: Path, manifest: Manifest, known: Sequence[str], progress: Progress) -> Sequence[str]:
    """Return what is wrong with the messages of the streams whose archives are not known to be damaged already."""
    found, passed, total_bytes = [], 0, sum(stream.unpacked_bytes for stream in manifest.streams)
    for stream in manifest.streams:
        if not any(text.startswith(stream.file) for text in known) and (text := await deep.damage(folder, stream)):
            found.append(f"{stream.file}: {text}")
        passed += stream.unpacked_bytes
        progress(passed, total_bytes, "bytes")
    return found


class _Reading:
    """One file of a snapshot, read through piece by piece."""

    def __init__(self, file: Path, path: str, archive: ArchiveEntry | None = None) -> None:
        """`archive` is what is to be in it if it holds a whole store."""
        self._file = file
        self._path = path
        self._archive = archive
        self._opened: FileIO | None = None
        self._hash = hashlib.sha256()
        self._walk = ArchiveWalk()
        self._packed = PackedWalk()
        self._malformed = ""
        self._unreadable = ""

    def read_on(self) -> int:
        """Read the next piece and return its size, 0 at the end or where it cannot be read."""
        try:
            if self._opened is None:
                self._opened = self._file.open("rb", buffering=0)
            piece = self._opened.read(PIECE_BYTES)
        except OSError as error:
            self._unreadable = error.strerror or str(error)
            return 0
        self._hash.update(piece)
        walk = self._packed if self._archive else self._walk
        self._try_frames(partial(walk.feed, piece) if piece else walk.end)
        return len(piece)

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()

    def damage(self, entry: FileEntry, streams: Sequence[StreamEntry]) -> Sequence[str]:
        """Return what is wrong with it; `streams` are those whose archive it is."""
        if self._unreadable:
            return [f"{self._path} cannot be read: {self._unreadable}"]
        if self._hash.hexdigest() != entry.sha256:
            return [f"{self._path} has another content than it was written with"]
        if (streams or self._archive) and self._malformed:
            return [f"{self._path} is no whole archive: {self._malformed}"]
        tar = self._packed.tar
        if self._archive and (tar.members, tar.content_bytes) != (self._archive.members, self._archive.content_bytes):
            return [f"{self._path} holds {tar.members} members instead of {self._archive.members}, or other sizes"]
        return [text for stream in streams for text in self._otherwise(stream)]

    def _otherwise(self, stream: StreamEntry) -> Sequence[str]:
        if self._walk.blocks != stream.blocks:
            return [f"{self._path} has {self._walk.blocks} blocks instead of {stream.blocks}"]
        if stream.unpacked_bytes and self._walk.unpacked_bytes != stream.unpacked_bytes:
            unpacked = f"{self._walk.unpacked_bytes} bytes unpacked"
            return [f"{self._path} has {unpacked} instead of {stream.unpacked_bytes}"]
        return []

    def _try_frames(self, step: Callable[[], None]) -> None:
        """Walk on while it still is what an archive would be."""
        if self._malformed:
            return
        try:
            step()
        except Malformed as error:
            self._malformed = str(error)
