"""Files that are whole or not there: written beside, flushed to the disk, then renamed over."""

from __future__ import annotations

import os
from pathlib import Path

UNFINISHED_SUFFIX = ".unfinished"
FOR_ITS_USER = 0o600
ANEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file's content so that a power cut leaves the old one or the new one, and the return means: on disk.

    It is for the only one who writes that file: what a killed writer left beside it is written over. Nobody but its
    user may read it. It blocks: call it in a thread. Raises: OSError, with the file as it was and nothing left behind.
    """
    unfinished = path.with_name(f".{path.name}{UNFINISHED_SUFFIX}")
    try:
        _write(unfinished, content)
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


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, ANEW, FOR_ITS_USER)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
