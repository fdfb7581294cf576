"""The probe of the file systems on real ones: one that fills, and one that hangs for good."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from semsupervisor.health.observation import Outcome, Unknown
from semsupervisor.health.probes.filesystems import Filesystems
from semsupervisor.kit.clock import SystemClock
from tests.support.disks import SmallDisk
from tests.support.hung_filesystem import hung_filesystem
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration


async def test_a_file_system_that_fills_is_seen(small_disk: SmallDisk) -> None:
    """Its share goes up to all of it and down again, under its own mount point."""
    probe = Filesystems(SystemClock(), lambda: {str(small_disk.folder / "data"): True}, 5.0)
    (empty,) = await probe.observe()
    await asyncio.to_thread(small_disk.fill)
    (full,) = await probe.observe()
    await asyncio.to_thread(small_disk.free)
    (freed,) = await probe.observe()
    assert empty.subject.name == full.subject.name == str(small_disk.folder)
    assert (full.facts["used_ratio"], full.facts["free_bytes"]) == (1.0, 0)
    assert freed.facts == empty.facts
    assert 0 < float(str(empty.facts["used_ratio"])) < 0.5
    assert 0 < float(str(empty.facts["inodes_used_ratio"])) < 0.5


async def test_a_file_system_that_fails_is_read_only(small_disk: SmallDisk) -> None:
    """One that the kernel, or an operator, has made read-only is seen to be, and well again when it is mended."""
    probe = Filesystems(SystemClock(), lambda: {str(small_disk.folder): True}, 5.0)
    for spoil, mend in (
        (small_disk.fail, small_disk.repair),
        (lambda: small_disk.remount("ro"), lambda: small_disk.remount("rw")),
    ):
        (well,) = await probe.observe()
        await asyncio.to_thread(spoil)
        (failed,) = await probe.observe()
        await asyncio.to_thread(mend)
        (mended,) = await probe.observe()
        assert [one.facts["read_only_unexpected"] for one in (well, failed, mended)] == [False, True, False]
        assert failed.facts["read_only"] is True


async def test_a_file_system_that_hangs_is_unknown(tmp_path: Path) -> None:
    """Whoever asks it hangs in the kernel: it is unknown, / is seen beside it, and the loop goes on."""
    point = tmp_path / "hung"
    point.mkdir()
    probe = Filesystems(SystemClock(), lambda: {"/": False, str(point / "backups"): True}, 0.2)
    with hung_filesystem(point):
        for _ in range(2):
            async with asyncio.timeout(2):
                observations = await probe.observe()
            outcomes = {one.subject.name: one.outcome for one in observations}
            assert outcomes == {"/": Outcome.OK, str(point): Outcome.UNKNOWN}
            assert isinstance(observations[1].facts["used_ratio"], Unknown)
    await eventually(lambda: not probe._calls._busy)
    observations = await probe.observe()
    assert {one.subject.name: one.gone for one in observations} == {"/": False, str(point): True}
