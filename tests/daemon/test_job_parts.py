"""What carries jobs out, put together."""

from __future__ import annotations

import asyncio
from pathlib import Path

from semsupervisor.jobs.mirror import Mirror
from semsupervisor.jobs.record import JobState
from tests.support.daemon_here import Surroundings
from tests.support.job_world import job
from tests.support.waiting import eventually


async def test_what_was_left_open_is_taken_up_at_the_start(surroundings: Surroundings) -> None:
    """From the folder beside the database; what this version does not know stays as it is there, and is told."""
    folder: Path = surroundings.folder / "state" / "jobs"
    unknown = job("0a", JobState.RUNNING, kind="from.the.future")
    await asyncio.to_thread(Mirror(folder).write, unknown)
    async with surroundings.running():
        await eventually(lambda: surroundings.says("/readyz", "healthy"))
        (job_shown,) = (await surroundings.get("/v1/jobs"))["jobs"]
        assert (job_shown["id"], job_shown["state"]) == ("0a", "stuck")
        assert [one["state"] for one in (await surroundings.get("/v1/status"))["jobs"]] == ["stuck"]
        kinds = [entry["kind"] for entry in (await surroundings.get("/v1/timeline"))["entries"]]
        assert "job.stuck" in kinds
    assert await asyncio.to_thread(Mirror(folder).read) == [unknown]


async def test_the_chores_are_on_the_schedule(surroundings: Surroundings) -> None:
    """A snapshot that appears in the folder is seen without anybody asking."""
    folder = surroundings.folder / "backup"
    surroundings.write(f'[backup]\ndirectory = "{folder}"\n')
    async with surroundings.running():
        status = await surroundings.get("/v1/status")
    assert (status["jobs"], status["newest_snapshot"], status["newest_snapshot_at"]) == ([], "", None)
