"""The facts of a server's JetStream, and which of very many streams and consumers are shown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from semsupervisor.health.observation import FactValue, Unknown
from semsupervisor.health.series import Series
from semsupervisor.health.streams import FollowedConsumer, FollowedStream, fullness, is_stuck
from semsupervisor.systems.jetstream_state import AccountUse, JetStreamState, Tier
from semsupervisor.systems.limits import Bounded, Unread, ratio

API_WINDOW_SECONDS = 300.0
LEAST_API_REQUESTS = 20
MOST_STREAMS = 200
MOST_CONSUMERS = 200

ALWAYS = (
    "jetstream_memory_used_bytes",
    "jetstream_memory_reserved_bytes",
    "jetstream_storage_used_bytes",
    "jetstream_storage_reserved_bytes",
    "jetstream_streams",
    "jetstream_consumers",
    "jetstream_messages",
    "jetstream_api_requests_total",
    "jetstream_api_errors_total",
)
"""What is known of every JetStream that is on; the limits and what is held against them depend on there being some."""

Facts = Mapping[str, FactValue]


class ApiCalls:
    """The calls of JetStream's API and those that failed, over time."""

    def __init__(self) -> None:
        self._requests = Series(API_WINDOW_SECONDS)
        self._errors = Series(API_WINDOW_SECONDS)

    def add(self, at: float, requests: int, errors: int) -> None:
        """Take in both totals as they are at a monotonic time."""
        self._requests.add(at, requests)
        self._errors.add(at, errors)

    def error_ratio(self, now: float) -> float:
        """Return which share of the calls of the last 5 minutes failed; 0 while they are too few to judge by."""
        requests = self._requests.increase(API_WINDOW_SECONDS, now) or 0.0
        errors = self._errors.increase(API_WINDOW_SECONDS, now) or 0.0
        return min(1.0, errors / requests) if requests >= LEAST_API_REQUESTS else 0.0


class Shown(msgspec.Struct, frozen=True):
    """The streams and consumers that become subjects, by name, and how many more there are."""

    streams: Mapping[str, FollowedStream]
    consumers: Mapping[str, FollowedConsumer]
    streams_left_out: int
    consumers_left_out: int


def facts(state: JetStreamState, calls: ApiCalls, at: float) -> Facts:
    """Return the facts of JetStream that is on."""
    return {
        "jetstream_enabled": True,
        **_tier("jetstream_memory", state.memory),
        **_tier("jetstream_storage", state.storage),
        **_of_accounts(state.accounts),
        "jetstream_streams": state.stream_count,
        "jetstream_consumers": state.consumer_count,
        "jetstream_messages": state.messages,
        "jetstream_api_requests_total": state.api_requests,
        "jetstream_api_errors_total": state.api_errors,
        "jetstream_api_error_ratio": calls.error_ratio(at),
    }


def fullest(accounts: Iterable[AccountUse]) -> Mapping[str, str]:
    """Return for people which account is the fullest of its own limit, for each tier in which one has a limit."""
    found = {}
    for tier, uses in _by_tier(accounts).items():
        shares = [
            (share, name) for name, use in uses.items() if (share := ratio(use.used_bytes, use.limit)) is not None
        ]
        if shares:
            found[f"{tier}_account"] = max(shares)[1]
    return found


def choose(
    streams: Mapping[str, FollowedStream],
    consumers: Mapping[str, FollowedConsumer],
    shown_before: Iterable[str],
    at: float,
) -> Shown:
    """Return the fullest streams and the consumers that are worst off; of equal ones those that were shown before.

    Consumers without a durable name come and go with their clients: they are counted with their stream only.
    """
    known = frozenset(shown_before)

    def of_stream(name: str) -> tuple[object, ...]:
        state = streams[name].state
        tenths = int(10 * fullness(state))
        return (-int(state.lost_messages > 0), -tenths, name not in known, -state.bytes, name)

    def of_consumer(name: str) -> tuple[object, ...]:
        state = consumers[name].state
        tenths = int(10 * (ratio(state.ack_pending, state.max_ack_pending) or 0.0))
        return (not is_stuck(consumers[name], at), -tenths, name not in known, -state.pending, name)

    durable = [name for name, one in consumers.items() if one.state.durable]
    first_streams = sorted(streams, key=of_stream)[:MOST_STREAMS]
    first_consumers = sorted(durable, key=of_consumer)[:MOST_CONSUMERS]
    return Shown(
        {name: streams[name] for name in first_streams},
        {name: consumers[name] for name in first_consumers},
        len(streams) - len(first_streams),
        len(durable) - len(first_consumers),
    )


def _tier(name: str, tier: Tier) -> dict[str, FactValue]:
    facts: dict[str, FactValue] = {
        f"{name}_used_bytes": tier.used_bytes,
        f"{name}_reserved_bytes": tier.reserved_bytes,
    }
    match tier.limit:
        case Bounded(amount=amount):
            facts[f"{name}_limit_bytes"] = amount
            share = ratio(tier.used_bytes, tier.limit)
            return facts if share is None else {**facts, f"{name}_used_ratio": share}
        case Unread(reason=reason):
            return {**facts, **dict.fromkeys((f"{name}_limit_bytes", f"{name}_used_ratio"), Unknown(reason))}
        case _:
            return facts


def _of_accounts(accounts: Iterable[AccountUse]) -> dict[str, FactValue]:
    """Return how full the fullest account is of its own limit; nothing where no account has one."""
    facts: dict[str, FactValue] = {}
    for tier, uses in _by_tier(accounts).items():
        fact = f"jetstream_account_{tier}_used_ratio"
        shares = [share for use in uses.values() if (share := ratio(use.used_bytes, use.limit)) is not None]
        unread = [use.limit.reason for use in uses.values() if isinstance(use.limit, Unread)]
        if shares:
            facts[fact] = max(shares)
        elif unread:
            facts[fact] = Unknown(unread[0])
    return facts


def _by_tier(accounts: Iterable[AccountUse]) -> Mapping[str, Mapping[str, Tier]]:
    every = tuple(accounts)
    return {"memory": {one.name: one.memory for one in every}, "storage": {one.name: one.storage for one in every}}
