"""What a client sees of its account's streams, and that they are watched by it while the monitoring port is closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from nats.js.api import ConsumerConfig, StorageType

from semsupervisor.health.client_streams import ClientStreams
from semsupervisor.health.observation import Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.probes.nats_client import Door
from semsupervisor.health.probes.nats_jetstream import NatsJetStream
from semsupervisor.health.reaching import Endpoint
from semsupervisor.health.targets import UrlTarget
from semsupervisor.kit.clock import SystemClock
from semsupervisor.settings.forms import Secret
from semsupervisor.systems.connecting import Refused
from semsupervisor.systems.http import Answer, HttpClient
from semsupervisor.systems.nats_client import Login, NatsClient
from semsupervisor.systems.nats_jsz import LARGEST_ANSWER_BYTES
from tests.support.nats_faults import jetstream, stick_consumer
from tests.support.nats_server import GENERATIONS, NatsServer, ServerWith
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

ACCOUNTS = """
accounts {
  APP { jetstream: enabled, users = [{ user: app, password: app }] }
  OTHER { jetstream: enabled, users = [{ user: other, password: other }] }
}
"""
TIMEOUT_SECONDS = 30.0
WORKER = Subject(SubjectKind.CONSUMER, "APP/ORDERS/stuck")


class Port:
    """The monitoring port of a server, which is closed from some moment on."""

    def __init__(self, http: HttpClient) -> None:
        self.closed = False
        self._get = partial(http.get, largest_bytes=LARGEST_ANSWER_BYTES)

    async def get(self, url: str, timeout_seconds: float) -> Answer:
        """Ask it."""
        if self.closed:
            raise Refused("Connection refused")
        return await self._get(url, timeout_seconds)


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    """Return a monitoring port that is open."""
    http = HttpClient(SystemClock())
    yield Port(http)
    await http.close()


@pytest.fixture
async def client() -> AsyncIterator[NatsClient]:
    """Return a client that is closed in the end."""
    one = NatsClient(SystemClock())
    yield one
    await one.close()


def streams_of(client: NatsClient, server: NatsServer, login: Login) -> ClientStreams:
    """Return what asks a server for the streams of a login."""
    return ClientStreams(client, Door(urlsplit(server.url).netloc, lambda _: None, login), TIMEOUT_SECONDS)


async def test_streams_are_watched_by_the_client_while_the_port_is_closed(
    server_with: ServerWith, client: NatsClient, port: Port
) -> None:
    """They keep their names and their facts; what the client does not see is unknown, and nothing is gone."""
    server = server_with(ACCOUNTS)
    app, other = (server.url.replace("nats://", f"nats://{name}:{name}@") for name in ("app", "other"))
    await stick_consumer(app, "ORDERS")
    async with jetstream(other) as js:
        await js.add_stream(name="HIDDEN", subjects=["hidden"])
    login = Login(username="app", password=Secret("app", "here"))
    endpoint = Endpoint(
        SystemClock(),
        port.get,
        UrlTarget(server.monitor),
        lambda _: None,
        lag_since=lambda _: 0.0,
        mask=lambda text: text,
    )
    probe = NatsJetStream(
        SystemClock(), endpoint, "nats", TIMEOUT_SECONDS, streams_of_client=streams_of(client, server, login)
    )

    async def look() -> Mapping[Subject, Observation]:
        return {one.subject: one for one in await probe.observe()}

    before = await look()
    port.closed = True
    after, again = await look(), await look()
    assert set(before) == set(after) == set(again)
    assert not any(one.gone for one in after.values())
    assert after[Subject(SubjectKind.NATS, "nats")].outcome is Outcome.DOWN
    for name, known in (("APP/ORDERS", True), ("OTHER/HIDDEN", False)):
        subject = Subject(SubjectKind.STREAM, name)
        assert (after[subject].facts == before[subject].facts) is known
        assert isinstance(after[subject].facts["messages"], Unknown) is not known
    facts = after[WORKER].facts
    assert (facts["pending"], facts["ack_pending"], facts["max_ack_pending"]) == (5, 5, 5)
    port.closed = False
    assert not any(one.gone for one in (await look()).values())


async def test_without_a_client_that_gets_in_nothing_is_known(
    server_with: ServerWith, client: NatsClient, port: Port
) -> None:
    """The port's silence is what is told then."""
    server = server_with(ACCOUNTS)
    port.closed = True
    endpoint = Endpoint(
        SystemClock(), port.get, UrlTarget(server.monitor), lambda _: None, lag_since=lambda _: 0.0, mask=str
    )
    refused = streams_of(client, server, Login(username="app", password=Secret("wrong", "here")))
    for own in (None, refused):
        probe = NatsJetStream(SystemClock(), endpoint, "nats", TIMEOUT_SECONDS, streams_of_client=own)
        (only,) = await probe.observe()
        assert (only.outcome, only.evidence) == (Outcome.DOWN, {"error": "Connection refused"})


@pytest.mark.parametrize("generation", GENERATIONS)
async def test_a_flipped_bit_in_a_stream_is_told_by_the_client(
    generation: str, tmp_path: Path, client: NatsClient, port: Port
) -> None:
    """What the monitoring port never tells of is told, as lost and without a number of messages."""
    with NatsServer(generation, tmp_path / "server") as server:
        async with jetstream(server.url) as js:
            await js.add_stream(name="LEDGER", subjects=["ledger"])
            for _ in range(20):
                await js.publish("ledger", b"x" * 1000)
        messages = server.streams / "LEDGER" / "msgs"
        await eventually(lambda: sum(one.stat().st_size for one in messages.glob("*.blk")) > 20_000)
        server.stop()
        for index in (*messages.glob("*.idx"), *messages.glob("index.db")):
            index.unlink()
        (block,) = messages.glob("*.blk")
        held = bytearray(block.read_bytes())
        held[len(held) // 2] ^= 1
        block.write_bytes(held)
        server.start()
        endpoint = Endpoint(
            SystemClock(), port.get, UrlTarget(server.monitor), lambda _: None, lag_since=lambda _: 0.0, mask=str
        )
        own = streams_of(client, server, Login())
        probe = NatsJetStream(SystemClock(), endpoint, "nats", TIMEOUT_SECONDS, streams_of_client=own, lost_of=own.lost)
        (found,) = [one for one in await probe.observe() if one.subject.kind is SubjectKind.STREAM]
    assert found.facts["damage_told"] is True
    assert isinstance(lost := found.facts["lost_bytes"], int)
    assert lost > 0
    assert "lost_messages" not in found.facts


async def test_lists_come_in_pages(server_with: ServerWith, client: NatsClient) -> None:
    """Of 260 consumers the second page is asked for as well, and each comes once."""
    server = server_with("")
    async with jetstream(server.url) as js:
        await js.add_stream(name="MANY", subjects=["many"], storage=StorageType.MEMORY)
        for start in range(0, 260, 20):
            names = [f"c{number}" for number in range(start, start + 20)]
            await asyncio.gather(*(js.add_consumer("MANY", ConsumerConfig(durable_name=name)) for name in names))
    (found,) = await streams_of(client, server, Login())()
    assert (found.name, found.consumer_count) == ("MANY", 260)
    assert len({one.name for one in found.consumers}) == len(found.consumers) == 260
