"""What a NATS server of any generation says of JetStream over its monitoring port: /jsz.

The numbers called `reserved_*` of an account are the account's limits, not what is reserved; those of the server are
what is reserved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from semsupervisor.systems.bodies import NotOffered, Unreadable, json_as
from semsupervisor.systems.jetstream_state import (
    DEFAULT_ACCOUNT,
    AccountUse,
    ConsumerState,
    JetStreamState,
    StreamState,
    Tier,
)
from semsupervisor.systems.limits import Limit, Unbounded, limit

OK = 200
NOT_FOUND = 404
PAGE = 1024
MOST_PAGES = 8
# A consumer with its configuration takes 1.1 KiB in an answer: three thousand of them fit.
LARGEST_ANSWER_BYTES = 4 * 2**20
NANOSECONDS = 1e9

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Duration = Annotated[int, Meta(le=2**63 - 1)]
Told = int | float | None


class _Api(msgspec.Struct):
    total: Count
    errors: Count


class _ServerLimits(msgspec.Struct):
    max_memory: Told = None
    max_storage: Told = None


class _Sequences(msgspec.Struct):
    consumer_seq: Count
    stream_seq: Count


class _ConsumerConfig(msgspec.Struct):
    durable_name: str = ""
    deliver_subject: str = ""
    ack_wait: Duration = 0
    max_ack_pending: Told = None
    max_deliver: Told = None
    inactive_threshold: Duration = 0


class _Consumer(msgspec.Struct):
    name: Name
    delivered: _Sequences
    ack_floor: _Sequences
    num_ack_pending: Count
    num_redelivered: Count
    num_waiting: Count
    num_pending: Count
    config: _ConsumerConfig | None = None
    paused: bool = False


class _StreamConfig(msgspec.Struct):
    max_bytes: Told = None
    max_msgs: Told = None
    max_msgs_per_subject: Told = None
    max_age: Duration = 0
    storage: str = ""
    discard: str = ""
    retention: str = ""
    allow_msg_ttl: bool = False


class _State(msgspec.Struct):
    messages: Count
    bytes: Count
    first_seq: Count
    last_seq: Count
    consumer_count: Count
    num_deleted: Count = 0


class _Source(msgspec.Struct):
    lag: Count = 0


class _Stream(msgspec.Struct):
    name: Name
    state: _State
    config: _StreamConfig | None = None
    consumer_detail: list[_Consumer] | None = None
    mirror: _Source | None = None
    sources: list[_Source] | None = None
    created: str = ""


class _Account(msgspec.Struct):
    name: Name
    memory: Count
    storage: Count
    reserved_memory: Told = None
    reserved_storage: Told = None
    stream_detail: list[_Stream] | None = None


class _Switch(msgspec.Struct):
    server_id: Name
    disabled: bool = False


class _Cluster(msgspec.Struct):
    """That there is one is all that is read of it."""


class _Jsz(msgspec.Struct):
    server_id: Name
    config: _ServerLimits
    memory: Count
    storage: Count
    reserved_memory: Count
    reserved_storage: Count
    api: _Api
    streams: Count
    consumers: Count
    messages: Count
    account_details: list[_Account] | None = None
    meta_cluster: _Cluster | None = None


class _ListedConfig(_StreamConfig, kw_only=True):
    name: Name


class _Listed(msgspec.Struct):
    state: _State
    config: _ListedConfig
    mirror: _Source | None = None
    sources: list[_Source] | None = None


class _Streams(msgspec.Struct):
    total: Count
    streams: list[_Listed] | None = None


class _Consumers(msgspec.Struct):
    total: Count
    consumers: list[_Consumer] | None = None


_STREAMS = msgspec.json.Decoder(_Streams)
_CONSUMERS = msgspec.json.Decoder(_Consumers)
_SWITCH = msgspec.json.Decoder(_Switch)
_JSZ = msgspec.json.Decoder(_Jsz)


def path(*, consumers: bool = True, offset: int = 0, page: int = PAGE) -> str:
    """Return what to ask for: a page of accounts with all their streams, and the consumers of these or not."""
    what = f"/jsz?accounts=true&streams=true&consumers={str(consumers).lower()}&config=true"
    return f"{what}&offset={offset}&limit={page}"


def parse_jsz(http_status: int, body: bytes) -> JetStreamState | None:
    """Read an answer of /jsz; None when JetStream is off, which comes with 200. Raises: NotOffered, Unreadable."""
    if http_status == NOT_FOUND:
        raise NotOffered("the server does not offer /jsz (HTTP 404)")
    if http_status != OK:
        raise Unreadable(f"HTTP {http_status} in place of {OK}")
    if json_as(_SWITCH, body).disabled:
        return None
    told = json_as(_JSZ, body)
    accounts = told.account_details or []
    return JetStreamState(
        server_id=told.server_id,
        memory=Tier(
            used_bytes=told.memory,
            limit=limit(told.config.max_memory, "max_memory"),
            reserved_bytes=told.reserved_memory,
        ),
        storage=Tier(
            used_bytes=told.storage,
            limit=limit(told.config.max_storage, "max_storage"),
            reserved_bytes=told.reserved_storage,
        ),
        api_requests=told.api.total,
        api_errors=told.api.errors,
        stream_count=told.streams,
        consumer_count=told.consumers,
        messages=told.messages,
        accounts=tuple(_account(one) for one in accounts),
        streams=tuple(_stream(one.name, stream) for one in accounts for stream in one.stream_detail or []),
        clustered=told.meta_cluster is not None,
    )


def joined(pages: list[JetStreamState], *, consumers_told: bool = True) -> JetStreamState:
    """Return one state of several pages, the totals being those of the last.

    `consumers_told` tells whether the pages were asked for with the consumers.
    """
    return msgspec.structs.replace(
        pages[-1],
        accounts=tuple(account for page in pages for account in page.accounts),
        streams=tuple(stream for page in pages for stream in page.streams),
        consumers_told=consumers_told,
    )


def listed_streams(body: bytes) -> tuple[int, Sequence[StreamState]]:
    """Read a page of JetStream's own list of streams, and how many there are in all. Raises: Unreadable.

    A client is not told the name of its account, and the consumers stand in lists of their own.
    """
    told = json_as(_STREAMS, body)
    return told.total, [
        _stream(DEFAULT_ACCOUNT, _Stream(one.config.name, one.state, one.config, None, one.mirror, one.sources))
        for one in told.streams or []
    ]


def listed_consumers(body: bytes) -> tuple[int, Sequence[ConsumerState]]:
    """Read a page of JetStream's own list of a stream's consumers, with their number. Raises: Unreadable."""
    told = json_as(_CONSUMERS, body)
    return told.total, [_consumer(one) for one in told.consumers or []]


def _account(told: _Account) -> AccountUse:
    return AccountUse(
        name=told.name,
        memory=Tier(used_bytes=told.memory, limit=limit(told.reserved_memory, "the account's memory limit")),
        storage=Tier(used_bytes=told.storage, limit=limit(told.reserved_storage, "the account's storage limit")),
    )


def _stream(account: str, told: _Stream) -> StreamState:
    config, state = told.config or _StreamConfig(), told.state
    origins = [*([told.mirror] if told.mirror else []), *(told.sources or [])]
    return StreamState(
        account=account,
        name=told.name,
        messages=state.messages,
        bytes=state.bytes,
        first_sequence=state.first_seq,
        last_sequence=state.last_seq,
        consumer_count=state.consumer_count,
        deleted_messages=state.num_deleted,
        max_bytes=_own_limit(config.max_bytes, "max_bytes"),
        max_messages=_own_limit(config.max_msgs, "max_msgs"),
        replaces=not isinstance(_own_limit(config.max_msgs_per_subject, "max_msgs_per_subject"), Unbounded),
        storage=config.storage,
        discard=config.discard,
        retention=config.retention,
        expires=config.max_age > 0,
        lag=max(origin.lag for origin in origins) if origins else None,
        consumers=tuple(_consumer(one) for one in told.consumer_detail or []),
        created=told.created,
        ages_apart=config.allow_msg_ttl,
    )


def _consumer(told: _Consumer) -> ConsumerState:
    config = told.config or _ConsumerConfig()
    return ConsumerState(
        name=told.name,
        durable=bool(config.durable_name),
        pull=not config.deliver_subject,
        delivered=told.delivered.consumer_seq,
        delivered_sequence=told.delivered.stream_seq,
        ack_floor_sequence=told.ack_floor.stream_seq,
        pending=told.num_pending,
        ack_pending=told.num_ack_pending,
        redelivered=told.num_redelivered,
        waiting=told.num_waiting,
        max_ack_pending=_own_limit(config.max_ack_pending, "max_ack_pending"),
        max_deliver=_own_limit(config.max_deliver, "max_deliver"),
        ack_wait_seconds=max(0, config.ack_wait) / NANOSECONDS,
        paused=told.paused,
        passing=config.inactive_threshold > 0,
    )


def _own_limit(told: Told, what: str) -> Limit:
    """Read a limit of a stream or consumer, where 0 is none as well."""
    return Unbounded() if told == 0 else limit(told, what)
