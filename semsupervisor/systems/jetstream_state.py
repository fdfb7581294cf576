"""What JetStream holds: its tiers, accounts, streams and consumers, as one look found them. Pure."""

from __future__ import annotations

import msgspec

from semsupervisor.systems.limits import Limit

DEFAULT_ACCOUNT = "$G"


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two places for messages, memory or disk; `reserved_bytes` is what streams' own limits add up to."""

    used_bytes: int
    limit: Limit
    reserved_bytes: int = 0


class AccountUse(msgspec.Struct, frozen=True, kw_only=True):
    """What one account uses; the limits are the account's own."""

    name: str
    memory: Tier
    storage: Tier


class ConsumerState(msgspec.Struct, frozen=True, kw_only=True):
    """One consumer. `delivered` counts all deliveries, repeated ones as well; the other two are the stream's numbers.

    `pending` messages were never delivered, `ack_pending` are delivered and not acknowledged, `redelivered` of them
    more than once: also those that were given up after `max_deliver` deliveries, which stay in that number for ever.
    `waiting` is how many pulls wait for messages. One that is `passing` is removed when nobody has used it for a while.
    """

    name: str
    durable: bool
    pull: bool
    delivered: int
    delivered_sequence: int
    ack_floor_sequence: int
    pending: int
    ack_pending: int
    redelivered: int
    waiting: int
    max_ack_pending: Limit
    max_deliver: Limit
    ack_wait_seconds: float
    paused: bool
    passing: bool = False


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """What a server could not read in a stream's files; `messages` is None where they were not counted."""

    messages: int | None
    bytes: int

    def __bool__(self) -> bool:
        return bool(self.messages or self.bytes)


class StreamState(msgspec.Struct, frozen=True, kw_only=True):
    """One stream. `lag` is how far it is behind a source, `lost` what is told to be lost of it; None if nobody told.

    `storage` is where it is kept, "file" or "memory", and `discard` what happens at its own limits: "old" evicts, "new"
    refuses; either is empty if it was not told. `replaces` tells that a message may take the place of an older
    one of its own subject, of which only so many are kept, as in a key-value bucket.
    `ages_apart` tells that a message may have an age of its own, at which it is removed.
    `consumers` are those that were told in full, `consumer_count` is how many there are. `created` is the server's own
    stamp of when it was made, empty if it was not told.
    """

    account: str
    name: str
    messages: int
    bytes: int
    first_sequence: int
    last_sequence: int
    consumer_count: int
    deleted_messages: int
    max_bytes: Limit
    max_messages: Limit
    replaces: bool
    storage: str
    discard: str
    retention: str
    expires: bool
    lag: int | None
    consumers: tuple[ConsumerState, ...] = ()
    lost: Lost | None = None
    created: str = ""
    ages_apart: bool = False

    @property
    def subject_name(self) -> str:
        """Return what it is called among all: its name, with the account's before it outside the default one."""
        return self.name if self.account == DEFAULT_ACCOUNT else f"{self.account}/{self.name}"


class JetStreamState(msgspec.Struct, frozen=True, kw_only=True):
    """All of JetStream on one server; `consumers_told` is false when the streams were told without their consumers.

    `clustered` tells that the server is one of several that share their streams.
    """

    server_id: str
    memory: Tier
    storage: Tier
    api_requests: int
    api_errors: int
    stream_count: int
    consumer_count: int
    messages: int
    accounts: tuple[AccountUse, ...] = ()
    streams: tuple[StreamState, ...] = ()
    consumers_told: bool = True
    clustered: bool = False
