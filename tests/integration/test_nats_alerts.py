"""Which of the shipped rules fire on real servers of both generations, on a clock that the test moves."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from semsupervisor.alerts.histories import Histories
from semsupervisor.alerts.lifecycle import Alert, AlertState
from semsupervisor.alerts.ruleset import defaults
from semsupervisor.alerts.turn import Policy, Turn
from semsupervisor.health.probes.nats_health import NatsHealth
from semsupervisor.health.probes.nats_jetstream import NatsJetStream
from semsupervisor.health.probes.nats_varz import NatsVarz
from semsupervisor.health.probing import Probe
from semsupervisor.health.reaching import Endpoint
from semsupervisor.health.targets import UrlTarget
from semsupervisor.systems.http import HttpClient
from semsupervisor.systems.nats_jsz import LARGEST_ANSWER_BYTES
from tests.support.alerting import TOPOLOGY, WEBHOOK
from tests.support.clock import ManualClock
from tests.support.nats_faults import (
    churn,
    cut_off_slow_client,
    fill_stream,
    jetstream,
    redeliver,
    refused_calls,
    stick_consumer,
)
from tests.support.nats_server import GENERATIONS, NatsServer

pytestmark = pytest.mark.integration

INTERVAL_SECONDS = 30.0
SETTLED_LOOKS = 22
RULES = defaults()

Fault = Callable[[NatsServer], Awaitable[object]]


@pytest.fixture(params=GENERATIONS)
def generation(request: pytest.FixtureRequest) -> str:
    """Return each generation of servers."""
    return str(request.param)


@pytest.fixture
def start(generation: str, tmp_path: Path) -> Iterator[Callable[..., NatsServer]]:
    """Return what starts a server with some configuration."""
    started: list[NatsServer] = []

    def begin(configuration: str = "", *, jetstream: bool = True) -> NatsServer:
        server = NatsServer(generation, tmp_path, jetstream=jetstream, configuration=configuration)
        server.start()
        started.append(server)
        return server

    yield begin
    for server in started:
        server.stop()


class Judge:
    """All probes of one server by its monitoring port, and what the shipped rules make of what they see."""

    def __init__(self, http: HttpClient, server: NatsServer) -> None:
        self.clock = ManualClock()
        endpoint = Endpoint(
            self.clock,
            partial(http.get, largest_bytes=LARGEST_ANSWER_BYTES),
            UrlTarget(server.monitor),
            lambda _: None,
            lag_since=lambda _: 0.0,
            mask=lambda text: text,
        )
        self._probes: Sequence[Probe] = [
            kind(self.clock, endpoint, "nats", 5.0) for kind in (NatsHealth, NatsVarz, NatsJetStream)
        ]
        self._policy = Policy("host", RULES, [WEBHOOK], TOPOLOGY)
        self._histories = Histories(RULES)
        self._alerts: dict[tuple[str, object], Alert] = {}
        self._ids = itertools.count(1)
        self.fired: dict[str, str] = {}

    async def look(self, times: int = 1) -> set[str]:
        """Look so many times at the usual interval; return the rules whose alerts are told after the last look."""
        for _ in range(times):
            self.clock.advance(INTERVAL_SECONDS)
            turn = Turn(self._policy, self._alerts, [], self.clock.instant(), self._histories)  # type: ignore[arg-type]
            for probe in self._probes:
                seen = await probe.observe()
                for one in seen:
                    self._histories.take(one)
                turn.take(seen, lambda: str(next(self._ids)))
            self._alerts = {key: one for key, one in turn.alerts.items() if one.state is not AlertState.RESOLVED}
            self.fired |= {one.rule: one.summary for one in self._firing()}
        return {one.rule for one in self._firing()}

    def _firing(self) -> list[Alert]:
        return [one for one in self._alerts.values() if one.state is AlertState.FIRING and one.told]


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """Return a client that is closed after the test."""
    client = HttpClient(ManualClock())
    yield client
    await client.close()


async def test_a_server_in_use_is_silent(start: Callable[..., NatsServer], http: HttpClient) -> None:
    """Streams that fill a little, clients that come and go and calls that fail now and then are no alert."""
    server = start()
    await fill_stream(server.url, "WELL", max_bytes=1_000_000, most=100)
    judge = Judge(http, server)
    for _ in range(30):
        await churn(server.url, 1)
        await refused_calls(server.url, 1)
        async with jetstream(server.url) as js:
            for _ in range(3):
                await js.publish("WELL.a", b"x")
        await judge.look()
    assert judge.fired == {}


async def test_a_stuck_consumer_is_told_once_and_its_end(start: Callable[..., NatsServer], http: HttpClient) -> None:
    """That it is at its limit of open messages is the same thing; once it goes on nothing fires."""
    server = start()
    await stick_consumer(server.url, "ORDERS")
    judge = Judge(http, server)
    assert await judge.look(11) == set()
    assert await judge.look() == {"consumer_stuck"}
    assert judge.fired["consumer_stuck"] == (
        "The consumer ORDERS/stuck has got nothing done for 5 min 30 s: "
        "5 messages are delivered and not acknowledged, and no more may be."
    )
    assert await judge.look(30) == {"consumer_stuck"}
    async with jetstream(server.url) as js:
        await js.delete_stream("ORDERS")
    assert await judge.look() == set()


async def test_a_loop_of_redeliveries_is_told(start: Callable[..., NatsServer], http: HttpClient) -> None:
    """A message that is refused again and again while others are worked on is told, behind a filter as well."""
    server = start()
    await redeliver(server.url, "LOOP", 1)
    judge = Judge(http, server)
    async with jetstream(server.url) as js:
        subscription = await js.pull_subscribe_bind("again", "LOOP")
        for _ in range(SETTLED_LOOKS + 3):
            await judge.look()
            await js.publish("LOOP.a", b"x")
            for message in await subscription.fetch(2, timeout=5):
                await (message.nak() if message.metadata.sequence.stream == 1 else message.ack())
            for _ in range(4):
                (message,) = await subscription.fetch(1, timeout=5)
                await message.nak()
    assert set(judge.fired) == {"consumer_redelivering"}
    assert "a second time or more often for 11 min 30 s, 1 of them just now" in judge.fired["consumer_redelivering"]


async def test_clients_that_come_and_go_are_told(start: Callable[..., NatsServer], http: HttpClient) -> None:
    """A client that connects anew every three seconds is a loop."""
    server = start()
    judge = Judge(http, server)
    for _ in range(SETTLED_LOOKS):
        await churn(server.url, 10)
        await judge.look()
    assert "nats_connections_unstable" in judge.fired
    assert await judge.look(SETTLED_LOOKS) == set()


async def test_a_slow_client_is_told(start: Callable[..., NatsServer], http: HttpClient) -> None:
    """One that was cut off is enough, and it is over when none was for some time."""
    server = start("max_pending: 2M")
    judge = Judge(http, server)
    assert await judge.look(11) == set()
    await cut_off_slow_client(server.url, server.monitor)
    assert await judge.look() == {"nats_slow_consumers"}
    assert await judge.look(2 * SETTLED_LOOKS) == set()


async def test_calls_that_go_on_failing_are_told(start: Callable[..., NatsServer], http: HttpClient) -> None:
    """Many of few calls are a fault, and the share is told."""
    server = start()
    judge = Judge(http, server)
    for _ in range(32):
        await refused_calls(server.url, 5)
        await judge.look()
    assert set(judge.fired) == {"jetstream_api_errors"}
    assert "% of the calls" in judge.fired["jetstream_api_errors"]


async def test_calls_that_fail_at_a_start_are_not_told(start: Callable[..., NatsServer], http: HttpClient) -> None:
    """A burst of them, as when programs look for streams that they have yet to make, is over by itself."""
    server = start()
    judge = Judge(http, server)
    await judge.look(12)
    await refused_calls(server.url, 100)
    assert await judge.look(40) == set()
    assert judge.fired == {}


@pytest.mark.parametrize(
    ("configuration", "rules"),
    [
        ("jetstream { max_file_store: 1M }", {"jetstream_storage_full"}),
        (
            "accounts { APP { jetstream { max_file: 1M }, users = [{ user: a, password: a }] } }\nno_auth_user: a",
            {"jetstream_account_storage_full"},
        ),
    ],
)
async def test_one_full_tier_is_one_alert(
    start: Callable[..., NatsServer], http: HttpClient, configuration: str, rules: set[str]
) -> None:
    """Neither the streams in it are told of, nor what the first one says already."""
    server = start(configuration)
    for name in ("A", "B"):
        await fill_stream(server.url, name, payload=b"x" * 20_000, most=30)
    judge = Judge(http, server)
    assert await judge.look(4) == rules


async def test_a_stream_at_its_ceiling_is_told_by_what_happens_there(
    start: Callable[..., NatsServer], http: HttpClient
) -> None:
    """One that keeps the newest is information, one that refuses is critical and nothing else."""
    server = start()
    await fill_stream(server.url, "RING", max_bytes=100_000, most=200)
    await fill_stream(server.url, "STRICT", max_bytes=100_000, discard="new", most=200)
    judge = Judge(http, server)
    assert await judge.look(12) == {"stream_at_ceiling", "stream_refuses_writes"}
    assert "each new message evicts the oldest" in judge.fired["stream_at_ceiling"]
    assert "STRICT" in judge.fired["stream_refuses_writes"]


async def test_a_server_that_evicts_against_the_policy_is_not_said_to_refuse(
    start: Callable[..., NatsServer], http: HttpClient, generation: str
) -> None:
    """Small messages go on being taken by the older generation: that is told as it is, and critical by the newer."""
    server = start()
    await fill_stream(server.url, "SMALL", max_bytes=10_000, discard="new", payload=b"x", most=500)
    judge = Judge(http, server)
    for _ in range(14):
        if generation == "2.9":
            async with jetstream(server.url) as js:
                await js.publish("SMALL.a", b"x")
        await judge.look()
    assert await judge.look() == ({"stream_at_ceiling"} if generation == "2.9" else {"stream_refuses_writes"})
    assert ("stream_refuses_writes" in judge.fired) == (generation != "2.9")


async def test_jetstream_that_is_off_is_told(start: Callable[..., NatsServer], http: HttpClient) -> None:
    """A server without JetStream is of no use to the stack."""
    judge = Judge(http, start(jetstream=False))
    assert await judge.look(3) == {"jetstream_disabled"}


async def test_a_restart_is_told_once(start: Callable[..., NatsServer], http: HttpClient) -> None:
    """The second look after it tells, and those of the next five minutes."""
    server = start()
    judge = Judge(http, server)
    await judge.look(2)
    server.stop()
    server.start()
    assert await judge.look() == set()
    assert await judge.look(8) == {"nats_restarted"}
    assert await judge.look(4) == set()
