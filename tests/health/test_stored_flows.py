"""The stored flows by the supervisor's own client, on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest

from semsupervisor.health.probes.nats_client import Door
from semsupervisor.health.stored_flows import StoredFlows
from semsupervisor.kit.clock import SystemClock
from semsupervisor.systems.connecting import Unanswered
from semsupervisor.systems.flow_store import BUCKET
from semsupervisor.systems.nats_client import Login, NatsClient
from tests.support.nats_server import NatsServer

pytestmark = pytest.mark.integration


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    """Return a running server."""
    one = NatsServer("2.14", tmp_path / "nats")
    one.start()
    yield one
    one.stop()


async def test_flows_are_read_over_one_connection(server: NatsServer) -> None:
    """Two who ask at once share it; when the server is gone that is said."""
    maker = await nats.connect(server.url)
    made = await maker.jetstream().create_key_value(bucket=BUCKET)
    await made.put("ingest", b"{}")
    await maker.close()
    client = NatsClient(SystemClock())
    door = Door(server.url.removeprefix("nats://"), lambda _: None, Login())
    stored = StoredFlows(client, door, 5.0)
    assert list(await asyncio.gather(stored(), stored())) == [[b"{}"], [b"{}"]]
    server.stop()
    with pytest.raises(Unanswered):
        await StoredFlows(client, door, 0.5)()
    await client.close()
