"""What the routes about services do."""

from __future__ import annotations

from typing import Any

import pytest

from semsupervisor.api import service_handlers
from semsupervisor.api.answers import DoneAnswer
from semsupervisor.api.asking import Ask, Refused
from semsupervisor.api.metrics import MetricsPage
from semsupervisor.api.service_handlers import ServiceParams
from semsupervisor.errors import EngineError, EngineForbidden, SupervisorError
from semsupervisor.health.leaving import NotForgotten
from tests.support.api_world import World


def ask(world: World, name: str) -> Ask[Any]:
    """Return root's request about a service to a world."""
    readings = world.readings()
    params = ServiceParams(name=name)
    return Ask(params=params, accept="", readings=readings, metrics=MetricsPage(readings), sender="root")


async def test_a_service_is_forgotten_by_somebody() -> None:
    """Who asks is handed on, and what was done is said."""
    world = World()
    reply = await service_handlers.forget(ask(world, "nats"))
    assert isinstance(reply.body, DoneAnswer)
    assert reply.body.done == ("nats was forgotten; it is watched again once it has a container",)
    assert world.asked == ["forget nats by root"]


@pytest.mark.parametrize(
    ("refusal", "status", "error", "remedy"),
    [
        (None, 404, "no service 'web' is known", "known are: nats, semstreams"),
        (NotForgotten("web is needed", "stop the other"), 409, "web is needed", "stop the other"),
        (EngineError("gone"), 503, "whether web has a container cannot be told: gone", "try again when Docker answers"),
        (EngineForbidden("shut", "join docker"), 503, "whether web has a container cannot be told: shut", "try again"),
    ],
)
async def test_a_refusal_says_why_and_what_to_do(
    refusal: SupervisorError | None, status: int, error: str, remedy: str
) -> None:
    """Unknown, not to be forgotten, or not to be known while the engine is silent."""
    world = World()
    world.refusal = refusal
    with pytest.raises(Refused) as refused:
        await service_handlers.forget(ask(world, "web"))
    assert (refused.value.status, refused.value.error) == (status, error)
    assert refused.value.what_to_do.startswith(remedy)
