"""The gate opens when all that has to run does, and says that it is well; otherwise it says what is missing."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from semsupervisor.health.observation import FactValue, Outcome, Subject
from semsupervisor.operations.readiness import lacking
from semsupervisor.systems.containers import Container, ContainerState, Health, Owner
from tests.support.alerting import NATS, SEMSTREAMS, UNKNOWN, saw
from tests.support.container_words import container

WANTED = ("semstreams", "nats")
NATS_WELL: Mapping[str, FactValue] = {"reachable": True, "healthy": True}
WELL: Mapping[str, FactValue] = {"reachable": True, "status": "healthy", "nats_connected": True}


def part(name: str, state: ContainerState = ContainerState.RUNNING, health: Health = Health.HEALTHY) -> Container:
    """Return the container of a service."""
    return container(state, owner=Owner("project", name), health=health)


RUNNING = (part("semstreams"), part("nats"))


def test_what_is_ready() -> None:
    """All run and say that they are well; who has no health check, or is not asked for, keeps nothing up."""
    assert lacking(WANTED, RUNNING, [saw(NATS, NATS_WELL), saw(SEMSTREAMS, WELL)]) == ()
    assert lacking(("nats",), (part("nats", health=Health.NONE),), [saw(SEMSTREAMS, {"reachable": False})]) == ()
    assert lacking((), (), ()) == ()


@pytest.mark.parametrize(
    ("containers", "words"),
    [
        ((), "nats has no container"),
        ((container(owner=Owner("project", "nats", oneoff=True)),), "nats has no container"),
        ((part("nats", ContainerState.EXITED),), "nats is exited"),
        ((part("nats", ContainerState.RESTARTING),), "nats is restarting"),
        ((part("nats", health=Health.STARTING),), "the health check of nats has not passed yet"),
        ((part("nats", health=Health.UNHEALTHY),), "nats fails its health check"),
    ],
)
def test_a_container_that_is_not_ready(containers: tuple[Container, ...], words: str) -> None:
    """What is missing is said."""
    assert lacking(("nats",), containers, ()) == (words,)


@pytest.mark.parametrize(
    ("subject", "facts", "words"),
    [
        (NATS, {"reachable": False}, ("nats does not answer",)),
        (NATS, {"reachable": UNKNOWN, "healthy": UNKNOWN}, ("nats does not answer",)),
        (NATS, {"reachable": True, "healthy": False}, ("nats says that it is not healthy",)),
        (NATS, {"reachable": True, "healthy": UNKNOWN}, ("nats says that it is not healthy",)),
        (SEMSTREAMS, {**WELL, "status": "degraded"}, ("semstreams says that it is not healthy",)),
        (SEMSTREAMS, {**WELL, "nats_connected": False}, ("semstreams says that it is not connected to NATS",)),
        (SEMSTREAMS, {**WELL, "nats_connected": UNKNOWN}, ()),
    ],
)
def test_an_answer_that_is_not_well(subject: Subject, facts: Mapping[str, FactValue], words: tuple[str, ...]) -> None:
    """What could not be seen counts as missing; of NATS SemStreams need not speak."""
    assert lacking(WANTED, RUNNING, [saw(subject, facts)]) == words


def test_what_is_not_offered_keeps_nothing_up() -> None:
    """A SemStreams without /health is as ready as its container."""
    silent = msgspec.structs.replace(saw(SEMSTREAMS, {"reachable": True}), outcome=Outcome.NOT_OFFERED)
    assert lacking(WANTED, RUNNING, [silent]) == ()
