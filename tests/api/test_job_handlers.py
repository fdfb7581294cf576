"""What the routes about jobs do."""

from __future__ import annotations

from typing import Any

import pytest

from semsupervisor.api import job_handlers
from semsupervisor.api.asking import Ask, Params, Refused
from semsupervisor.api.job_handlers import JobParams, JobsParams, SettleParams
from semsupervisor.api.jobs import JobsAnswer, OneJobAnswer
from semsupervisor.api.metrics import MetricsPage
from semsupervisor.jobs.record import JobState
from tests.support.api_world import World
from tests.support.job_world import job


def ask(world: World, params: Params) -> Ask[Any]:
    """Return root's request to a world."""
    readings = world.readings()
    return Ask(params=params, accept="", readings=readings, metrics=MetricsPage(readings), sender="root")


async def test_jobs_are_bounded() -> None:
    """At most as many as were asked for."""
    world = World()
    world.work.jobs = [job("b"), job("a")]
    reply = await job_handlers.jobs(ask(world, JobsParams(limit=1)))
    assert isinstance(reply.body, JobsAnswer)
    assert [one.id for one in reply.body.jobs] == ["b"]


async def test_a_job_is_found_or_not_there() -> None:
    """One that is not there is a 404 with where to look."""
    world = World()
    world.work.jobs = [job("b")]
    reply = await job_handlers.job(ask(world, JobParams(id="b")))
    assert isinstance(reply.body, OneJobAnswer)
    assert reply.body.job.id == "b"
    with pytest.raises(Refused, match="no job 'c'") as refused:
        await job_handlers.job(ask(world, JobParams(id="c")))
    assert (refused.value.status, refused.value.what_to_do) == (404, "see: semsupervisor jobs list")


async def test_an_open_job_is_cancelled_or_settled() -> None:
    """It is said who wants it; one that has ended is a 404."""
    world = World()
    world.work.jobs = [job("b", JobState.RUNNING), job("s", JobState.STUCK), job("a")]
    reply = await job_handlers.cancel(ask(world, JobParams(id="b")))
    assert isinstance(reply.body, OneJobAnswer)
    assert (reply.body.job.state, reply.body.job.cause) == (JobState.UNDOING, "cancelled by root")
    reply = await job_handlers.settle(ask(world, SettleParams(id="s")))
    assert isinstance(reply.body, OneJobAnswer)
    assert reply.body.job.state is JobState.UNDOING
    assert world.work.asked == ["cancel b by root", "settle s"]
    for act in (job_handlers.cancel, job_handlers.settle):
        with pytest.raises(Refused, match="no open job 'a'") as refused:
            await act(ask(world, SettleParams(id="a")))
        assert refused.value.status == 404


async def test_a_stuck_job_is_given_up() -> None:
    """What cannot be tried once more is a 409 that says how to."""
    world = World()
    world.work.jobs = [job("s", JobState.STUCK, kind="strange")]
    with pytest.raises(Refused, match="cannot be tried once more") as refused:
        await job_handlers.settle(ask(world, SettleParams(id="s")))
    assert (refused.value.status, "jobs settle s --give-up" in refused.value.what_to_do) == (409, True)
    reply = await job_handlers.settle(ask(world, SettleParams(id="s", give_up=True)))
    assert isinstance(reply.body, OneJobAnswer)
    assert (reply.body.job.state, reply.body.job.open) == (JobState.GIVEN_UP, False)
    assert world.work.asked == ["settle s", "give up s by root"]
