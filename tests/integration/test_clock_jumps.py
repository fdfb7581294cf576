"""The schedule in a process whose wall clock is set by libfaketime, while its monotonic clock goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.commands import REPOSITORY
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.integration

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
PROGRAM = """
import asyncio
from semsupervisor.jobs.schedule import Job, Schedule
from semsupervisor.kit.clock import SystemClock
from semsupervisor.kit.tasks import TaskOwner

async def main():
    clock = SystemClock()
    async def run():
        print(clock.now().isoformat(), flush=True)
    async with asyncio.TaskGroup() as group:
        schedule = Schedule(clock, TaskOwner(group, clock))
        schedule.replace([Job("beat", 0.2, run)])
        schedule.start()
        await asyncio.Event().wait()

asyncio.run(main())
"""


class Beating:
    """The process, its clock, and the lines that it wrote."""

    def __init__(self, folder: Path) -> None:
        self.offset, self.lines_file = folder / "offset", folder / "lines"
        self.set_clock("+0")
        environment = {
            **os.environ,
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self.offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": str(REPOSITORY),
        }
        with self.lines_file.open("wb") as out:
            self.process = subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stdout=out, stderr=out)

    def set_clock(self, offset: str) -> None:
        """Set the wall clock so far from the real one, at one moment."""
        draft = self.offset.with_suffix(".draft")
        draft.write_text(offset)
        draft.replace(self.offset)

    def lines(self) -> list[str]:
        """Return what it wrote."""
        return self.lines_file.read_text().splitlines()

    def memory_bytes(self) -> int:
        """Return the process's resident memory."""
        return int(psutil.Process(self.process.pid).memory_info().rss)


@pytest.fixture
def beating(tmp_path: Path) -> Iterator[Beating]:
    """Return a process that runs a job five times a second."""
    if not LIBRARIES:
        pytest.skip("libfaketime is not installed")
    process = Beating(tmp_path)
    yield process
    process.process.kill()
    process.process.wait(5)


@pytest.mark.parametrize(
    ("offset", "year"), [("+365d", None), ("-1d", None), ("@1970-01-01 00:10:00", "1970"), ("+50y", None)]
)
def test_a_set_clock_neither_stalls_nor_stops_the_schedule(beating: Beating, offset: str, year: str | None) -> None:
    """After the clock was set far ahead, back, or to 1970, the job keeps its beat and the memory does not grow."""
    eventually_sync(lambda: len(beating.lines()) > 2)
    memory = beating.memory_bytes()
    beating.set_clock(offset)
    before = len(beating.lines())
    eventually_sync(lambda: len(beating.lines()) > before + 5, within_seconds=60)
    assert beating.memory_bytes() < memory + 20_000_000
    assert len([line for line in beating.lines() if "clock.jumped" in line]) == 1
    if year:
        assert beating.lines()[-1].startswith(year)
