"""A real disk that fills at a known rate: when it will be full is told in time and about right, and nothing else is."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os

import pytest

from semsupervisor.alerts.histories import Histories
from semsupervisor.alerts.lifecycle import Alert, AlertState
from semsupervisor.alerts.ruleset import defaults
from semsupervisor.alerts.turn import Policy, Turn
from semsupervisor.health.probes.filesystems import Filesystems
from tests.support.alerting import TOPOLOGY, WEBHOOK
from tests.support.clock import ManualClock
from tests.support.disks import SmallDisk

pytestmark = pytest.mark.integration

LOOK_SECONDS = 100.0
HOUR = 3600.0
CHUNK_BYTES = 16 * 2**10
RULE = "filesystem_full_soon"
RULES = defaults()


class Watched:
    """A real disk, looked at by the real probe and judged by the shipped rules, on a clock that the test moves."""

    def __init__(self, disk: SmallDisk) -> None:
        self.disk = disk
        self.clock = ManualClock()
        self._probe = Filesystems(self.clock, lambda: {str(disk.folder): True}, 5.0)
        self._policy = Policy("edge-7", RULES, [WEBHOOK], TOPOLOGY)
        self._histories = Histories(RULES)
        self._turn = Turn(self._policy, {}, [], self.clock.instant(), self._histories)
        self._ids = itertools.count(1)

    async def look(self) -> Alert | None:
        """Let time pass, look, and return the alert that the disk will be full, if it fires."""
        seen = await self._probe.observe()
        for observation in seen:
            self._histories.take(observation)
        self._turn = Turn(self._policy, self._turn.alerts, [], self.clock.instant(), self._histories)
        self._turn.take(seen, lambda: str(next(self._ids)))
        self.clock.advance(LOOK_SECONDS)
        firing = (one for one in self._turn.alerts.values() if one.state is AlertState.FIRING and one.rule == RULE)
        return next(firing, None)

    async def write(self, size_bytes: int) -> bool:
        """Write so much more and return whether there was room for it."""
        return await asyncio.to_thread(_append, self.disk, size_bytes)


def _append(disk: SmallDisk, size_bytes: int) -> bool:
    with (disk.folder / "filling").open("ab", buffering=0) as file:
        try:
            written = file.write(b"x" * size_bytes)
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno == errno.ENOSPC:
                return False
            raise
    return written == size_bytes


async def test_the_time_until_a_disk_is_full_is_told_within_a_fifth(small_disk: SmallDisk) -> None:
    """From the first message on until the disk is full in earnest; once it is emptied the alert ends."""
    watched, forecasts = Watched(small_disk), {}
    while await watched.write(CHUNK_BYTES):
        at = watched.clock.monotonic()
        if alert := await watched.look():
            assert isinstance(alert.value, float)
            forecasts[at] = at + alert.value
    full_at = watched.clock.monotonic()
    assert 3 * HOUR < min(forecasts) - 1000.0 < 4 * HOUR
    assert len(forecasts) > 100
    for at, foreseen in forecasts.items():
        assert foreseen - at == pytest.approx(full_at - at, rel=0.2, abs=3 * LOOK_SECONDS)
    await asyncio.to_thread(small_disk.free)
    assert [await watched.look() for _ in range(int(HOUR / LOOK_SECONDS))][-1] is None


async def test_one_big_file_is_no_growth(small_disk: SmallDisk) -> None:
    """However much of the disk it takes, at whatever time, and though a second one follows."""
    watched = Watched(small_disk)
    for number in range(int(12 * HOUR / LOOK_SECONDS)):
        if number in {120, 250}:
            assert await watched.write(2**20)
        assert await watched.look() is None
