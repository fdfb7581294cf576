"""A disk that loses its power keeps what was synced, loses what was not, and comes back with a whole file system."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.blocks import SECTOR_BYTES, Capture
from tests.faults.disk import NoDisk, StateDisk, survivor

DICE = random.Random(1)
APPEND = 'cd "$0" && while :; do echo line >>file; sync file; echo said; done'


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[StateDisk]:
    """Return a mounted disk."""
    if os.geteuid() != 0:
        pytest.skip("mounting a disk needs root")
    disk = StateDisk(tmp_path)
    try:
        disk.open()
    except NoDisk as error:
        pytest.skip(str(error))
    yield disk
    disk.close()


def test_what_was_synced_survives_and_what_was_not_is_lost(disk: StateDisk) -> None:
    """The page cache of the file system never reached the disk."""
    (disk.folder / "synced").write_text("kept")
    subprocess.run(["sync", disk.folder / "synced"], check=True)
    (disk.folder / "unsynced").write_text("lost")
    disk.come_back(survivor(disk.blocks.capture(), 1.0, DICE))
    assert (disk.folder / "synced").read_text() == "kept"
    assert not (disk.folder / "unsynced").exists()


@pytest.mark.parametrize("operation", [1, 2, 3, 5, 8, 13])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_no_acknowledged_sync_is_lost_wherever_the_power_goes(disk: StateDisk, operation: int, share: float) -> None:
    """Cut off at any write or flush, in the middle of a sync, all that was synced before is there."""
    disk.blocks.stand_still_after(operation)
    with subprocess.Popen(["sh", "-c", APPEND, disk.folder], stdout=subprocess.PIPE, text=True) as writer:
        assert disk.blocks.still.wait(10)
        capture = disk.blocks.capture()
        writer.kill()
        disk.blocks.die()
        said = writer.communicate(timeout=10)[0].count("said")
    disk.come_back(survivor(capture, share, DICE))
    file = disk.folder / "file"
    lines = file.read_text().splitlines() if file.exists() else []
    assert said <= lines.count("line") <= said + 1


def test_each_sector_in_the_cache_survives_or_not_by_itself() -> None:
    """Of what was written since the last flush all, none or any part is left; later writes lie over earlier ones."""
    old, new = bytes(2 * SECTOR_BYTES), b"n" * SECTOR_BYTES
    capture = Capture(old, ((0, new), (SECTOR_BYTES, b"o" * SECTOR_BYTES), (SECTOR_BYTES, new)))
    assert capture.sectors_in_cache == 3
    assert survivor(capture, 0.0, DICE) == old
    assert survivor(capture, 1.0, DICE) == new + new
    parts = {survivor(capture, 0.5, DICE)[::SECTOR_BYTES] for _ in range(100)}
    assert parts == {b"\0\0", b"\0o", b"\0n", b"n\0", b"no", b"nn"}
