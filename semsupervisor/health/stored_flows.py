"""The stored flows, asked of NATS by the client that the supervisor has there."""

from __future__ import annotations

from collections.abc import Sequence

from semsupervisor.health.probes.nats_client import Door
from semsupervisor.health.targets import place
from semsupervisor.systems.flow_store import stored_flows
from semsupervisor.systems.nats_client import Address, NatsClient


class StoredFlows:
    """Asks over the one connection, and makes it if it is not there."""

    def __init__(self, client: NatsClient, door: Door, timeout_seconds: float) -> None:
        self._client = client
        self._door = door
        self._timeout_seconds = timeout_seconds

    async def __call__(self) -> Sequence[bytes] | None:
        """Return what is stored of each flow, None where nothing is. Raises: SupervisorError."""
        host, port = place(self._door.target, self._door.address_of)
        await self._client.connect(Address(host, port), self._door.login, self._timeout_seconds)
        return await stored_flows(self._ask)

    async def _ask(self, subject: str, payload: bytes) -> bytes:
        return await self._client.request(subject, self._timeout_seconds, payload)
