"""The folder of the snapshots: each is a folder in it that is whole or not there, and all else in it is left alone.

A snapshot grows in a folder whose name begins with a dot, which the runbook's own commands pass over, and gets its
name when it is whole and on the disk. All calls block: they are for a thread.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from semsupervisor.backup.manifest import FILE_NAME, FileEntry
from semsupervisor.errors import PermanentError, TemporaryError
from semsupervisor.kit.failpoints import reach
from semsupervisor.kit.files import sync_folder, write_atomically

PARTIAL_PREFIX = ".partial-"
DOOMED_PREFIX = ".removing-"
PIN_PREFIX = ".pinned-"
LONGEST_PIN_BYTES = 1024
RUNBOOK_ARCHIVE = "nats-data.tar.gz"
PIECE_BYTES = 1024 * 1024

_ID = re.compile(r"\d{8}-\d{6}(?:-\d{1,3})?")
_FOLDER_MODE = 0o700
_FILE_MODE = 0o600


class NoSnapshot(PermanentError):
    """There is no snapshot of that id."""


class TargetUnusable(TemporaryError):
    """The folder of the snapshots cannot be used now: it is not there, read-only or full."""


class Space(msgspec.Struct, frozen=True):
    """Room on the file system of the snapshots, in bytes."""

    free_bytes: int
    size_bytes: int


class Folders:
    """The folder of the snapshots of one host."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def choose(self, at: datetime) -> str:
        """Return an id for a snapshot of that moment that none has yet. Raises: TargetUnusable."""
        first = at.strftime("%Y%m%d-%H%M%S")
        with _translated(f"cannot look into {self.root}"):
            for count in range(1000):
                snapshot_id = first if not count else f"{first}-{count}"
                if not (self.root / snapshot_id).exists() and not self.partial(snapshot_id).exists():
                    return snapshot_id
        raise TargetUnusable(f"{self.root} holds a thousand snapshots of this second; is the clock set?")

    def begin(self, snapshot_id: str) -> None:
        """Make the folder in which a snapshot grows, empty if it was there already. Raises: TargetUnusable."""
        with _translated(f"cannot begin a snapshot in {self.root}"):
            self.root.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            _remove(self.partial(snapshot_id))
            self.partial(snapshot_id).mkdir(mode=_FOLDER_MODE)
            sync_folder(self.root)

    def partial(self, snapshot_id: str) -> Path:
        """Return the folder in which a snapshot grows."""
        return self.root / f"{PARTIAL_PREFIX}{snapshot_id}"

    def path(self, snapshot_id: str) -> Path:
        """Return the folder of a snapshot. Raises: NoSnapshot."""
        if not _ID.fullmatch(snapshot_id):
            raise NoSnapshot(f"{snapshot_id!r} is no snapshot's id, such as 20260301-020000; see `backup list`")
        found = self.root / snapshot_id
        if not found.is_dir() or found.is_symlink():
            raise NoSnapshot(f"there is no snapshot {snapshot_id} in {self.root}; see `semsupervisor backup list`")
        return found

    def publish(self, snapshot_id: str) -> None:
        """Give a snapshot that is whole its name; it is on the disk when this returns. Raises: TargetUnusable."""
        partial, whole = self.partial(snapshot_id), self.root / snapshot_id
        with _translated(f"cannot publish {whole}"):
            if whole.is_dir() and not partial.exists():
                return
            for folder, _, _ in os.walk(partial):
                sync_folder(Path(folder))
            partial.rename(whole)
            sync_folder(self.root)

    def discard(self, snapshot_id: str) -> None:
        """Remove what grew of a snapshot that did not become one. Raises: TargetUnusable."""
        with _translated(f"cannot remove {self.partial(snapshot_id)}"):
            _remove(self.partial(snapshot_id))

    def remove(self, snapshot_id: str) -> None:
        """Remove a snapshot, first its name, then the rest, so that no part of it is ever taken for it.

        Raises: NoSnapshot; TargetUnusable.
        """
        whole = self.path(snapshot_id)
        doomed = self.root / f"{DOOMED_PREFIX}{snapshot_id}"
        with _translated(f"cannot remove {whole}"):
            _remove(doomed)
            whole.rename(doomed)
            sync_folder(self.root)
            reach("snapshot.renamed")
            _remove(doomed)

    def remove_rest(self) -> Sequence[str]:
        """Remove what is left of snapshots whose remover was killed, and return their names. Raises: TargetUnusable."""
        with _translated(f"cannot remove what is left in {self.root}"):
            if not self.root.exists():
                return ()
            doomed = [entry.name for entry in os.scandir(self.root) if _is_doomed(entry)]
            for name in doomed:
                _remove(self.root / name)
            return sorted(doomed)

    def pin(self, snapshot_id: str, why: str) -> None:
        """Let a snapshot be kept whatever the policy says, for a reason in words. Raises: NoSnapshot; TargetUnusable.

        It stands beside the snapshot, whose own folder stays as its manifest says.
        """
        self.path(snapshot_id)
        with _translated(f"cannot pin {snapshot_id} in {self.root}"):
            write_atomically(self.root / f"{PIN_PREFIX}{snapshot_id}", why.encode()[:LONGEST_PIN_BYTES])

    def unpin(self, snapshot_id: str) -> None:
        """Let the policy decide about a snapshot again. Raises: NoSnapshot; TargetUnusable."""
        self.path(snapshot_id)
        with _translated(f"cannot unpin {snapshot_id} in {self.root}"):
            (self.root / f"{PIN_PREFIX}{snapshot_id}").unlink(missing_ok=True)
            sync_folder(self.root)

    def pins(self) -> Mapping[str, str]:
        """Return the ids that are pinned, and why. Raises: TargetUnusable."""
        with _translated(f"cannot read {self.root}"):
            if not self.root.exists():
                return {}
            files = [entry for entry in os.scandir(self.root) if entry.name.startswith(PIN_PREFIX)]
            return {file.name.removeprefix(PIN_PREFIX): _beginning(Path(file.path)) for file in files}

    def ids(self) -> Sequence[str]:
        """Return the ids of all snapshots, oldest first by name: ours and the runbook's. Raises: TargetUnusable."""
        with _translated(f"cannot read {self.root}"):
            if not self.root.exists():
                return ()
            return sorted(
                entry.name for entry in os.scandir(self.root) if _ID.fullmatch(entry.name) and _is_snapshot(entry)
            )

    def space(self) -> Space:
        """Return how much room there is, also before the folder is there. Raises: TargetUnusable."""
        with _translated(f"cannot look at the file system of {self.root}"):
            there = next(folder for folder in (self.root, *self.root.parents) if folder.exists())
            usage = shutil.disk_usage(there)
            return Space(usage.free, usage.total)

    def shares_disk(self, folders: Iterable[str]) -> bool:
        """Tell whether the snapshots are on one file system with any of those folders. Raises: TargetUnusable."""
        with _translated(f"cannot look at the file system of {self.root}"):
            there = next(folder for folder in (self.root, *self.root.parents) if folder.exists())
            own = there.stat().st_dev
            return any(Path(folder).exists() and Path(folder).stat().st_dev == own for folder in folders)


class Writer:
    """Writes one file of a growing snapshot, and knows its size and checksum."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._descriptor = -1
        self.size_bytes = 0

    def open(self) -> None:
        """Make the file. Raises: TargetUnusable, also when it is there already."""
        with _translated(f"cannot write {self._file}"):
            self._file.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._descriptor = os.open(self._file, flags, _FILE_MODE)

    def write(self, piece: bytes) -> None:
        """Append. Raises: TargetUnusable when the disk is full or failing."""
        with _translated(f"cannot write {self._file}"):
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        self._hash.update(piece)
        self.size_bytes += len(piece)

    def finish(self) -> FileEntry:
        """Put it on the disk, close it, and return what the manifest says of it. Raises: TargetUnusable."""
        try:
            with _translated(f"cannot write {self._file}"):
                os.fsync(self._descriptor)
        finally:
            self.close()
        return FileEntry(self.size_bytes, self._hash.hexdigest())

    def close(self) -> None:
        """Close it, finished or not."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def sizes(folder: Path) -> Mapping[str, int]:
    """Return the sizes of all files of a snapshot but its manifest, by their paths below it.

    What is no plain file has the size -1: nothing of ours is. Raises: TargetUnusable.
    """
    found = {}
    with _translated(f"cannot read {folder}"):
        for file in _files(folder):
            name = file.relative_to(folder).as_posix()
            if name != FILE_NAME:
                found[name] = file.stat().st_size if file.is_file() and not file.is_symlink() else -1
    return found


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        yield from (Path(parent) / name for name in (*files, *links))


def _is_snapshot(entry: os.DirEntry[str]) -> bool:
    if not entry.is_dir(follow_symlinks=False):
        return False
    folder = Path(entry.path)
    return (folder / FILE_NAME).is_file() or (folder / RUNBOOK_ARCHIVE).is_file()


def _is_doomed(entry: os.DirEntry[str]) -> bool:
    is_ours = entry.name.startswith(DOOMED_PREFIX) and _ID.fullmatch(entry.name.removeprefix(DOOMED_PREFIX))
    return bool(is_ours) and entry.is_dir(follow_symlinks=False)


def _beginning(file: Path) -> str:
    with file.open("rb") as opened:
        return opened.read(LONGEST_PIN_BYTES).decode(errors="replace").strip()


def _remove(folder: Path) -> None:
    if folder.is_symlink():
        raise OSError(0, "it is a link")
    if folder.exists():
        shutil.rmtree(folder)
        sync_folder(folder.parent)


@contextmanager
def _translated(tried: str) -> Iterator[None]:
    """Turn an error of the disk into one that says what was tried."""
    try:
        yield
    except OSError as error:
        raise TargetUnusable(f"{tried}: {error.strerror or error}") from error
