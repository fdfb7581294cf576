"""The NATS side: a real JetStream client that publishes, consumes and keeps its configuration in KV."""

from __future__ import annotations

import asyncio
import json
import random
import time
from typing import Any

import nats
import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, StreamConfig
from nats.js.errors import APIError, NotFoundError
from nats.js.kv import KeyValue

from semstreams_standin import configuration
from semstreams_standin.environment import Environment
from semstreams_standin.faults import FaultBook
from semstreams_standin.logs import Log
from semstreams_standin.metrics import Figures

STREAM = "SEMSTREAMS"
SUBJECT = "semstreams.entities"
CONSUMER = "semstreams-flows"
CONFIG_BUCKET = "semstreams_config"
FLOW_BUCKET = "semstreams_flows"
STREAM_BYTES_MAX = 64 * 1024 * 1024
REQUEST_SECONDS = 2.0
RETRY_SECONDS = 1.0
CHECK_SECONDS = 5.0
NatsFailure = (nats.errors.Error, OSError, TimeoutError)


class Disconnected(Exception):
    """The connection has to be given up; the text says why."""


class Traffic:
    """Keeps one NATS connection and the messages on it going for as long as the process lives."""

    def __init__(self, environment: Environment, faults: FaultBook, figures: Figures, log: Log) -> None:
        self._environment = environment
        self._faults = faults
        self._figures = figures
        self._log = log
        self._client: Client | None = None
        self.configuration = configuration.read(environment.config)
        self.buffered = 0

    @property
    def connected(self) -> bool:
        """Whether the NATS server answers this client now."""
        return self._client is not None and self._client.is_connected

    async def keep(self) -> None:
        """Connect, work until the connection ends, and begin again; ends only by cancellation."""
        while True:
            if self._faults.get("nats_disconnect") is None:
                try:
                    await self._session()
                except* (Disconnected, *NatsFailure) as group:
                    self._figures.failures += 1
                    reason = "; ".join(sorted({str(error) or type(error).__name__ for error in group.exceptions}))
                    self._log.write("warn", "nats", "NATS connection lost", reason=reason)
                finally:
                    await self._hang_up()
            await asyncio.sleep(RETRY_SECONDS)

    async def _session(self) -> None:
        """One connection from its beginning to its end, which is always an exception."""
        client = await nats.connect(
            self._environment.nats_url,
            name="semstreams",
            allow_reconnect=False,
            connect_timeout=2,
            ping_interval=2,
            max_outstanding_pings=2,
            error_cb=self._note,
        )
        self._client = client
        self._figures.reconnects += 1
        self._figures.failures = 0
        stream = client.jetstream(timeout=REQUEST_SECONDS)
        buckets = await self._prepare(stream)
        self._log.write("info", "nats", "Connected to NATS", url=self._environment.nats_url, stream=STREAM)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._publish(stream))
            group.create_task(self._consume(stream))
            group.create_task(self._check(client, buckets))

    async def _prepare(self, stream: JetStreamContext) -> KeyValue:
        """Make sure that the stream and both buckets exist, and let file and KV agree on the configuration."""
        await stream.add_stream(
            StreamConfig(name=STREAM, subjects=["semstreams.>"], max_bytes=STREAM_BYTES_MAX, discard=DiscardPolicy.OLD)
        )
        settings = await _bucket(stream, CONFIG_BUCKET, history=5)
        flows = await _bucket(stream, FLOW_BUCKET, history=10)
        written = configuration.read(self._environment.config)
        stored = await _entries(settings)
        if configuration.newer(str(written.get("version", "")), stored.get("version", b"").decode()):
            for key, value in configuration.to_keys(written).items():
                await settings.put(key, value)
            for flow in written.get("flows", []):
                await flows.put(str(flow["name"]), json.dumps(flow).encode())
            self._log.write("info", "config", "Configuration written to KV", version=written.get("version"))
        self.configuration = {**written, **configuration.from_keys(await _entries(settings))}
        return settings

    async def _publish(self, stream: JetStreamContext) -> None:
        pause = 1.0 / self._environment.messages_per_second
        while _goes_on():
            await asyncio.sleep(pause)
            for _ in range(1 + min(self.buffered, 20)):
                await self._publish_one(stream)

    async def _publish_one(self, stream: JetStreamContext) -> None:
        message: dict[str, Any] = {
            "entity": f"sensor-{self._figures.published % 10}",
            "sequence": self._figures.published,
        }
        try:
            await stream.publish(SUBJECT, json.dumps(message).encode(), timeout=REQUEST_SECONDS)
        except APIError as refused:
            self.buffered += 1
            self._figures.errors += 1
            self._log.write("error", "nats", "Publish refused", error=refused.description, err_code=refused.err_code)
            return
        except NatsFailure:
            self.buffered += 1
            self._figures.errors += 1
            raise
        self.buffered = max(0, self.buffered - 1)
        self._figures.published += 1

    async def _consume(self, stream: JetStreamContext) -> None:
        subscription = await stream.pull_subscribe(SUBJECT, durable=CONSUMER, stream=STREAM)
        while _goes_on():
            if self._faults.get("backlog"):
                self._figures.pending = (await subscription.consumer_info()).num_pending or 0
                await asyncio.sleep(1.0)
                continue
            try:
                messages = await subscription.fetch(50, timeout=1.0)
            except TimeoutError:
                continue
            for message in messages:
                await message.ack()
                self._count_one()
            self._figures.pending = messages[-1].metadata.num_pending

    def _count_one(self) -> None:
        """Count a message that was processed, or failed because that was asked for."""
        self._figures.received += 1
        self._figures.processed += 1
        failures = self._faults.get("failures")
        if failures is not None and random.random() < failures["ratio"]:
            self._figures.failed += 1
            self._figures.errors += 1

    async def _check(self, client: Client, settings: KeyValue) -> None:
        """Measure the round trip, follow the KV configuration, and obey a requested disconnection."""
        next_check = 0.0
        while _goes_on():
            if self._faults.get("nats_disconnect") is not None:
                raise Disconnected("disconnected on request")
            if not client.is_connected:
                raise Disconnected("the server closed the connection")
            if time.monotonic() >= next_check:
                next_check = time.monotonic() + CHECK_SECONDS
                begin = time.monotonic()
                await client.flush(timeout=2)
                self._figures.rtt_seconds = time.monotonic() - begin
                await self._follow(settings)
            await asyncio.sleep(0.1)

    async def _follow(self, settings: KeyValue) -> None:
        version = (await settings.get("version")).value or b""
        if version.decode() != self.configuration.get("version"):
            self.configuration = {**self.configuration, **configuration.from_keys(await _entries(settings))}
            self._log.write("info", "config", "Configuration reloaded from KV", version=version.decode())

    async def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None and not client.is_closed:
            async with asyncio.timeout(REQUEST_SECONDS):
                await client.close()

    async def _note(self, error: Exception) -> None:
        self._log.write("warn", "nats", "NATS client error", error=str(error) or type(error).__name__)


def _goes_on() -> bool:
    """Whether nobody has ended this task; up to Python 3.11 asyncio.wait_for, which nats-py uses, may hide that."""
    task = asyncio.current_task()
    return task is not None and not task.cancelling()


async def _bucket(stream: JetStreamContext, name: str, history: int) -> KeyValue:
    try:
        return await stream.key_value(name)
    except NotFoundError:
        return await stream.create_key_value(bucket=name, history=history)


async def _entries(bucket: KeyValue) -> dict[str, bytes]:
    """Every key of a bucket with its present value."""
    found: dict[str, bytes] = {}
    watcher = await bucket.watchall()
    async for entry in watcher:
        if entry is None:
            break
        if entry.operation is None and entry.value is not None:
            found[entry.key] = entry.value
    await watcher.stop()  # type: ignore[no-untyped-call]  # nats-py leaves it without annotations
    return found
