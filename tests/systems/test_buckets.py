"""What the keys of a bucket hold, asked of servers of both generations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import nats
import pytest
from nats.aio.client import Client

from semsupervisor.systems import buckets
from semsupervisor.systems.buckets import BucketKey, BucketTooLarge, BucketUnread
from tests.support.nats_server import GENERATIONS, NatsServer


@pytest.fixture(params=GENERATIONS, scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a running server of each generation."""
    one = NatsServer(request.param, tmp_path_factory.mktemp("nats"))
    one.start()
    yield one
    one.stop()


@asynccontextmanager
async def connected(server: NatsServer) -> AsyncIterator[Client]:
    """Return a connection."""
    client = await nats.connect(server.url)
    try:
        yield client
    finally:
        await client.close()


async def test_the_last_value_of_each_key_is_read(server: NatsServer) -> None:
    """Keys that were deleted or purged are not there, and the server holds no consumer for it."""
    async with connected(server) as client:
        bucket = await client.jetstream().create_key_value(bucket="values", history=5)
        for key, value in (("b", b"1"), ("a.x", b"2"), ("b", b"3"), ("gone", b"4"), ("purged", b"5")):
            await bucket.put(key, value)
        await bucket.delete("gone")
        await bucket.purge("purged")
        assert await buckets.read(client, "values") == [BucketKey("a.x", 2, b"2"), BucketKey("b", 3, b"3")]
        assert (await client.jetstream().stream_info("KV_values")).state.consumer_count == 0


async def test_a_bucket_without_keys_is_empty(server: NatsServer) -> None:
    """It is there all the same."""
    async with connected(server) as client:
        await client.jetstream().create_key_value(bucket="empty")
        assert await buckets.read(client, "empty") == []


async def test_what_is_too_much_is_not_read(server: NatsServer) -> None:
    """Keys and values together have a limit."""
    async with connected(server) as client:
        bucket = await client.jetstream().create_key_value(bucket="large")
        await bucket.put("key", bytes(100))
        assert len(await buckets.read(client, "large", 103)) == 1
        with pytest.raises(BucketTooLarge, match="the bucket large holds more than"):
            await buckets.read(client, "large", 102)


async def test_what_cannot_be_read_is_told(server: NatsServer) -> None:
    """A bucket that is not there, and a connection that is gone."""
    async with connected(server) as client:
        with pytest.raises(BucketUnread, match="stream not found"):
            await buckets.read(client, "absent")
    with pytest.raises(BucketUnread, match="connection closed"):
        await buckets.read(client, "absent")
