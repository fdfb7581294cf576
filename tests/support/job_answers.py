"""Jobs as the API's answers hold them."""

from __future__ import annotations

from typing import Any

import msgspec

from semsupervisor.api import jobs
from semsupervisor.jobs.progress import Progress
from semsupervisor.jobs.record import JobState
from tests.support.api_world import World
from tests.support.job_world import job


def answered(state: JobState = JobState.RUNNING, progress: Progress | None = None, **changed: Any) -> Any:
    """Return a job as an answer holds it."""
    world = World()
    if progress is not None:
        world.work.progress = {"j1": progress}
    return msgspec.to_builtins(jobs.job(world.readings(), job("j1", state, **changed)))
