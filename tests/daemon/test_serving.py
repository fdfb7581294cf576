"""What there has to be before anything is copied from NATS."""

from __future__ import annotations

import msgspec
import pytest

from semsupervisor.daemon.serving import no_server
from semsupervisor.health.observation import FactValue, Observation, Subject, SubjectKind, Unknown
from semsupervisor.systems.containers import ContainerState, Owner
from tests.support.container_words import container, instant

HERE, FAR = "container:nats:4222", "10.0.0.1:4222"
NATS = container(owner=Owner("stack", "nats"))


def seen(connected: FactValue, seconds: float = 0.0) -> Observation:
    """Return what the look as a client saw."""
    facts = {"client_connected": connected}
    evidence = {} if connected is True else {"client_error": "connection refused"}
    return Observation("nats_client", Subject(SubjectKind.NATS, "nats"), instant(seconds), facts, evidence)


def test_a_server_that_lets_us_in_will_do() -> None:
    """In the stack or elsewhere; what it did before counts no more."""
    assert no_server(HERE, [NATS], [seen(False), seen(True, 10)]) == ""
    assert no_server(FAR, [], [seen(True)]) == ""


@pytest.mark.parametrize("connected", [False, Unknown("no answer")])
def test_one_that_does_not_is_waited_for(connected: FactValue) -> None:
    """While it starts, and while it has not been looked at."""
    refused = "NATS does not let the supervisor in: connection refused"
    assert no_server(HERE, [NATS], [seen(True), seen(connected, 10)]) == refused
    other = msgspec.structs.replace(seen(True), source="nats_jetstream")
    assert "not known yet" in no_server(FAR, [], [other])


def test_a_service_that_does_not_run_is_waited_for() -> None:
    """Whatever was seen before; without a login or a container there is nothing to wait for, and that is said."""
    stopped = msgspec.structs.replace(NATS, state=ContainerState.EXITED)
    assert no_server(HERE, [stopped], [seen(True)]) == "the service nats does not run"
    assert no_server(HERE, [container()], [seen(True)]) == "the stack has no container of a service nats"
    assert "checks.nats.client is empty" in no_server("", [NATS], [seen(True)])
