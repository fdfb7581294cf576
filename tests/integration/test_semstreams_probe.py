"""The probe of SemStreams against the demo's stand-in, which is connected to a real NATS server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from semsupervisor.health.masking import masked
from semsupervisor.health.observation import Observation, Outcome, Unknown
from semsupervisor.health.probes.semstreams_health import SemstreamsHealth
from semsupervisor.health.reaching import Endpoint
from semsupervisor.health.targets import parse
from semsupervisor.kit.clock import SystemClock
from semsupervisor.kit.looplag import LoopLag
from semsupervisor.systems.http import HttpClient
from tests.support.nats_server import NatsServer
from tests.support.standin import StandIn
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

TIMEOUT_SECONDS = 2.0
DIALECTS = ("runbook", "shipped", "offline")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a running NATS server."""
    server = NatsServer("2.14", tmp_path_factory.mktemp("nats"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, broker: NatsServer) -> Iterator[StandIn]:
    """Return one stand-in for all tests that leave it as it was."""
    one = StandIn(tmp_path_factory.mktemp("semstreams"), broker.url)
    yield one
    one.stop()


@pytest.fixture
def semstreams(shared: StandIn) -> Iterator[StandIn]:
    """Return the stand-in without faults; what a test switches on is switched off after it."""
    yield shared
    shared.clear_faults()


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """Return a client that is closed after the test."""
    client = HttpClient(SystemClock())
    yield client
    await client.close()


async def look(one: StandIn, http: HttpClient) -> Observation:
    """Return what the probe sees."""
    clock = SystemClock()
    lag = LoopLag(clock)
    lag.start()
    endpoint = Endpoint(clock, http.get, parse(one.health), lambda _: None, lag_since=lag.largest_since, mask=masked)
    (observation,) = await SemstreamsHealth(clock, endpoint, "semstreams", TIMEOUT_SECONDS).observe()
    lag.stop()
    return observation


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("pretty", [False, True])
async def test_each_dialect_is_understood(semstreams: StandIn, http: HttpClient, dialect: str, pretty: bool) -> None:
    """A healthy SemStreams that is connected to NATS reads so, compact and pretty."""
    semstreams.fault("dialect", value=dialect, pretty=pretty)
    observation = await look(semstreams, http)
    assert observation.outcome is Outcome.OK
    assert (observation.facts["status"], observation.facts["nats_connected"]) == ("healthy", True)
    assert (observation.facts["reachable"], observation.facts["offered"]) == (True, True)
    assert 0 < float(str(observation.facts["latency_seconds"])) < TIMEOUT_SECONDS


@pytest.mark.parametrize("dialect", ["runbook", "shipped"])
@pytest.mark.parametrize(("fault", "status"), [("status_503", "unhealthy"), ("degraded", "degraded")])
async def test_what_is_not_healthy_is_seen(
    semstreams: StandIn, http: HttpClient, dialect: str, fault: str, status: str
) -> None:
    """Degraded and unhealthy are seen, with 200 and with 503, and NATS beside it."""
    semstreams.fault("dialect", value=dialect)
    semstreams.fault(fault)
    observation = await look(semstreams, http)
    assert (observation.outcome, observation.facts["status"]) == (Outcome.OK, status)
    assert observation.facts["nats_connected"] is True
    assert observation.evidence["unhealthy_parts"]


@pytest.mark.parametrize(
    ("fault", "outcome", "reachable", "error"),
    [
        ("garbage", Outcome.UNKNOWN, True, "not JSON"),
        ("huge", Outcome.UNKNOWN, True, "larger than"),
        ("redirect", Outcome.NOT_OFFERED, True, "404"),
        ("not_offered", Outcome.NOT_OFFERED, True, "404"),
        ("slow", Outcome.DOWN, False, "no answer within"),
        ("hang", Outcome.DOWN, False, "no answer within"),
    ],
)
async def test_a_bad_endpoint_is_never_healthy(
    semstreams: StandIn, http: HttpClient, fault: str, outcome: Outcome, reachable: bool, error: str
) -> None:
    """Garbage is unknown, silence is down, a 404 is not offered; the status is unknown in each case."""
    semstreams.fault(fault)
    observation = await look(semstreams, http)
    assert (observation.outcome, observation.facts["reachable"]) == (outcome, reachable)
    assert (observation.facts["offered"] is False) is (outcome is Outcome.NOT_OFFERED)
    assert isinstance(observation.facts["status"], Unknown)
    assert error in observation.evidence["error"]


async def test_a_process_that_stands_still_or_is_gone_is_down(
    tmp_path: Path, broker: NatsServer, http: HttpClient
) -> None:
    """Stopped by a signal it is silent, killed it refuses: both are down, and going on it is well again."""
    own = StandIn(tmp_path, broker.url)
    try:
        own.pause()
        silent = await look(own, http)
        own.resume()
        well = await look(own, http)
    finally:
        own.stop()
    dead = await look(own, http)
    assert [one.facts["reachable"] for one in (silent, well, dead)] == [False, True, False]
    assert "no answer within" in silent.evidence["error"]
    assert "refused" in dead.evidence["error"].lower()


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_lost_nats_is_seen_in_each_dialect(tmp_path: Path, http: HttpClient, dialect: str) -> None:
    """When NATS ends, SemStreams says that it is disconnected; when it is back, that it is connected."""
    server = NatsServer("2.14", tmp_path / "nats")
    server.start()
    own = StandIn(tmp_path, server.url)
    try:
        own.fault("dialect", value=dialect)
        server.stop()

        async def connected() -> bool:
            return (await look(own, http)).facts["nats_connected"] is True

        async def lost_it() -> bool:
            return not await connected()

        await eventually(lost_it)
        lost = await look(own, http)
        assert lost.facts["nats_connected"] is False
        assert lost.facts["status"] in {"degraded", "unhealthy"}
        assert "nats is" in lost.evidence["unhealthy_parts"]
        server.start()
        await eventually(connected, within_seconds=60)
    finally:
        own.stop()
        server.stop()
