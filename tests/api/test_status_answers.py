"""The body of the answer about everything at once."""

from __future__ import annotations

import msgspec

from semsupervisor.api import present
from semsupervisor.api.status_answers import StatusAnswer
from tests.support.api_world import World
from tests.support.job_world import a_schedule, job


def test_it_comes_back_as_it_was_sent() -> None:
    """Whatever program reads it by its schema gets what the daemon knew."""
    world = World()
    world.work.jobs, world.work.schedules = [job()], [a_schedule(last=job())]
    sent = present.status(world.readings())
    assert msgspec.json.decode(msgspec.json.encode(sent), type=StatusAnswer) == sent
