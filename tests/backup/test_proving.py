"""When a snapshot is not given to a server at all; what a server finds is seen in tests/integration."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from semsupervisor.backup.disk import Disk
from semsupervisor.backup.folders import Folders, TargetUnusable
from semsupervisor.backup.proving import Proving, Reading, Room, kept_for_good
from semsupervisor.backup.unpacking import NotPossible
from semsupervisor.errors import EngineError
from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.systems.host_figures import Memory
from tests.support.scratch_means import without_engine
from tests.support.snapshot_folder import ID, whole

PLENTY = Room(2**40, 2**40)
MUCH = Memory(2**40, 2**40)


def proving(folder: Path, room: Room = PLENTY, memory: Memory = MUCH) -> Proving:
    """Return what would try it out where no engine answers."""

    async def of_disk() -> Room:
        return room

    means, disk = without_engine(folder, of_disk, lambda: memory), Disk(Folders(folder), BlockingCalls())
    return Proving(means, disk, ID, lambda *_: None)


async def test_without_room_it_is_not_tried(tmp_path: Path) -> None:
    """What would be needed is said, with the margin: a tenth of the disk at least."""
    await asyncio.to_thread(whole, tmp_path)
    with pytest.raises(NotPossible, match=r"may need 256 MiB with a margin of 256 MiB, 100 MiB are free"):
        await proving(tmp_path, Room(100 * 2**20, 2**30)).prove("j1")
    with pytest.raises(NotPossible, match=r"may need 10 GiB with a margin of 10 GiB, 9.0 GiB are free"):
        await proving(tmp_path, Room(9 * 2**30, 100 * 2**30)).prove("j1")


async def test_without_memory_it_is_not_tried(tmp_path: Path) -> None:
    """What it may take, and a tenth of the host's, is to be had without any swapping."""
    await asyncio.to_thread(whole, tmp_path)
    with pytest.raises(NotPossible, match=r"1.3 GiB should be available, 1.0 GiB are"):
        await proving(tmp_path, memory=Memory(8 * 2**30, 2**30)).prove("j1")


async def test_without_a_manifest_it_is_not_tried(tmp_path: Path) -> None:
    """There is nothing to compare with."""
    await asyncio.to_thread(lambda: (whole(tmp_path) / "manifest.json").write_bytes(b"{}"))
    with pytest.raises(NotPossible):
        await proving(tmp_path).prove("j1")


async def test_without_an_engine_it_fails(tmp_path: Path) -> None:
    """Nothing is known of the snapshot by that."""
    await asyncio.to_thread(whole, tmp_path)
    with pytest.raises(EngineError):
        await proving(tmp_path).prove("j1")


def test_an_archive_is_read_piece_by_piece(tmp_path: Path) -> None:
    """And closed, whether it was read or not; one that cannot be read is the target's fault."""
    file = tmp_path / "archive"
    file.write_bytes(b"12345")
    reading = Reading(file)
    assert [reading.read(3), reading.read(3), reading.read(3)] == [b"123", b"45", b""]
    reading.close()
    absent = Reading(tmp_path / "absent")
    with pytest.raises(TargetUnusable, match="cannot read"):
        absent.read(3)
    absent.close()


def test_nothing_expires_in_a_stream_that_is_only_read() -> None:
    """Its limits and its replicas are left out, and what places it where no other server is."""
    config = {
        "name": "EV",
        "subjects": ["ev"],
        "retention": "workqueue",
        "max_age": 5,
        "num_replicas": 3,
        "placement": {},
    }
    assert kept_for_good({**config, "max_msgs_per_subject": 3}) == {
        "name": "EV",
        "subjects": ["ev"],
        "max_msgs_per_subject": 3,
        "retention": "limits",
        "max_age": 0,
        "max_msgs": -1,
        "max_bytes": -1,
        "num_replicas": 1,
    }
