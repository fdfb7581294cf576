"""What the routes about services do."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from semsupervisor.api import answers
from semsupervisor.api.asking import Ask, Params, Refused, Reply
from semsupervisor.errors import EngineError, EngineForbidden
from semsupervisor.health.leaving import NotForgotten, UnknownService

ServiceName = Annotated[str, Meta(max_length=256, description="its name in /v1/status, such as nats or worker@2")]


class ServiceParams(Params, frozen=True, kw_only=True):
    """Which service."""

    name: ServiceName


async def forget(ask: Ask[ServiceParams]) -> Reply:
    """Forget a service that has no container and is not wanted any more."""
    name = ask.params.name
    try:
        await ask.readings.acts.forget_service(name, ask.sender)
    except UnknownService as error:
        raise Refused(404, str(error), error.what_to_do) from error
    except NotForgotten as error:
        raise Refused(409, str(error), error.what_to_do) from error
    except (EngineError, EngineForbidden) as error:
        why = f"whether {name} has a container cannot be told: {error.reason}"
        raise Refused(503, why, "try again when Docker answers") from error
    return Reply(body=answers.DoneAnswer(done=(f"{name} was forgotten; it is watched again once it has a container",)))
