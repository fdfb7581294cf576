"""The probe of JetStream against real servers of both generations, made full, stuck, slow and limited for real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.js.api import ConsumerConfig, StorageType

from semsupervisor.health.observation import UNLIMITED, FactValue, Observation, Subject, SubjectKind
from semsupervisor.health.probes.nats_jetstream import NatsJetStream
from semsupervisor.health.probes.nats_varz import NatsVarz
from semsupervisor.health.reaching import Endpoint
from semsupervisor.health.targets import UrlTarget
from semsupervisor.systems.http import HttpClient
from semsupervisor.systems.nats_jsz import LARGEST_ANSWER_BYTES
from tests.support.clock import ManualClock
from tests.support.nats_faults import (
    churn,
    cut_off_slow_client,
    fill_stream,
    jetstream,
    redeliver,
    refused_calls,
    stick_consumer,
    told,
)
from tests.support.nats_server import GENERATIONS, NatsServer, ServerWith
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

NATS = Subject(SubjectKind.NATS, "nats")


@pytest.fixture
def server(server_with: ServerWith) -> NatsServer:
    """Return a server of each generation whose limits are its own choice."""
    return server_with("")


class Eye:
    """The probes of one server, on a clock that the test moves."""

    def __init__(self, http: HttpClient, server: NatsServer, page: int = 1024) -> None:
        self.clock = ManualClock()
        endpoint = Endpoint(
            self.clock,
            partial(http.get, largest_bytes=LARGEST_ANSWER_BYTES),
            UrlTarget(server.monitor),
            lambda _: None,
            lag_since=lambda _: 0.0,
            mask=lambda text: text,
        )
        self._jetstream = NatsJetStream(self.clock, endpoint, "nats", 5.0)
        self._jetstream.page = page
        self._varz = NatsVarz(self.clock, endpoint, "nats", 5.0)

    async def look(self, after_seconds: float = 30.0) -> Mapping[Subject, Observation]:
        """Return what is seen some time after the look before."""
        self.clock.advance(after_seconds)
        return {one.subject: one for one in await self._jetstream.observe()}

    async def figures(self) -> Mapping[str, FactValue]:
        """Return the server's general figures."""
        return (await self._varz.observe())[0].facts


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """Return a client that is closed after the test."""
    client = HttpClient(ManualClock())
    yield client
    await client.close()


async def is_left_alone(server: NatsServer) -> bool:
    """Tell whether no client is connected any more."""
    return bool((await told(server.monitor, "/varz"))["connections"] == 0)


def of_stream(seen: Mapping[Subject, Observation], name: str) -> Observation:
    """Return what was seen of a stream."""
    return seen[Subject(SubjectKind.STREAM, name)]


def of_consumer(seen: Mapping[Subject, Observation], name: str) -> Observation:
    """Return what was seen of a consumer."""
    return seen[Subject(SubjectKind.CONSUMER, name)]


async def test_what_is_seen_is_what_the_server_and_a_client_say(server: NatsServer, http: HttpClient) -> None:
    """Facts of the tiers, a stream and a consumer are those that the server and nats-py tell by other means."""
    await stick_consumer(server.url, "ORDERS")
    async with jetstream(server.url) as js:
        await js.add_stream(name="FAST", subjects=["fast"], storage=StorageType.MEMORY, max_bytes=50_000)
        await js.publish("fast", b"1")
        info, worker = await js.stream_info("ORDERS"), await js.consumer_info("ORDERS", "stuck")
        fast, account = await js.stream_info("FAST"), await js.account_info()
    jsz = await told(server.monitor, "/jsz")
    seen = await Eye(http, server).look()
    facts, orders, consumer = seen[NATS].facts, of_stream(seen, "ORDERS").facts, of_consumer(seen, "ORDERS/stuck").facts
    assert {name: facts[f"jetstream_{name}"] for name in ("streams", "consumers", "messages")} == {
        "streams": account.streams,
        "consumers": account.consumers,
        "messages": jsz["messages"],
    }
    assert facts["jetstream_storage_used_bytes"] == account.storage == jsz["storage"]
    assert facts["jetstream_memory_used_bytes"] == account.memory == fast.state.bytes
    assert facts["jetstream_storage_limit_bytes"] == jsz["config"]["max_storage"]
    assert facts["jetstream_storage_used_ratio"] == jsz["storage"] / jsz["config"]["max_storage"]
    assert facts["jetstream_api_requests_total"] == jsz["api"]["total"]
    assert "jetstream_account_storage_used_ratio" not in facts  # the default account has no limit
    assert orders["messages"] == info.state.messages
    assert orders["used_bytes"] == info.state.bytes
    assert (orders["first_sequence"], orders["last_sequence"]) == (info.state.first_seq, info.state.last_seq)
    assert (orders["consumers"], orders["max_bytes"]) == (info.state.consumer_count, UNLIMITED)
    assert of_stream(seen, "FAST").facts["max_bytes"] == fast.config.max_bytes == 50_000
    assert (consumer["pending"], consumer["ack_pending"]) == (worker.num_pending, worker.num_ack_pending) == (5, 5)
    assert (consumer["max_ack_pending"], consumer["ack_pending_ratio"]) == (5, 1.0)
    assert (consumer["deliveries_total"], consumer["redelivered"]) == (worker.delivered.consumer_seq, 0)


async def test_general_figures_are_what_the_server_says(server: NatsServer, http: HttpClient) -> None:
    """Totals of connections and messages rise by what clients did."""
    eye = Eye(http, server)
    before = await eye.figures()
    await churn(server.url, 7)
    await eventually(lambda: is_left_alone(server))
    after, varz = await eye.figures(), await told(server.monitor, "/varz")
    assert after["connections_total"] == varz["total_connections"] == before["connections_total"] + 7  # type: ignore[operator]
    assert after["connections_used_ratio"] == varz["connections"] / varz["max_connections"]
    for fact, name in (("in_messages_total", "in_msgs"), ("out_bytes_total", "out_bytes"), ("subscriptions",) * 2):
        assert after[fact] == varz[name]


async def test_limits_that_are_set_are_the_limits(server_with: ServerWith, http: HttpClient) -> None:
    """A store with a limit has just that, and what streams reserve is what their limits add up to."""
    server = server_with("jetstream { max_file_store: 20M, max_memory_store: 4M }")
    async with jetstream(server.url) as js:
        await js.add_stream(name="A", subjects=["a"], max_bytes=3_000_000)
    facts = (await Eye(http, server).look())[NATS].facts
    assert (facts["jetstream_storage_limit_bytes"], facts["jetstream_memory_limit_bytes"]) == (20_000_000, 4_000_000)
    assert (facts["jetstream_storage_reserved_bytes"], facts["jetstream_memory_reserved_bytes"]) == (3_000_000, 0)


async def test_a_full_store_is_seen_in_the_tier_and_not_in_its_streams(
    server_with: ServerWith, http: HttpClient
) -> None:
    """Streams without a limit of their own are not at a ceiling when the server's store is full."""
    server = server_with("jetstream { max_file_store: 1M }")
    sent = await fill_stream(server.url, "GROWING", payload=b"x" * 20_000)
    assert sent < 100
    seen = await Eye(http, server).look()
    assert float(str(seen[NATS].facts["jetstream_storage_used_ratio"])) > 0.9
    assert of_stream(seen, "GROWING").facts["at_ceiling"] is False


async def test_a_store_full_of_what_evicts_takes_what_is_written(server_with: ServerWith, http: HttpClient) -> None:
    """Streams with a limit fill it and no more; only what the others write into the rest of it brings it to its end."""
    server = server_with("jetstream { max_file_store: 1M }")
    assert await fill_stream(server.url, "RING", max_bytes=950_000, payload=b"x" * 20_000, most=100) == 100
    eye = Eye(http, server)
    facts = (await eye.look())[NATS].facts
    assert float(str(facts["jetstream_storage_used_ratio"])) > 0.9
    assert facts["jetstream_storage_fill_ratio"] == 0.0
    assert await fill_stream(server.url, "GROWING", payload=b"x" * 20_000, most=100) < 5
    assert float(str((await eye.look())[NATS].facts["jetstream_storage_fill_ratio"])) > 0.8


ACCOUNTS = """
accounts {
  APP { jetstream { max_file: 1M }, users = [{ user: app, password: app }] }
  OTHER { jetstream: enabled, users = [{ user: other, password: other }] }
}
no_auth_user: other
"""


async def test_an_account_at_its_limit_is_seen(server_with: ServerWith, http: HttpClient) -> None:
    """The account is named, the server's own store is far from full, and its streams carry the account's name."""
    server = server_with(ACCOUNTS)
    app = server.url.replace("nats://", "nats://app:app@")
    await fill_stream(app, "S", payload=b"x" * 20_000)
    await fill_stream(server.url, "S", most=1)
    sizes = (1024,) if "2.9." in (await told(server.monitor, "/varz"))["version"] else (1024, 1)  # 2.9 has no order
    for page in sizes:
        seen = await Eye(http, server, page).look()
        assert float(str(seen[NATS].facts["jetstream_account_storage_used_ratio"])) > 0.9
        assert seen[NATS].evidence == {"storage_account": "APP"}
        assert float(str(seen[NATS].facts["jetstream_storage_used_ratio"])) < 0.1
        assert {subject.name for subject in seen if subject.kind is SubjectKind.STREAM} == {"APP/S", "OTHER/S"}


async def test_a_stream_that_keeps_the_newest_is_at_its_ceiling(server: NatsServer, http: HttpClient) -> None:
    """It evicts and refuses nothing."""
    assert await fill_stream(server.url, "RING", max_bytes=100_000, most=200) == 200
    seen = of_stream(await Eye(http, server).look(), "RING")
    assert (seen.facts["at_ceiling"], seen.facts["refuses_writes"]) == (True, False)
    assert seen.evidence == {"effect": "each new message evicts the oldest"}


async def test_a_stream_that_refuses_is_said_to(server: NatsServer, http: HttpClient) -> None:
    """With messages that are large beside what surrounds them both generations refuse at the ceiling."""
    assert await fill_stream(server.url, "STRICT", max_bytes=100_000, discard="new", most=200) < 100
    seen = of_stream(await Eye(http, server).look(), "STRICT")
    assert (seen.facts["at_ceiling"], seen.facts["refuses_writes"]) == (True, True)
    assert seen.evidence == {"effect": "new messages are refused"}


async def test_a_stream_that_evicts_against_its_policy_is_not_said_to_refuse(
    server: NatsServer, http: HttpClient
) -> None:
    """Small messages are evicted by the older generation and refused by the newer; each is said as it is."""
    eye = Eye(http, server)
    evicts = await fill_stream(server.url, "SMALL", max_bytes=10_000, discard="new", payload=b"x", most=500) == 500
    assert evicts == ("2.9." in str((await eye.figures())["version"]))
    await eye.look()
    async with jetstream(server.url) as js:
        for _ in range(3 if evicts else 0):
            await js.publish("SMALL.a", b"x")
    seen = of_stream(await eye.look(), "SMALL")
    assert (seen.facts["at_ceiling"], seen.facts["refuses_writes"]) == (True, not evicts)


async def test_a_consumer_at_its_limit_of_open_messages_is_stuck(server: NatsServer, http: HttpClient) -> None:
    """With all that it may have outstanding it stands still; an acknowledgement sets it going."""
    await stick_consumer(server.url, "ORDERS")
    eye = Eye(http, server)
    assert of_consumer(await eye.look(), "ORDERS/stuck").facts["stuck"] is False
    seen = of_consumer(await eye.look(300.0), "ORDERS/stuck")
    assert seen.facts["stuck"] is True
    assert seen.evidence["why"] == "5 messages are delivered and not acknowledged, and no more may be"
    async with jetstream(server.url) as js:
        await js.delete_consumer("ORDERS", "stuck")
        await js.add_consumer("ORDERS", ConsumerConfig(durable_name="stuck", ack_policy="explicit"))  # type: ignore[arg-type]
    assert of_consumer(await eye.look(), "ORDERS/stuck").facts["stuck"] is False


async def test_a_loop_of_redeliveries_is_counted(server: NatsServer, http: HttpClient) -> None:
    """Each delivery after the first of the same message is one."""
    eye = Eye(http, server)
    await redeliver(server.url, "LOOP", 1)
    before = of_consumer(await eye.look(), "LOOP/again").facts
    async with jetstream(server.url) as js:
        subscription = await js.pull_subscribe_bind("again", "LOOP")
        for _ in range(20):
            (message,) = await subscription.fetch(1, timeout=5)
            await message.nak()
    after = of_consumer(await eye.look(), "LOOP/again").facts
    assert after["redeliveries_total"] == 20
    assert int(str(after["deliveries_total"])) - int(str(before["deliveries_total"])) == 20


@pytest.mark.parametrize("gives_up", [False, True])
async def test_what_is_delivered_again_is_seen_behind_a_filter(
    gives_up: bool, server: NatsServer, http: HttpClient
) -> None:
    """While other messages come between; a server goes on counting those that it gave up, which are not such."""
    eye, again, redelivered = Eye(http, server), list[FactValue](), list[FactValue]()
    async with jetstream(server.url) as js:
        await js.add_stream(name="LOOP", subjects=["good", "bad", "other"])
        config = ConsumerConfig(max_deliver=2 if gives_up else -1)
        subscription = await js.pull_subscribe("bad", durable="again", config=config)
        await js.publish("bad", b"1")
        for look in range(5):
            for _ in range(30):
                await js.publish("other", b"1")
            if gives_up and look >= 2:
                await js.publish("bad", b"1")
            (message,) = await subscription.fetch(1, timeout=5)
            await (message.ack_sync() if gives_up and look >= 2 else message.nak())
            facts = of_consumer(await eye.look(), "LOOP/again").facts
            again.append(facts["redelivering_seconds"])
            redelivered.append(facts["redelivered"])
    assert redelivered == [0, 1, 1, 1, 1]
    assert again == ([0.0, 0.0, 30.0, 60.0, 0.0] if gives_up else [0.0, 0.0, 30.0, 60.0, 90.0])


async def test_a_slow_client_is_counted(server_with: ServerWith, http: HttpClient) -> None:
    """A client that takes messages and never reads is cut off, which the total shows."""
    server = server_with("max_pending: 2M")
    eye = Eye(http, server)
    assert (await eye.figures())["slow_consumers_total"] == 0
    await cut_off_slow_client(server.url, server.monitor)
    assert (await eye.figures())["slow_consumers_total"] == 1


async def test_failed_calls_are_a_share_of_all(server: NatsServer, http: HttpClient) -> None:
    """The share is that of the calls since the look before, of what the server counts itself."""
    eye = Eye(http, server)
    for _ in range(6):
        await eye.look()
    await refused_calls(server.url, 30)
    await eye.look()
    facts = (await eye.look())[NATS].facts
    jsz = await told(server.monitor, "/jsz")
    assert facts["jetstream_api_error_ratio"] == jsz["api"]["errors"] / jsz["api"]["total"] > 0.9


async def test_what_is_deleted_is_gone(server: NatsServer, http: HttpClient) -> None:
    """A stream that is deleted takes its consumers along, and both are told as gone."""
    await stick_consumer(server.url, "ORDERS")
    eye = Eye(http, server)
    await eye.look()
    async with jetstream(server.url) as js:
        await js.delete_stream("ORDERS")
    seen = await eye.look()
    assert of_stream(seen, "ORDERS").gone
    assert of_consumer(seen, "ORDERS/stuck").gone


@pytest.mark.parametrize("generation", GENERATIONS)
async def test_a_server_without_jetstream_is_seen(generation: str, tmp_path: Path, http: HttpClient) -> None:
    """JetStream that was never switched on is off, and nothing else is said of it."""
    server = NatsServer(generation, tmp_path, jetstream=False)
    server.start()
    try:
        seen: Mapping[Subject, Any] = await Eye(http, server).look()
    finally:
        server.stop()
    assert seen[NATS].facts == {"jetstream_enabled": False}


async def test_hundreds_of_streams_are_one_request(server: NatsServer, http: HttpClient) -> None:
    """200 streams of 5 consumers come in one answer that is larger than most may be."""
    client = await nats.connect(server.url)
    js = client.jetstream()

    async def add(name: str) -> None:
        await js.add_stream(name=name, subjects=[name], storage=StorageType.MEMORY, max_bytes=10_000)
        for number in range(5):
            await js.add_consumer(name, ConsumerConfig(durable_name=f"worker_{number}"))

    for start in range(0, 200, 20):
        await asyncio.gather(*(add(f"S{number}") for number in range(start, start + 20)))
    await client.close()
    before = (await told(server.monitor, "/varz"))["http_req_stats"].get("/jsz", 0)
    seen = await Eye(http, server).look()
    assert (await told(server.monitor, "/varz"))["http_req_stats"]["/jsz"] == before + 1
    assert (seen[NATS].facts["jetstream_streams"], seen[NATS].facts["jetstream_consumers"]) == (200, 1000)
    kinds = [subject.kind for subject in seen]
    assert (kinds.count(SubjectKind.STREAM), kinds.count(SubjectKind.CONSUMER)) == (200, 200)
    assert seen[NATS].facts["jetstream_consumers_left_out"] == 800
