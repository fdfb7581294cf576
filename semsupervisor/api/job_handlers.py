"""What the routes about jobs do."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from semsupervisor.api import jobs as shown
from semsupervisor.api.asking import Ask, Params, Refused, Reply
from semsupervisor.jobs.runner import UnknownJob

Limit = Annotated[int, Meta(ge=1, le=1000, description="at most so many, the newest")]
JobId = Annotated[str, Meta(max_length=40, description="the job's id, from /v1/jobs")]

_LIST = "see: semsupervisor jobs list"


class JobsParams(Params, frozen=True, kw_only=True):
    """How many jobs."""

    limit: Limit = 50


class JobParams(Params, frozen=True, kw_only=True):
    """Which job."""

    id: JobId


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


async def settle(ask: Ask[JobParams]) -> Reply:
    """Let a stuck job be tried once more."""
    try:
        changed = await ask.readings.jobs.settle(ask.params.id)
    except UnknownJob as error:
        raise Refused(404, f"there is no open job {ask.params.id!r}", _LIST) from error
    return Reply(body=shown.one(ask.readings, changed))
