"""A disk that loses its power: the state's folder on an ext4 image, of which only what a disk would hold is kept.

The image is loop-mounted; its backing file is served by the campaign itself (blocks.py), which therefore sees every
write and every flush of the device. So it is known exactly, at any instant:

- What a program wrote and did not sync is in the page cache of the ext4 only. It never reached the image, and is lost.
- What the ext4 has *written* to its device since the device was last flushed is in the cache of the disk. When the
  power goes, each sector of it survives or not, as the dice say: all of them, none, or any part in any order, as in
  the cache of a real disk.
- What was written before the last flush (each fsync makes one, and each commit of the journal of ext4) is *synced*:
  it is there for good.

The power goes when the daemon stands still at some instant (SIGSTOP), when it has just died at a failpoint, or at the
n-th write or flush from some moment on: in the middle of a commit, then, with the daemon still waiting for its fsync.
What was on its way at that instant counts as written. The state's folder is then mounted anew from what survived, the
journal of ext4 is replayed, and life goes on from there.

What this does not show: sectors of 512 bytes that are torn, a disk that lies about flushes, or one that breaks.
"""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

from tests.faults.blocks import Blocks, Capture, NoBlocks
from tests.support.commands import run

SIZE_BYTES = 24 * 2**20
MAKE = ("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0")


class NoDisk(Exception):
    """No such disk can be made here; the text says why."""


def survivor(capture: Capture, share: float, dice: random.Random) -> bytes:
    """Return what is left on the disk if each sector in its cache survives with that probability."""
    left = bytearray(capture.synced)
    for offset, content in capture.sectors():
        if dice.random() < share:
            left[offset : offset + len(content)] = content
    return bytes(left)


class StateDisk:
    """The mounted folder; `close` takes everything away again, whatever state it is in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "state"
        self._point = folder / "disk.img"
        self._undo = contextlib.ExitStack()
        self._blocks: Blocks | None = None

    @property
    def blocks(self) -> Blocks:
        """Return the image as it is served now."""
        assert self._blocks is not None
        return self._blocks

    def open(self) -> None:
        """Make the file system and mount it. Raises: NoDisk."""
        self.folder.mkdir()
        self._point.write_bytes(bytes(SIZE_BYTES))
        run([*MAKE, self._point])
        content = self._point.read_bytes()
        self._point.write_bytes(b"")
        try:
            self._mount(content)
        except (NoBlocks, AssertionError) as error:
            self.close()
            raise NoDisk(f"no image can be mounted here: {error}") from error

    def close(self) -> None:
        """Unmount all of it; the loop device goes with the mount."""
        if self._blocks is not None:
            self._blocks.die()
        self._undo.close()
        self._blocks = None

    def come_back(self, content: bytes) -> None:
        """Mount the folder anew from what survived; no file in it may be open."""
        self.close()
        self._mount(content)

    def _mount(self, content: bytes) -> None:
        blocks = Blocks(content, self._point)
        blocks.mount()
        self._blocks = blocks
        self._undo.callback(blocks.unmount)
        run(["mount", "-t", "ext4", "-o", "loop,noatime", self._point, self.folder])
        self._undo.callback(run, ["umount", self.folder])
