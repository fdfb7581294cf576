"""The stack as jobs stop and start it: its names, its engine, and what its services say of themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from semsupervisor.daemon import parts
from semsupervisor.health import targets
from semsupervisor.health.masking import masked
from semsupervisor.health.observation import Observation
from semsupervisor.health.probes.nats_health import NatsHealth
from semsupervisor.health.probes.semstreams_health import SemstreamsHealth
from semsupervisor.health.reaching import Endpoint
from semsupervisor.operations.stack import Means, Names, StackSteps
from semsupervisor.settings.model import Settings
from semsupervisor.systems.docker import Docker
from semsupervisor.systems.docker_acts import ContainerActs


def steps(
    settings: Callable[[], Settings], means: parts.Means, docker: Docker, holding: Callable[[], object]
) -> StackSteps:
    """Return what makes the steps; `holding` is called once it is known what will be stopped."""
    return StackSteps(
        Means(
            clock=means.clock,
            acts=ContainerActs(docker),
            names=partial(names, settings),
            ask=partial(_ask, settings, means),
            holding=holding,
        )
    )


def names(settings: Callable[[], Settings]) -> Names:
    """Return how the project and its services are called by the settings in force."""
    stack = settings().stack
    return Names(stack.project, stack.semstreams_service, stack.nats_service)


async def _ask(settings: Callable[[], Settings], means: parts.Means) -> Sequence[Observation]:
    checks, stack = settings().checks, settings().stack
    nats = NatsHealth(means.clock, _endpoint(checks.nats.monitor, means), stack.nats_service, checks.timeout_seconds)
    health = _endpoint(checks.semstreams.health, means)
    semstreams = SemstreamsHealth(means.clock, health, stack.semstreams_service, checks.timeout_seconds)
    looks = await asyncio.gather(nats.observe(), semstreams.observe())
    return [one for look in looks for one in look]


def _endpoint(target: str, means: parts.Means) -> Endpoint:
    return Endpoint(
        means.clock,
        means.http.get,
        targets.parse(target),
        means.address_of,
        lag_since=means.lag_since,
        mask=masked,
    )
