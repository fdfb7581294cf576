"""What the routes about jobs do."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from semsupervisor.api import jobs as shown
from semsupervisor.api.asking import Ask, Params, Refused, Reply
from semsupervisor.jobs.runner import NotSettled, UnknownJob

Limit = Annotated[int, Meta(ge=1, le=1000, description="at most so many, the newest")]
JobId = Annotated[str, Meta(max_length=40, description="the job's id, from /v1/jobs")]

_LIST = "see: semsupervisor jobs list"


class JobsParams(Params, frozen=True, kw_only=True):
    """How many jobs."""

    limit: Limit = 50


class JobParams(Params, frozen=True, kw_only=True):
    """Which job."""

    id: JobId


class SettleParams(JobParams, frozen=True, kw_only=True):
    """Which job, and whether it is to be tried once more or given up."""

    give_up: Annotated[bool, Meta(description="end it and leave what it had begun as it is")] = False


async def jobs(ask: Ask[JobsParams]) -> Reply:
    """Return the newest jobs."""
    return Reply(body=shown.jobs(ask.readings, await ask.readings.jobs.newest(ask.params.limit)))


async def job(ask: Ask[JobParams]) -> Reply:
    """Return one job."""
    found = await ask.readings.jobs.find(ask.params.id)
    if found is None:
        raise Refused(404, f"there is no job {ask.params.id!r}", _LIST)
    return Reply(body=shown.one(ask.readings, found))


async def cancel(ask: Ask[JobParams]) -> Reply:
    """Let a job end as soon as its present step allows."""
    try:
        changed = await ask.readings.jobs.cancel(ask.params.id, ask.sender)
    except UnknownJob as error:
        raise Refused(404, f"there is no open job {ask.params.id!r}", _LIST) from error
    return Reply(body=shown.one(ask.readings, changed))


async def settle(ask: Ask[SettleParams]) -> Reply:
    """Let a stuck job be tried once more, or give it up."""
    jobs, wanted = ask.readings.jobs, ask.params
    try:
        changed = await (jobs.give_up(wanted.id, ask.sender) if wanted.give_up else jobs.settle(wanted.id))
    except NotSettled as error:
        way_out = "" if wanted.give_up else f"or leave it as it is: semsupervisor jobs settle {wanted.id} --give-up"
        raise Refused(409, str(error), way_out) from error
    except UnknownJob as error:
        raise Refused(404, f"there is no open job {ask.params.id!r}", _LIST) from error
    return Reply(body=shown.one(ask.readings, changed))
