"""A connection to a real NATS server, which a test may break without a word of it in the log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
from nats.aio.client import Client

from tests.support.nats_server import NatsServer


async def _quiet(_: Exception) -> None:
    """Say nothing of a connection that a test breaks."""


@asynccontextmanager
async def connected(server: NatsServer) -> AsyncIterator[Client]:
    """Return a connection of its own."""
    client = await nats.connect(server.url, error_cb=_quiet, allow_reconnect=False)
    try:
        yield client
    finally:
        await client.close()
