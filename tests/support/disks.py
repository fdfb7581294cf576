"""Real file systems that fill up or turn read-only, each a small ext4 image mounted for one test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.commands import run
from tests.support.waiting import eventually_sync

SIZE_BYTES = 8 * 2**20


class SmallDisk:
    """A mounted file system of a few MiB; `mount` says whether that can be done here."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.folder = folder
        self._image = image
        self._filling = folder / "filling"

    def mount(self) -> bool:
        """Mount it as hosts do, so that an error makes it read-only; return whether it is mounted."""
        options = "loop,errors=remount-ro"
        return run(["mount", "-o", options, self._image, self.folder], check=False).returncode == 0

    def unmount(self) -> None:
        """Take it away; no file on it may be open.

        A container that starts meanwhile holds all mounts of the host for a moment: mounted again before it has let go,
        the file system would be as it was, however broken.
        """
        run(["umount", self.folder])
        eventually_sync(lambda: not run(["losetup", "--associated", self._image]).stdout.strip())

    def fail(self) -> None:
        """Let the kernel find an error on it, as a dying flash card does: it turns read-only under open files."""
        device = run(["findmnt", "--noheadings", "--output", "SOURCE", self.folder]).stdout.strip()
        Path("/sys/fs/ext4", Path(device).name, "trigger_fs_error").write_text("1")

    def repair(self) -> None:
        """Check it and mount it again, as the next boot does."""
        self.unmount()
        run(["fsck.ext4", "-y", "-f", self._image], check=False)
        assert self.mount()

    def fill(self) -> None:
        """Write until no byte more goes in."""
        with self._filling.open("ab", buffering=0) as file:
            for size in (2**16, 2**12, 2**9, 1):
                self._append(file.fileno(), size)

    def free(self) -> None:
        """Give back what was filled."""
        self._filling.unlink()

    def remount(self, mode: str) -> None:
        """Make it `ro` or `rw`."""
        run(["mount", "-o", f"remount,{mode}", self.folder])

    @staticmethod
    def _append(descriptor: int, size: int) -> None:
        while True:
            try:
                os.write(descriptor, b"x" * size)
                os.fsync(descriptor)
            except OSError:
                return


@contextmanager
def mounted(size_bytes: int = SIZE_BYTES, *make: str) -> Iterator[SmallDisk]:
    """Yield an empty ext4 file system of that size; `make` are more options for mkfs.ext4.

    It is mounted outside of pytest's folders, which are removed with all that is in them, and goes away even if a
    test that failed has left a file open on it.
    """
    if os.geteuid() != 0:
        pytest.skip("mounting a disk needs root")
    with tempfile.TemporaryDirectory(prefix="semsupervisor-disk-") as place:
        image, folder = Path(place, "disk.img"), Path(place, "disk")
        folder.mkdir()
        with image.open("wb") as file:
            file.truncate(size_bytes)
        run(["mkfs.ext4", "-q", "-m", "0", *make, "-F", image])
        disk = SmallDisk(image, folder)
        if not disk.mount():
            pytest.skip("no loop device can be mounted here")
        try:
            yield disk
        finally:
            run(["umount", "--lazy", folder])


@pytest.fixture
def small_disk() -> Iterator[SmallDisk]:
    """Return an empty ext4 file system of 8 MiB."""
    with mounted() as disk:
        yield disk
