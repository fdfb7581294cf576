"""The streams of the account that the supervisor's own client logs in to, asked of JetStream's API one page at a time.

It is what is left to look with where the monitoring port, which tells of every account, does not answer; and it alone
tells what was lost.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from semsupervisor.health.probes.nats_client import Door
from semsupervisor.health.targets import place
from semsupervisor.systems import jetstream_lost
from semsupervisor.systems.jetstream_lost import parse_lost
from semsupervisor.systems.jetstream_state import ConsumerState, Lost, StreamState
from semsupervisor.systems.nats_client import Address, NatsClient
from semsupervisor.systems.nats_jsz import listed_consumers, listed_streams

STREAMS = "$JS.API.STREAM.LIST"
CONSUMERS = "$JS.API.CONSUMER.LIST"
# Each is a question of its own: of more streams than these only the first are asked for, and of their consumers.
MOST_PAGES = 4


class ClientStreams:
    """Asks over the one connection, and makes it if it is not there."""

    def __init__(self, client: NatsClient, door: Door, timeout_seconds: float) -> None:
        self._client = client
        self._door = door
        self._timeout_seconds = timeout_seconds

    async def __call__(self) -> Sequence[StreamState]:
        """Return what the account has. Raises: SupervisorError."""
        await self._connect()
        found: list[StreamState] = []
        for _ in range(MOST_PAGES):
            total, page = listed_streams(await self._ask(STREAMS, len(found)))
            found += page
            if not page or len(found) >= total:
                break
        return [msgspec.structs.replace(one, consumers=await self._consumers(one)) for one in found]

    async def lost(self, name: str) -> Lost:
        """Return what the server tells was lost of a stream of the account. Raises: SupervisorError."""
        await self._connect()
        subject = f"{jetstream_lost.SUBJECT}.{name}"
        return parse_lost(await self._client.request(subject, self._timeout_seconds, jetstream_lost.REQUEST))

    async def _connect(self) -> None:
        host, port = place(self._door.target, self._door.address_of)
        await self._client.connect(Address(host, port), self._door.login, self._timeout_seconds)

    async def _consumers(self, stream: StreamState) -> tuple[ConsumerState, ...]:
        found: list[ConsumerState] = []
        while len(found) < stream.consumer_count:
            _, page = listed_consumers(await self._ask(f"{CONSUMERS}.{stream.name}", len(found)))
            if not page:
                break
            found += page
        return tuple(found)

    async def _ask(self, subject: str, offset: int) -> bytes:
        payload = msgspec.json.encode({"offset": offset})
        return await self._client.request(subject, self._timeout_seconds, payload)
