"""What a scratch server's files are made of: the store in a snapshot's archive, checked and packed anew. All blocks.

Only the streams are taken, wherever in the volume the store is, and nothing but plain files and folders of them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from semsupervisor.backup.folders import PIECE_BYTES, TargetUnusable
from semsupervisor.errors import PermanentError

STORE = "jetstream"
STREAMS = "streams"
INDEX_NAMES = ("index.db",)
INDEX_SUFFIXES = (".idx", ".fss")
_KEY_NAME = "meta.key"
_RECORD_BYTES = 512
_FILE_MODE, _FOLDER_MODE = 0o600, 0o700


class NotPossible(PermanentError):
    """A scratch server cannot be had for this now: nothing is known of the snapshot by that; the text says why."""


class NoStore(PermanentError):
    """The archive is not what was packed; the text says why."""


def is_index(path: str) -> bool:
    """Tell whether a file of the store only says what others hold, so that a server does without it."""
    name = PurePosixPath(path).name
    return name in INDEX_NAMES or name.endswith(INDEX_SUFFIXES)


class Unpacking:
    """The store in an archive of a whole volume, as a tar for a container.

    `streams`, by account and name, are those that have files; they are known at its end.
    """

    def __init__(self, archive: Path, folder: str, content_bytes: int, progress: Callable[[int], None]) -> None:
        """`folder` is where it goes, `content_bytes` what its files hold at most."""
        self.streams: set[tuple[str, str]] = set()
        self._accounts: set[str] = set()
        self._root: tuple[str, ...] | None = None
        self._archive = archive
        self._folder = folder
        self._left_bytes = content_bytes
        self._passed_bytes = 0
        self._progress = progress

    def pieces(self) -> Iterator[bytes]:
        """Give the tar piece by piece. Raises: NoStore; NotPossible; TargetUnusable."""
        tarfile = _tarfile()
        try:
            with tarfile.open(self._archive, "r|gz") as tar:
                while member := tar.next():
                    tar.members.clear()
                    yield from self._member(tar, member)
        except (tarfile.TarError, EOFError) as error:
            raise NoStore(f"{self._archive.name} cannot be unpacked: {error}") from error
        except OSError as error:
            raise TargetUnusable(f"cannot read {self._archive}: {error.strerror or error}") from error
        if not self.streams:
            raise NotPossible(f"{self._archive.name} holds no store with streams in it")
        yield bytes(2 * _RECORD_BYTES)

    def _member(self, tar: Any, member: Any) -> Iterator[bytes]:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts:
            raise NoStore(f"{self._archive.name} holds {member.name!r}, which no store does")
        at = _below_store(path.parts)
        if at is None:
            return
        if not (member.isfile() or member.isdir()):
            raise NotPossible(f"{self._archive.name} holds {member.name!r}, which is neither a file nor a folder")
        if path.name == _KEY_NAME:
            raise NotPossible("the store is encrypted, and its key is not in the snapshot")
        below = path.parts[at:]
        yield from self._folders(path.parts[:at], below[0])
        self._left_bytes -= member.size
        if self._left_bytes < 0:
            raise NoStore(f"{self._archive.name} holds more than its manifest says")
        name = "/".join((self._folder, STORE, *below))
        yield header(name, member.size) if member.isfile() else header(name)
        if member.isfile() and (content := tar.extractfile(member)) is not None:
            self.streams.add((below[0], below[2]))
            yield from self._content(content)
            yield bytes(-member.size % _RECORD_BYTES)

    def _folders(self, root: tuple[str, ...], account: str) -> Iterator[bytes]:
        """Make what an account's streams are in, once."""
        if self._root not in (None, root):
            raise NotPossible(
                f"{self._archive.name} holds two stores, {'/'.join(self._root or ())} and {'/'.join(root)}"
            )
        self._root = root
        if account not in self._accounts:
            self._accounts.add(account)
            for parts in ((), (account,), (account, STREAMS)):
                yield header("/".join((self._folder, STORE, *parts)))

    def _content(self, content: Any) -> Iterator[bytes]:
        while piece := content.read(PIECE_BYTES):
            self._passed_bytes += len(piece)
            self._progress(self._passed_bytes)
            yield piece


def _below_store(parts: tuple[str, ...]) -> int | None:
    """Return where in a path an account's name stands, if it is of a stream: below `jetstream`, as the server has it.

    What begins with a dot was deleted, and is on its way out.
    """
    for at in range(1, len(parts) - 2):
        if (parts[at - 1], parts[at + 1]) == (STORE, STREAMS):
            return None if parts[at + 2].startswith(".") else at
    return None


def header(path: str, size: int | None = None) -> bytes:
    """Return what comes before a file's content in a tar; of a folder without a size."""
    tarfile = _tarfile()
    info = tarfile.TarInfo(path)
    info.type = tarfile.DIRTYPE if size is None else tarfile.REGTYPE
    info.mode = _FOLDER_MODE if size is None else _FILE_MODE
    info.size = size or 0
    head: bytes = info.tobuf(tarfile.PAX_FORMAT)
    return head


def small(files: Mapping[str, bytes]) -> Iterable[bytes]:
    """Give a tar of small files by their paths."""
    for path, content in files.items():
        yield header(path, len(content)) + content + bytes(-len(content) % _RECORD_BYTES)
    yield bytes(2 * _RECORD_BYTES)


def _tarfile() -> Any:
    """Return the library's module, which is not wanted in the memory before there is something to do."""
    return importlib.import_module("tarfile")
