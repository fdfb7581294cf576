"""Files that are whole or not there: written beside, flushed to the disk, then renamed over."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec

UNFINISHED_SUFFIX = ".unfinished"
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Owner(msgspec.Struct, frozen=True):
    """Numeric user and group of a file."""

    uid: int
    gid: int


def write_atomically(path: Path, content: bytes, *, mode: int = 0o600, owner: Owner | None = None) -> None:
    """Replace a file's content so that a power cut leaves the old one or the new one, and the return means: on disk.

    The file gets exactly `mode`, whatever the umask, and `owner` before it has its name. It blocks: call it in a
    thread. Raises: OSError, with the file as it was and nothing left behind.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}{UNFINISHED_SUFFIX}")
    try:
        _write_new(unfinished, content, mode, owner)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut; it blocks. Raises: OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_unfinished(folder: Path) -> tuple[Path, ...]:
    """Remove what writers that were killed left in a folder and return it; only for the folder's sole writer.

    It blocks. Raises: OSError.
    """
    left = tuple(sorted(folder.glob(f".*{UNFINISHED_SUFFIX}")))
    for path in left:
        path.unlink(missing_ok=True)
    return left


def _write_new(path: Path, content: bytes, mode: int, owner: Owner | None) -> None:
    descriptor = os.open(path, NEW_FILE, 0o600)
    try:
        if owner is not None:
            os.fchown(descriptor, owner.uid, owner.gid)
        os.fchmod(descriptor, mode)
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
