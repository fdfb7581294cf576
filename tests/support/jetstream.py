"""States of streams and consumers for tests that decide without a server."""

from __future__ import annotations

from typing import Any

import msgspec

from semsupervisor.systems.jetstream_state import ConsumerState, JetStreamState, StreamState, Tier
from semsupervisor.systems.limits import Bounded, Unbounded

MIB = 2**20

_CONSUMER = ConsumerState(
    name="worker",
    durable=True,
    pull=True,
    delivered=50,
    delivered_sequence=50,
    ack_floor_sequence=20,
    pending=450,
    ack_pending=30,
    redelivered=0,
    waiting=0,
    max_ack_pending=Bounded(1000),
    max_deliver=Unbounded(),
    ack_wait_seconds=30.0,
    paused=False,
)
_STREAM = StreamState(
    account="$G",
    name="EVENTS",
    messages=500,
    bytes=119_000,
    first_sequence=1,
    last_sequence=500,
    consumer_count=1,
    deleted_messages=0,
    max_bytes=Bounded(10_000_000),
    max_messages=Unbounded(),
    replaces=False,
    storage="file",
    discard="old",
    retention="limits",
    expires=False,
    lag=None,
    consumers=(_CONSUMER,),
)
_STATE = JetStreamState(
    server_id="SERVER",
    memory=Tier(used_bytes=0, limit=Bounded(64 * MIB)),
    storage=Tier(used_bytes=10 * MIB, limit=Bounded(100 * MIB), reserved_bytes=10_000_000),
    api_requests=100,
    api_errors=1,
    stream_count=1,
    consumer_count=1,
    messages=500,
    streams=(_STREAM,),
)


def consumer(**changed: Any) -> ConsumerState:
    """Return a consumer with 50 delivered, 20 acknowledged and 450 pending messages, some values exchanged."""
    return msgspec.structs.replace(_CONSUMER, **changed)


def stream(**changed: Any) -> StreamState:
    """Return a stream of 500 messages far below its own ceiling, some values exchanged."""
    return msgspec.structs.replace(_STREAM, **changed)


def state(**changed: Any) -> JetStreamState:
    """Return JetStream with one stream, its storage used to a tenth, some values exchanged."""
    return msgspec.structs.replace(_STATE, **changed)
