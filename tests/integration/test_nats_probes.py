"""The probes of NATS against real servers of both generations: well, stopped, standing still, restarted, damaged."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path

import nats
import pytest

from semsupervisor.health.observation import FactValue, Observation, Outcome, Unknown
from semsupervisor.health.probes.nats_connz import NatsConnz
from semsupervisor.health.probes.nats_health import NatsHealth
from semsupervisor.health.probes.nats_varz import FACTS, NatsVarz
from semsupervisor.health.probing import ProbeRunner
from semsupervisor.health.reaching import Endpoint
from semsupervisor.health.targets import parse
from semsupervisor.jobs.schedule import Job, Schedule
from semsupervisor.kit.clock import SystemClock
from semsupervisor.kit.looplag import LoopLag
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.systems.http import HttpClient
from tests.support.nats_server import GENERATIONS, NatsServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

TIMEOUT_SECONDS = 2.0
WELL = {"reachable": True, "healthy": True, "full_check_passed": True}


@pytest.fixture(params=GENERATIONS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NatsServer]:
    """Return a running server with JetStream, of each generation."""
    one = NatsServer(request.param, tmp_path)
    one.start()
    yield one
    one.stop()


class Looking:
    """Both probes on a server, run through the guard, and what they saw."""

    def __init__(
        self, server: NatsServer, http: HttpClient, lag: LoopLag, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        clock = SystemClock()
        self.latest: dict[str, Observation] = {}
        self.runner = ProbeRunner(clock, self._take)
        endpoint = Endpoint(
            clock,
            http.get,
            parse(server.monitor),
            lambda _: None,
            lag_since=lag.largest_since,
            mask=lambda text: text,
        )
        for probe in (
            NatsHealth(clock, endpoint, "nats", timeout_seconds),
            NatsVarz(clock, endpoint, "nats", timeout_seconds),
        ):
            self.runner.add(probe, 10.0, timeout_seconds)

    @property
    def outcomes(self) -> Mapping[str, int]:
        """How often the probe of health ended how."""
        return self.runner.reports["nats_health"].outcomes

    async def look_at_health(self) -> None:
        """Run one of the probes."""
        await self.runner.run("nats_health")

    async def look(self) -> tuple[Observation, Observation]:
        """Run both probes and return what they saw: health, figures."""
        await asyncio.gather(self.runner.run("nats_health"), self.runner.run("nats_varz"))
        return self.latest["nats_health"], self.latest["nats_varz"]

    async def _take(self, observations: Sequence[Observation]) -> None:
        self.latest.update({one.source: one for one in observations})


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """Return a client that is closed after the test."""
    client = HttpClient(SystemClock())
    yield client
    await client.close()


@pytest.fixture
async def lag() -> AsyncIterator[LoopLag]:
    """Return the running loop's lag."""
    sampled = LoopLag(SystemClock())
    sampled.start()
    yield sampled
    sampled.stop()


@pytest.fixture
def looking(server: NatsServer, http: HttpClient, lag: LoopLag) -> Looking:
    """Return the probes on the server."""
    return Looking(server, http, lag)


def unknown(facts: Mapping[str, FactValue]) -> bool:
    """Tell whether every fact is unknown."""
    return all(isinstance(value, Unknown) for value in facts.values())


async def test_a_healthy_server_is_seen(server: NatsServer, looking: Looking) -> None:
    """It is reachable and healthy, and its figures follow what clients do."""
    health, figures = await looking.look()
    assert (health.outcome, health.facts, health.evidence) == (Outcome.OK, WELL, {})
    assert (figures.outcome, tuple(figures.facts)[: len(FACTS)]) == (Outcome.OK, FACTS)
    assert str(figures.facts["version"]).startswith("2.")
    assert figures.facts["connections"] == 0
    client = await nats.connect(server.url)
    _, figures = await looking.look()
    assert figures.facts["connections"] == 1
    await client.close()
    assert server.warnings() == []


async def test_clients_are_known_by_their_names(server: NatsServer, http: HttpClient) -> None:
    """An expected client is there once it is connected under its name, on whichever page it stands."""
    clock = SystemClock()
    endpoint = Endpoint(
        clock, http.get, parse(server.monitor), lambda _: None, lag_since=lambda _: 0.0, mask=lambda text: text
    )
    probe = NatsConnz(clock, endpoint, "nats", TIMEOUT_SECONDS, ["semstreams*"], page=1)
    others = [await nats.connect(server.url, name=f"other-{number}") for number in range(3)]
    (before,) = await probe.observe()
    assert before.facts == {"client_pending_bytes": 0, "expected_clients_missing": 1}
    assert before.evidence == {"missing_clients": "semstreams*"}
    wanted = await nats.connect(server.url, name="semstreams-core")
    (after,) = await probe.observe()
    assert after.facts["expected_clients_missing"] == 0
    for client in (*others, wanted):
        await client.close()


async def test_a_server_that_stands_still_is_down(server: NatsServer, looking: Looking) -> None:
    """Connections succeed and nothing answers: down after the timeout, and well again as soon as it goes on."""
    await looking.look()
    server.pause()
    health, figures = await looking.look()
    assert health.outcome is figures.outcome is Outcome.DOWN
    assert health.facts["reachable"] is False
    assert isinstance(health.facts["healthy"], Unknown)
    assert f"no answer within {TIMEOUT_SECONDS:g} s" in health.evidence["error"]
    assert unknown(figures.facts)
    server.resume()
    health, figures = await looking.look()
    assert health.facts == WELL
    assert figures.outcome is Outcome.OK


async def test_silence_while_we_lag_is_unknown(server: NatsServer, http: HttpClient, lag: LoopLag) -> None:
    """When our own loop is held up while the server is silent, nothing is said of the server."""
    looking = Looking(server, http, lag, timeout_seconds=1.0)
    server.pause()

    def hold_up() -> None:
        until = time.monotonic() + 1.8
        while time.monotonic() < until:
            time.sleep(0.05)

    asyncio.get_running_loop().call_later(0.1, hold_up)
    health, figures = await looking.look()
    server.resume()
    assert health.outcome is figures.outcome is Outcome.UNKNOWN
    assert unknown(health.facts)
    assert "own loop lagged" in health.evidence["error"]


async def test_a_stopped_server_is_down_and_a_new_one_is_seen(server: NatsServer, looking: Looking) -> None:
    """Refused is down; after a start it is another server, with a start of its own."""
    _, before = await looking.look()
    server.stop()
    health, figures = await looking.look()
    assert health.facts["reachable"] is False
    assert "refused" in health.evidence["error"].lower()
    assert (figures.outcome, unknown(figures.facts)) == (Outcome.DOWN, True)
    server.start()
    health, after = await looking.look()
    assert health.facts["reachable"] is True
    assert after.facts["server_id"] != before.facts["server_id"]
    assert str(after.facts["started_at"]) > str(before.facts["started_at"])


async def test_a_fault_is_told_in_the_servers_words(tmp_path: Path, http: HttpClient, lag: LoopLag) -> None:
    """A stream on the disk that was not recovered makes a newer server unhealthy; its log is not flooded by us."""
    server = NatsServer("2.14", tmp_path)
    server.start()
    try:
        client = await nats.connect(server.url)
        await client.jetstream().add_stream(name="REAL", subjects=["real.>"])
        await client.close()
        await asyncio.to_thread(shutil.copytree, server.streams / "REAL", server.streams / "GHOST")
        looking = Looking(server, http, lag)
        for _ in range(5):
            health, _ = await looking.look()
            assert (health.outcome, health.facts) == (Outcome.OK, {**WELL, "full_check_passed": False})
            assert "GHOST' could not be recovered" in health.evidence["full_check"]
        assert len(server.warnings()) == 1
    finally:
        server.stop()


async def test_a_silent_server_delays_no_other(tmp_path: Path, http: HttpClient, lag: LoopLag) -> None:
    """While the probe of one server hangs until its timeout, that of another keeps its beat."""
    clock, silent, well = SystemClock(), NatsServer("2.14", tmp_path / "silent"), NatsServer("2.14", tmp_path / "well")
    try:
        silent.start()
        well.start()
        at_silent, at_well = Looking(silent, http, lag), Looking(well, http, lag)
        silent.pause()
        async with asyncio.TaskGroup() as group:
            owner = TaskOwner(group, clock)
            schedule = Schedule(clock, owner)
            schedule.replace([Job("silent", 0.1, at_silent.look_at_health), Job("well", 0.1, at_well.look_at_health)])
            schedule.start()
            await eventually(lambda: at_silent.outcomes["down"] >= 2)
            silent_ended, well_ended = at_silent.outcomes["down"], at_well.outcomes["ok"]
            await schedule.stop(1.0)
            await owner.stop()
    finally:
        silent.stop()
        well.stop()
    assert well_ended > 2 * silent_ended
    assert at_well.outcomes["ok"] == sum(at_well.outcomes.values())
