"""The disk that carries the state: an ext4 of its own, so that what reaches the device can be counted and looked at.

Its device is a loop device: what is in the backing file is what a real disk would have been given. What a program
wrote and did not sync is in the page cache of the ext4 alone, and not in a copy of the backing file.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests.support.commands import run

SIZE_BYTES = 48 * 2**20
BLOCK = 4096
# As on a host's disk: blocks of 4 KiB, journal and tables written at once and not while it is measured.
MAKE = ("mkfs.ext4", "-q", "-F", "-b", str(BLOCK), "-E", "lazy_itable_init=0,lazy_journal_init=0")
SECTOR = 512
MOST_COPIES = 50


class StateDisk:
    """A mounted folder; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "state"
        self.image = folder / "state.img"
        self._device = ""

    def __enter__(self) -> Self:
        self.folder.mkdir()
        with self.image.open("wb") as file:
            file.truncate(SIZE_BYTES)
        run([*MAKE, self.image])
        run(["mount", "-t", "ext4", "-o", "loop", self.image, self.folder])
        self._device = run(["findmnt", "--noheadings", "--output", "SOURCE", self.folder]).stdout.strip()
        return self

    def __exit__(self, *_: object) -> None:
        run(["umount", self.folder])

    def bytes_written(self) -> int:
        """Return what its device was given to write since it was mounted, the ext4's own journal included."""
        words = Path("/sys/block", Path(self._device).name, "stat").read_text().split()
        return int(words[6]) * SECTOR


def copy_image(image: Path, copy: Path) -> bool:
    """Copy a disk as it is at this instant, holes left out; return whether it held still for that.

    Whoever writes has to stand still; what the kernel was writing for them may still be on its way.
    """
    before = image.read_bytes()
    for _ in range(MOST_COPIES):
        time.sleep(0.002)
        now = image.read_bytes()
        if now == before:
            _write_sparsely(copy, now)
            return True
        before = now
    return False


@contextlib.contextmanager
def mounted_copy(copy: Path) -> Iterator[Path]:
    """Mount the copy of a disk as after a power cut: the ext4 replays its journal."""
    folder = copy.with_suffix(".mounted")
    folder.mkdir()
    run(["mount", "-o", "loop", copy, folder])
    try:
        yield folder
    finally:
        run(["umount", folder])
        folder.rmdir()


def synced_append_seconds(descriptor: int) -> float:
    """Append 4 KiB to a file, sync it, and return how long that took."""
    began = time.perf_counter()
    os.write(descriptor, bytes(BLOCK))
    os.fdatasync(descriptor)
    return time.perf_counter() - began


def _write_sparsely(path: Path, content: bytes) -> None:
    empty = bytes(BLOCK)
    with path.open("wb") as file:
        for start in range(0, len(content), BLOCK):
            block = content[start : start + BLOCK]
            if block != empty:
                file.seek(start)
                file.write(block)
        file.truncate(len(content))
