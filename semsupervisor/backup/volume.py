"""The files of a stopped store, copied as fast as the disk and the packing allow, since the stack waits for it.

Packing costs more time than copying, so that what is large is copied as it is and packed when the stack runs again;
that takes more room, and writes several times as much on a disk that may wear. All calls block: they are for a thread.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from io import FileIO
from pathlib import Path
from typing import Protocol

import msgspec

from semsupervisor.backup.folders import TargetUnusable, Writer
from semsupervisor.backup.framing import Malformed
from semsupervisor.backup.manifest import FileEntry
from semsupervisor.backup.tarwalk import TarWalk
from semsupervisor.errors import EngineError, PermanentError
from semsupervisor.kit import amounts

PACKED_NAME = "nats-data.tar.gz"
RAW_NAME = "nats-data.tar"
PIECE_BYTES = 4 * 2**20
# A tar takes a little more than what is in it, and what cannot be packed is no smaller packed.
ROOM_RATIO = 1.05
ROOM_BYTES = 64 * 2**20
SAMPLE_BYTES = 8 * 2**20
# The engine gives no more, whatever the disk can take.
ENGINE_BYTES_PER_SECOND = 300e6
WORTH_SECONDS = 2.0
_LEVEL = 1
_GZIP = 31


class Way(StrEnum):
    """How it is copied: packed at once, or as it is and packed later."""

    PACKED = "packed"
    RAW = "raw"


class Rates(msgspec.Struct, frozen=True):
    """Bytes a second that the disk takes, and that are packed."""

    write: float
    pack: float


class Plan(msgspec.Struct, frozen=True):
    """How a store is to be copied, how long that takes, and how much room it may take, the margin included."""

    way: Way
    seconds: float
    needed_bytes: int


def plan(data_bytes: int, free_bytes: int, rates: Rates, target: Path) -> Plan:
    """Return how to copy a store of that size: the shorter way if it is worth its room and there is room.

    Raises: PermanentError when there is no room at all.
    """
    packed_bytes = int(data_bytes * ROOM_RATIO) + ROOM_BYTES
    raw_bytes = packed_bytes + int(data_bytes * ROOM_RATIO)
    if free_bytes < packed_bytes:
        raise PermanentError(
            f"not enough room in {target}: the store may need {amounts.size(packed_bytes)} with a margin of "
            f"{amounts.size(ROOM_BYTES)}, {amounts.size(free_bytes)} are free; make room or set backup.directory"
        )
    raw_seconds = data_bytes / min(rates.write, ENGINE_BYTES_PER_SECOND)
    packed_seconds = max(data_bytes / rates.pack, raw_seconds / 5)
    if free_bytes >= raw_bytes and packed_seconds - raw_seconds >= WORTH_SECONDS:
        return Plan(Way.RAW, raw_seconds, raw_bytes)
    return Plan(Way.PACKED, packed_seconds, packed_bytes)


def measure(folder: Path, now: Callable[[], float]) -> Rates:
    """Return how fast the disk of a folder takes a sample, and how fast that is packed. Raises: TargetUnusable."""
    sample = os.urandom(SAMPLE_BYTES // 2).hex().encode()
    file = folder / "sample"
    with _translated(file):
        began = now()
        with file.open("wb", buffering=0) as opened:
            opened.write(sample)
            os.fsync(opened.fileno())
        written = now()
        zlib.compress(sample, _LEVEL)
        packed = now()
        file.unlink()
    return Rates(SAMPLE_BYTES / max(written - began, 1e-3), SAMPLE_BYTES / max(packed - written, 1e-3))


def size(folder: Path) -> int:
    """Return how many bytes the files below a folder hold. Raises: PermanentError when they cannot all be seen."""

    def fail(error: OSError) -> None:
        if isinstance(error, FileNotFoundError) and error.filename != str(folder):
            return  # the server removes what it has no more use for
        raise PermanentError(f"the size of {folder} cannot be seen: {error}") from error

    found = 0
    for parent, _, files in os.walk(folder, onerror=fail):
        for name in files:
            try:
                found += (Path(parent) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return found


class Giving(Protocol):
    """What gives a tar piece by piece; it can be called back from another thread."""

    def read(self, take: Callable[[memoryview], None]) -> None:
        """Hand all of it to `take`. Raises: EngineError; what `take` raises."""
        ...

    def abort(self) -> None:
        """Let `read` fail soon."""
        ...


class Copied(msgspec.Struct, frozen=True):
    """What was copied: members and the bytes of files in the tar, and its own bytes."""

    members: int
    content_bytes: int
    tar_bytes: int


class VolumeCopy:
    """One copy of a store into a folder, in one of the ways; what it wrote may not be on the disk yet at its end."""

    def __init__(self, giving: Giving, folder: Path, way: Way, progress: Callable[[int], None]) -> None:
        self._giving = giving
        self._file = folder / (PACKED_NAME if way is Way.PACKED else RAW_NAME)
        self._packing = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP) if way is Way.PACKED else None
        self._progress = progress
        self._walk = TarWalk()
        self._tar_bytes = 0

    def run(self) -> Copied:
        """Copy all. Raises: EngineError, ContainerGone; TargetUnusable."""
        with _translated(self._file):
            self._file.unlink(missing_ok=True)
        with _translated(self._file), self._file.open("xb", buffering=0) as opened:
            self._file.chmod(0o600)
            self._giving.read(lambda piece: self._take(opened, piece))
            self._end()
            if self._packing is not None:
                _write(opened, self._packing.flush())
        return Copied(self._walk.members, self._walk.content_bytes, self._tar_bytes)

    def abort(self) -> None:
        """Let `run` fail soon; from any thread, also when it is done."""
        self._giving.abort()

    def _end(self) -> None:
        try:
            self._walk.end()
        except Malformed as error:
            raise EngineError(f"the engine did not give the whole store: {error}") from error

    def _take(self, opened: FileIO, piece: memoryview) -> None:
        self._walk.feed(piece)
        self._tar_bytes += len(piece)
        try:
            _write(opened, piece if self._packing is None else self._packing.compress(piece))
        except OSError as error:
            raise TargetUnusable(f"cannot write {self._file}: {error.strerror or error}") from error
        self._progress(self._tar_bytes)


class Finishing:
    """Packs what was copied as it is, or reads back what was packed, and puts it on the disk, piece by piece."""

    def __init__(self, folder: Path, way: Way) -> None:
        self._raw = folder / RAW_NAME if way is Way.RAW else None
        self._file = folder / PACKED_NAME
        self._packing = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        self._opened: FileIO | None = None
        self._writer: Writer | None = None
        self._hash = hashlib.sha256()
        self._bytes = 0

    def go_on(self) -> int:
        """Do the next piece and return its bytes, 0 at the end. Raises: TargetUnusable."""
        with _translated(self._file):
            opened = self._opened or self._open()
            piece = opened.read(PIECE_BYTES)
        if self._writer is not None:
            self._writer.write(self._packing.compress(piece))
        else:
            self._hash.update(piece)
        self._bytes += len(piece)
        return len(piece)

    def end(self) -> FileEntry:
        """Put it on the disk, and return what the manifest says of it. Raises: TargetUnusable."""
        with _translated(self._file):
            if self._writer is None:
                descriptor = os.open(self._file, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                return FileEntry(self._bytes, self._hash.hexdigest())
            self._writer.write(self._packing.flush())
            entry = self._writer.finish()
            if self._raw is not None:
                self._raw.unlink()
            return entry

    def close(self) -> None:
        """Close all, ended or not."""
        if self._opened is not None:
            self._opened.close()
        if self._writer is not None:
            self._writer.close()

    def _open(self) -> FileIO:
        if self._raw is not None:
            self._file.unlink(missing_ok=True)
            self._writer = Writer(self._file)
            self._writer.open()
        self._opened = (self._raw or self._file).open("rb", buffering=0)
        return self._opened


def _write(opened: FileIO, piece: bytes | memoryview) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[opened.write(rest) :]


@contextmanager
def _translated(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TargetUnusable(f"cannot use {file}: {error.strerror or error}") from error
