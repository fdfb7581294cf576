"""The probe from inside on a real stack: what its containers can reach, while the host reaches all of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from semsupervisor.health.observation import Observation, Outcome
from semsupervisor.health.probes.reach import FACTS, Inside, SemstreamsReach
from semsupervisor.kit.clock import SystemClock
from semsupervisor.systems.docker import Docker
from tests.support.demo_stack import DemoStack, DemoStackFactory

pytestmark = pytest.mark.integration

TIMEOUT_SECONDS = 3.0


@pytest.fixture(scope="module")
def stack(demo_stacks: DemoStackFactory) -> Iterator[DemoStack]:
    """Return one stack for all tests of this file that leave it as they found it."""
    made = demo_stacks("reach", SEMSTREAMS_MEMORY="128M")
    yield made
    made.down()


@pytest.fixture
async def docker(stack: DemoStack) -> AsyncIterator[Docker]:
    """Return the stack's engine, as the supervisor asks it."""
    docker = Docker(str(stack.engine.socket), 5.0)
    await docker.open()
    yield docker
    await docker.close()


async def look(docker: Docker, stack: DemoStack) -> Observation:
    """Look once, from the containers as they are now."""
    listed = {one.owner.name: one for one in await docker.containers(stack.project)}
    inside = Inside("semstreams", "nats", lambda _: None, lambda: listed)
    (seen,) = await SemstreamsReach(SystemClock(), inside, lambda _: 0.0, TIMEOUT_SECONDS).observe()
    assert seen.outcome is Outcome.OK
    return seen


def values(seen: Observation) -> list[object]:
    """Return the facts in their order."""
    return [seen.facts[name] for name in FACTS]


@contextmanager
def connected(stack: DemoStack, service: str, *aliases: str) -> Iterator[None]:
    """Have a service in the stack's network by these names alone, out of it without any; in the end by its own."""
    network, container = f"{stack.project}_default", stack.container(service)

    def connect(names: tuple[str, ...]) -> None:
        stack.engine.docker("network", "disconnect", network, container, check=False)
        if names:
            stack.engine.docker("network", "connect", *(f"--alias={name}" for name in names), network, container)

    connect(aliases)
    try:
        yield
    finally:
        connect((service,))


async def test_a_stack_that_is_well(docker: Docker, stack: DemoStack) -> None:
    """NATS is found by its name, and both ports are reached, from a container without any program to look with."""
    assert values(await look(docker, stack)) == [True, True, True]


@pytest.mark.parametrize("aliases", [(), ("other",)])
async def test_nats_that_the_network_does_not_know(docker: Docker, stack: DemoStack, aliases: tuple[str, ...]) -> None:
    """Out of the network, or in it under another name, NATS is not found, though its container runs well."""
    with connected(stack, "nats", *aliases):
        seen = await look(docker, stack)
    assert values(seen) == [False, False, False]
    assert seen.evidence["error"].startswith("the name nats is not found there: ")
    assert values(await look(docker, stack)) == [True, True, True]


async def test_nats_that_stands_still(docker: Docker, stack: DemoStack) -> None:
    """A paused NATS is found, and its kernel takes connections, but it says nothing."""
    await asyncio.to_thread(stack.engine.docker, "pause", stack.container("nats"))
    try:
        seen = await look(docker, stack)
    finally:
        await asyncio.to_thread(stack.engine.docker, "unpause", stack.container("nats"))
    assert values(seen) == [True, False, True]
    assert ":4222: it takes connections and says nothing within 1 s" in seen.evidence["error"]


async def test_a_port_that_nobody_listens_on(docker: Docker, stack: DemoStack) -> None:
    """What is found under the name without being NATS refuses."""
    with connected(stack, "nats"), connected(stack, "semstreams", "semstreams", "nats"):
        seen = await look(docker, stack)
    assert values(seen) == [True, False, False]
    assert ":4222: Connection refused; " in seen.evidence["error"]
