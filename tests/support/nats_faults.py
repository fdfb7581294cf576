"""Faults made for real on a NATS server, each by one short function that takes the address for clients."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import nats
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DiscardPolicy, StreamConfig
from nats.js.errors import APIError

PAYLOAD = b"x" * 1000


@asynccontextmanager
async def jetstream(url: str) -> AsyncIterator[JetStreamContext]:
    """Give JetStream over a connection of its own."""
    client = await nats.connect(url, name="fault")
    try:
        yield client.jetstream()
    finally:
        await client.close()


async def told(monitor: str, path: str) -> Any:
    """Return what the server's monitoring port says, read by other means than the product's."""
    return json.loads(await asyncio.to_thread(lambda: urlopen(f"{monitor}{path}", timeout=5).read()))


async def fill_stream(
    url: str, name: str, *, max_bytes: int = -1, discard: str = "old", payload: bytes = PAYLOAD, most: int = 1000
) -> int:
    """Make a stream and write until it refuses or `most` were sent; return how many writes were acknowledged."""
    async with jetstream(url) as js:
        config = StreamConfig(name=name, subjects=[f"{name}.>"], max_bytes=max_bytes, discard=DiscardPolicy(discard))
        await js.add_stream(config)
        for number in range(most):
            try:
                await js.publish(f"{name}.a", payload)
            except APIError:
                return number
    return most


async def stick_consumer(url: str, stream: str, name: str = "stuck", *, most: int = 5) -> None:
    """Make a stream with a consumer that has as many messages not acknowledged as it may, and more to deliver."""
    async with jetstream(url) as js:
        await js.add_stream(name=stream, subjects=[f"{stream}.>"])
        subscription = await js.pull_subscribe(
            f"{stream}.>", durable=name, config=ConsumerConfig(max_ack_pending=most, ack_wait=120)
        )
        for _ in range(2 * most):
            await js.publish(f"{stream}.a", PAYLOAD)
        await subscription.fetch(most, timeout=5)


async def redeliver(url: str, stream: str, times: int, name: str = "again") -> None:
    """Make a stream with a consumer that takes one message again and again and refuses it each time."""
    async with jetstream(url) as js:
        await js.add_stream(name=stream, subjects=[f"{stream}.>"])
        subscription = await js.pull_subscribe(f"{stream}.>", durable=name)
        await js.publish(f"{stream}.a", PAYLOAD)
        for _ in range(times):
            (message,) = await subscription.fetch(1, timeout=5)
            await message.nak()


async def churn(url: str, times: int) -> None:
    """Connect and leave so many times."""
    for _ in range(times):
        client = await nats.connect(url)
        await client.close()


async def cut_off_slow_client(url: str, monitor: str, *, most: int = 200) -> None:
    """Be a client that takes messages and never reads them, until the server cuts it off for that."""
    address = urlsplit(url)
    before = (await told(monitor, "/varz"))["slow_consumers"]
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await asyncio.to_thread(slow.connect, (address.hostname, address.port))
        slow.sendall(b'CONNECT {"verbose":false,"name":"slow"}\r\nSUB flood 1\r\nPING\r\n')
        client = await nats.connect(url)
        try:
            for _ in range(most):
                await client.publish("flood", b"x" * 1_000_000)
                await client.flush()
                if (await told(monitor, "/varz"))["slow_consumers"] > before:
                    return
        finally:
            await client.close()
    raise AssertionError("the server cut nobody off")


async def refused_calls(url: str, times: int) -> None:
    """Ask JetStream so many times for a stream that does not exist."""
    async with jetstream(url) as js:
        for _ in range(times):
            try:
                await js.stream_info("NO_SUCH_STREAM")
            except (APIError, NatsTimeout):
                continue
