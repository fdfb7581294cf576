"""Every fact about NATS, its streams and its consumers against another reading: the server's own JSON, and nats-py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, StorageType, StreamConfig, StreamSource

from semsupervisor.alerts.facts import FACTS
from semsupervisor.health.observation import FactValue, Subject, SubjectKind
from semsupervisor.health.probes.nats_client import Door, NatsClientProbe
from semsupervisor.health.probes.nats_connz import NatsConnz
from semsupervisor.health.probes.nats_health import NatsHealth
from semsupervisor.health.probes.nats_jetstream import NatsJetStream
from semsupervisor.health.probes.nats_varz import NatsVarz
from semsupervisor.health.probing import Probe
from semsupervisor.health.reaching import Endpoint
from semsupervisor.health.targets import UrlTarget
from semsupervisor.kit.clock import SystemClock
from semsupervisor.systems.http import HttpClient
from semsupervisor.systems.nats_client import Login, NatsClient
from semsupervisor.systems.nats_jsz import LARGEST_ANSWER_BYTES
from tests.support.certificates import self_signed
from tests.support.nats_faults import told
from tests.support.nats_server import GENERATIONS, NatsServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

CONFIGURATION = """
max_connections: 50
jetstream { max_file_store: 50M, max_memory_store: 5M }
accounts {
  APP { jetstream { max_file: 20M, max_mem: 2M, max_streams: 8, max_consumers: 9 }, users = [{ user: a, password: a }] }
}
no_auth_user: a
"""
# What moves between two readings is held to be there and of a possible size.
MOVING = {"client_rtt_seconds", "still_seconds", "reconnections_total", "memory_used_bytes", "cpu_used_processors"}
# What goes on counting is held between two readings.
COUNTING = {
    "in_messages_total": "in_msgs",
    "out_messages_total": "out_msgs",
    "in_bytes_total": "in_bytes",
    "out_bytes_total": "out_bytes",
}
# What a server tells or not by its generation, or by what is set up.
SOMETIMES = {"stalled_clients_total", "certificate_expires_at"}

Facts = Mapping[str, FactValue]


@pytest.fixture(params=GENERATIONS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NatsServer]:
    """Return a server of each generation whose limits are all set."""
    one = NatsServer(request.param, tmp_path, configuration=CONFIGURATION)
    one.start()
    yield one
    one.stop()


@pytest.fixture
async def client(server: NatsServer) -> AsyncIterator[Client]:
    """Return a client of the server, with streams and consumers of which every figure is another."""
    one = await nats.connect(server.url, name="semstreams")
    try:
        js = one.jetstream()
        await js.add_stream(
            StreamConfig(name="ORDERS", subjects=["orders", "orders.>"], max_msgs=100, max_bytes=1_000_000)
        )
        for number in range(20):
            await js.publish("orders", b"x" * number)
        await js.delete_msg("ORDERS", 12)
        await js.delete_msg("ORDERS", 1)
        await js.add_stream(StreamConfig(name="COPY", mirror=StreamSource(name="ORDERS"), storage=StorageType.MEMORY))
        await eventually(lambda: is_copied(js))
        busy = await js.pull_subscribe("orders", durable="busy", config=ConsumerConfig(max_ack_pending=7))
        for message in (await busy.fetch(5, timeout=30))[:2]:
            await message.nak()
        again = 0
        while again < 2:
            (message,) = await busy.fetch(1, timeout=30)
            again += int((message.metadata.num_delivered or 0) > 1)
        yield one
    finally:
        await one.close()


async def is_copied(js: JetStreamContext) -> bool:
    """Tell whether the copy has all that the original has."""
    return bool((await js.stream_info("COPY")).state.messages == 18)


async def is_waited_for(js: JetStreamContext) -> bool:
    """Tell whether somebody waits for messages of the consumer that has none."""
    return bool((await js.consumer_info("ORDERS", "idle")).num_waiting)


async def seen(server: NatsServer, probes: list[Probe]) -> dict[Subject, dict[str, FactValue]]:
    """Return the facts of all subjects that the probes see."""
    facts: dict[Subject, dict[str, FactValue]] = {}
    for probe in probes:
        for one in await probe.observe():
            facts.setdefault(one.subject, {}).update(one.facts)
    return facts


@pytest.fixture
async def probes(server: NatsServer) -> AsyncIterator[list[Probe]]:
    """Return all probes of the server."""
    clock, http = SystemClock(), HttpClient(SystemClock())
    endpoint = Endpoint(
        clock,
        partial(http.get, largest_bytes=LARGEST_ANSWER_BYTES),
        UrlTarget(server.monitor),
        lambda _: None,
        lag_since=lambda _: 0.0,
        mask=lambda text: text,
    )
    ours = NatsClient(clock)
    door = Door(server.url.removeprefix("nats://"), lambda _: None, Login())
    yield [
        NatsClientProbe(clock, ours, door, "nats", 5.0, lag_since=lambda _: 0.0, mask=lambda text: text),
        NatsHealth(clock, endpoint, "nats", 5.0),
        NatsVarz(clock, endpoint, "nats", 5.0),
        NatsConnz(clock, endpoint, "nats", 5.0, ["semstreams", "gateway"]),
        NatsJetStream(clock, endpoint, "nats", 5.0),
    ]
    await ours.close()
    await http.close()


def of_server(varz: Any, jsz: Any, connz: Any, account: Any) -> Facts:
    """Return what the facts about the server should be."""
    use, limits = jsz, jsz["config"]
    (app,) = [one for one in jsz["account_details"] if one["name"] == "APP"]
    return {
        "reachable": True,
        "healthy": True,
        "full_check_passed": True,
        "restarted": False,
        "client_connected": True,
        "jetstream_enabled": not jsz.get("disabled", False),
        "version": varz["version"],
        "server_id": varz["server_id"],
        "started_at": moment(varz["start"]),
        "config_loaded_at": moment(varz["config_load_time"]),
        "connections": varz["connections"],
        "connections_total": varz["total_connections"],
        "max_connections": varz["max_connections"],
        "connections_used_ratio": varz["connections"] / 50,
        "subscriptions": varz["subscriptions"],
        "slow_consumers_total": varz["slow_consumers"],
        "client_pending_bytes": max(one["pending_bytes"] for one in connz["connections"]),
        "expected_clients_missing": 1,
        "jetstream_memory_used_bytes": use["memory"],
        "jetstream_memory_reserved_bytes": use["reserved_memory"],
        "jetstream_memory_limit_bytes": limits["max_memory"],
        "jetstream_memory_used_ratio": use["memory"] / 5_000_000,
        "jetstream_memory_fill_ratio": use["memory"] / 5_000_000,
        "jetstream_storage_used_bytes": use["storage"],
        "jetstream_storage_reserved_bytes": use["reserved_storage"],
        "jetstream_storage_limit_bytes": limits["max_storage"],
        "jetstream_storage_used_ratio": use["storage"] / 50_000_000,
        "jetstream_storage_fill_ratio": 0.0,  # its one stream has a limit
        "jetstream_account_memory_used_ratio": app["memory"] / 2_000_000,
        "jetstream_account_memory_fill_ratio": app["memory"] / 2_000_000,
        "jetstream_account_storage_used_ratio": app["storage"] / 20_000_000,
        "jetstream_account_storage_fill_ratio": 0.0,
        "jetstream_streams": jsz["streams"],
        "jetstream_consumers": jsz["consumers"],
        "jetstream_messages": jsz["messages"],
        "jetstream_streams_left_out": 0,
        "jetstream_consumers_left_out": 0,
        "jetstream_api_requests_total": jsz["api"]["total"],
        "jetstream_api_errors_total": jsz["api"]["errors"],
        "jetstream_api_error_ratio": 0.0,
        "account_memory_used_bytes": account.memory,
        "account_memory_limit_bytes": account.limits.max_memory,
        "account_memory_used_ratio": account.memory / account.limits.max_memory,
        "account_storage_used_bytes": account.storage,
        "account_storage_limit_bytes": account.limits.max_storage,
        "account_storage_used_ratio": account.storage / account.limits.max_storage,
        "account_streams": account.streams,
        "account_max_streams": account.limits.max_streams,
        "account_streams_used_ratio": account.streams / account.limits.max_streams,
        "account_consumers": account.consumers,
        "account_max_consumers": account.limits.max_consumers,
        "account_consumers_used_ratio": account.consumers / account.limits.max_consumers,
    }


def of_stream(info: Any) -> Facts:
    """Return what the facts about a stream should be, by what nats-py is told."""
    state, config = info.state, info.config
    return {
        "messages": state.messages,
        "used_bytes": state.bytes,
        "max_bytes": config.max_bytes,
        "used_ratio": state.bytes / config.max_bytes,
        "max_messages": config.max_msgs,
        "messages_used_ratio": state.messages / config.max_msgs,
        "at_ceiling": False,
        "refuses_writes": False,
        "discard": config.discard,
        "first_sequence": state.first_seq,
        "last_sequence": state.last_seq,
        "consumers": state.consumer_count,
        "deleted_messages": state.num_deleted,
    }


def of_consumer(info: Any) -> Facts:
    """Return what the facts about a consumer should be, by what nats-py is told."""
    return {
        "pending": info.num_pending,
        "ack_pending": info.num_ack_pending,
        "max_ack_pending": info.config.max_ack_pending,
        "ack_pending_ratio": info.num_ack_pending / info.config.max_ack_pending,
        "redelivered": info.num_redelivered,
        "deliveries_total": info.delivered.consumer_seq,
        "redeliveries_total": 0,  # those before the first look are not seen
        "redelivering_seconds": 0.0,
        "waiting_pulls": info.num_waiting,
        "paused": False,
        "stuck": False,
        "stuck_seconds": 0.0,
    }


def moment(text: str) -> str:
    """Return a time of the server as facts have it: in UTC, rounded to the microsecond."""
    whole, _, rest = text.removesuffix("Z").partition(".")
    fraction = timedelta(microseconds=round(int(f"{rest:<09}") / 1000))
    return (datetime.fromisoformat(f"{whole}+00:00") + fraction).isoformat()


async def test_facts_about_the_server(server: NatsServer, client: Client, probes: list[Probe]) -> None:
    """Each is what the server's own JSON says, or what nats-py is told; none is left out of the comparison."""
    await seen(server, probes)  # our own client is connected from now on
    before = await told(server.monitor, "/varz")
    ours = (await seen(server, probes))[Subject(SubjectKind.NATS, "nats")]
    varz, connz = await told(server.monitor, "/varz"), await told(server.monitor, "/connz")
    jsz = await told(server.monitor, "/jsz?accounts=true")
    account = await client.jetstream().account_info()
    theirs = of_server(varz, jsz, connz, account)
    others = MOVING | SOMETIMES | COUNTING.keys()
    assert {name: value for name, value in ours.items() if name not in others} == theirs
    assert theirs.keys() | others >= FACTS[SubjectKind.NATS].keys()
    for fact, name in COUNTING.items():
        assert before[name] <= int(str(ours[fact])) <= varz[name]
    assert ours.get("stalled_clients_total") == varz.get("stalled_clients")
    assert 0.5 * varz["mem"] < float(str(ours["memory_used_bytes"])) < 2 * varz["mem"]
    assert 0.0 < float(str(ours["client_rtt_seconds"])) < 5.0
    assert 0.0 <= float(str(ours["cpu_used_processors"])) < 100.0


async def test_facts_about_streams_and_consumers(server: NatsServer, client: Client, probes: list[Probe]) -> None:
    """Each is what nats-py is told; none is left out of the comparison."""
    js = client.jetstream()
    await js.add_consumer(
        "ORDERS", ConsumerConfig(durable_name="idle", filter_subject="orders.none", ack_policy=AckPolicy.EXPLICIT)
    )
    idle = await js.pull_subscribe_bind("idle", "ORDERS")
    waiting = asyncio.create_task(idle.fetch(1, timeout=20))
    await eventually(lambda: is_waited_for(js))
    ours = await seen(server, probes)
    orders = ours[Subject(SubjectKind.STREAM, "APP/ORDERS")]
    theirs = of_stream(await js.stream_info("ORDERS"))
    assert orders == theirs
    assert (theirs["deleted_messages"], theirs["first_sequence"]) == (1, 2)
    copy = await js.stream_info("COPY")
    assert copy.mirror is not None
    assert ours[Subject(SubjectKind.STREAM, "APP/COPY")]["lag_messages"] == copy.mirror.lag
    assert (
        theirs.keys() | {"lag_messages", "refusal_ratio", "damage_told", "went_back", "lost_messages", "lost_bytes"}
        == FACTS[SubjectKind.STREAM].keys()
    )
    for name in ("busy", "idle"):
        facts = ours[Subject(SubjectKind.CONSUMER, f"APP/ORDERS/{name}")]
        expected = of_consumer(await js.consumer_info("ORDERS", name))
        assert {fact: value for fact, value in facts.items() if fact not in MOVING} == expected
        assert facts.keys() == FACTS[SubjectKind.CONSUMER].keys()
    assert ours[Subject(SubjectKind.CONSUMER, "APP/ORDERS/busy")]["redelivered"] == 2
    assert ours[Subject(SubjectKind.CONSUMER, "APP/ORDERS/idle")]["waiting_pulls"] == 1
    waiting.cancel()
    await asyncio.wait([waiting])


async def test_the_end_of_the_servers_certificate(tmp_path: Path) -> None:
    """Where the server tells it, it is the fact."""
    made = self_signed(tmp_path, days=3)
    configuration = f"tls {{ cert_file: '{made.file}', key_file: '{made.key}' }}"
    server = NatsServer("2.14", tmp_path / "server", configuration=configuration)
    server.start()
    http = HttpClient(SystemClock())
    try:
        endpoint = Endpoint(
            SystemClock(),
            http.get,
            UrlTarget(server.monitor),
            lambda _: None,
            lag_since=lambda _: 0.0,
            mask=lambda text: text,
        )
        (seen_now,) = await NatsVarz(SystemClock(), endpoint, "nats", 5.0).observe()
        varz = await told(server.monitor, "/varz")
    finally:
        await http.close()
        server.stop()
    assert seen_now.facts["certificate_expires_at"] == moment(varz["tls_cert_not_after"])
