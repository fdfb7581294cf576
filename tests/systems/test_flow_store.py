"""The flows in NATS' bucket, on real servers of both generations."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator

import nats
import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.kv import KeyValue

from semsupervisor.systems.bodies import Unreadable
from semsupervisor.systems.flow_store import BUCKET, MOST_FLOWS, NAMES, STREAM, stored_flows
from tests.support.nats_faults import told
from tests.support.nats_server import GENERATIONS, NatsServer

pytestmark = pytest.mark.integration

THERE = json.dumps({"streams": [STREAM]}).encode()


@pytest.fixture(scope="module", params=GENERATIONS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a running server of each generation."""
    one = NatsServer(request.param, tmp_path_factory.mktemp("nats"))
    one.start()
    yield one
    one.stop()


@pytest.fixture
async def client(server: NatsServer) -> AsyncIterator[Client]:
    """Return a client; the bucket is not there, and goes after the test."""
    one = await nats.connect(server.url)
    yield one
    await one.jetstream().delete_key_value(BUCKET)
    await one.close()


async def read(client: Client) -> list[bytes] | None:
    """Return what is stored."""

    async def ask(subject: str, payload: bytes) -> bytes:
        return bytes((await client.request(subject, payload, timeout=5)).data)

    found = await stored_flows(ask)
    return None if found is None else list(found)


async def bucket(stream: JetStreamContext) -> KeyValue:
    """Return a new bucket as SemStreams makes it."""
    return await stream.create_key_value(bucket=BUCKET, history=10)


async def test_the_present_values_are_read(client: Client) -> None:
    """Without a bucket there is nothing; then the newest value of each key counts, and removed ones do not."""
    assert await read(client) is None
    made = await bucket(client.jetstream())
    assert await read(client) == []
    for name in ("ingest", "graph", "export", "old"):
        await made.put(name, json.dumps({"name": name}).encode())
    await made.put("graph", b'{"name":"graph","enabled":false}')
    await made.delete("export")
    await made.purge("old")
    assert await read(client) == [b'{"name":"graph","enabled":false}', b'{"name": "ingest"}']


async def test_looking_for_a_bucket_that_is_not_there_fails_no_call(client: Client, server: NatsServer) -> None:
    """A look where nothing is stored does not raise the share of failed calls, on which there is a rule."""
    before = (await told(server.monitor, "/jsz"))["api"]["errors"]
    assert await read(client) is None
    assert (await told(server.monitor, "/jsz"))["api"]["errors"] == before
    await bucket(client.jetstream())


async def test_many_flows_are_bounded(client: Client) -> None:
    """No bucket, however large, makes more than so many questions."""
    made = await bucket(client.jetstream())
    for number in range(MOST_FLOWS + 5):
        await made.put(f"flow-{number}", b"{}")
    assert len(await read(client) or ()) == MOST_FLOWS


@pytest.mark.parametrize(
    ("info", "value"),
    [
        (b"<", b""),
        (b"{}", b""),
        (b'{"error":{"code":503,"err_code":10008,"description":"unavailable"}}', b""),
        (b'{"state":{"subjects":{"a":1}}}', b"<"),
        (b'{"state":{"subjects":{"a":1}}}', b'{"message":{"data":"%"}}'),
    ],
)
async def test_what_cannot_be_read_is_said(info: bytes, value: bytes) -> None:
    """An answer that is none is no empty bucket."""

    async def ask(subject: str, _: bytes) -> bytes:
        if subject == NAMES:
            return THERE
        return info if ".INFO." in subject else value

    with pytest.raises(Unreadable):
        await stored_flows(ask)


async def test_a_value_that_has_just_gone_is_left_out() -> None:
    """Between the list and the look a flow may be removed for good."""

    async def ask(subject: str, _: bytes) -> bytes:
        if subject == NAMES:
            return THERE
        if ".INFO." in subject:
            return b'{"state":{"subjects":{"a":1}}}'
        return b'{"error":{"code":404,"err_code":10037,"description":"no message found"}}'

    assert await stored_flows(ask) == []


async def test_without_jetstream_nothing_is_stored() -> None:
    """A server or an account without JetStream has no bucket."""

    async def ask(_: str, __: bytes) -> bytes:
        return b'{"error":{"code":503,"err_code":10039,"description":"jetstream not enabled for account"}}'

    assert await stored_flows(ask) is None


async def test_a_bucket_that_has_just_gone_is_none() -> None:
    """Between its name and its state it may be deleted."""

    async def ask(subject: str, _: bytes) -> bytes:
        return THERE if subject == NAMES else b'{"error":{"code":404,"err_code":10059,"description":"not found"}}'

    assert await stored_flows(ask) is None


async def test_names_that_cannot_be_read_are_no_empty_bucket() -> None:
    """Another error than that nothing is there is said."""

    async def ask(_: str, __: bytes) -> bytes:
        return b'{"error":{"code":503,"err_code":10008,"description":"unavailable"}}'

    with pytest.raises(Unreadable, match="unavailable"):
        await stored_flows(ask)
