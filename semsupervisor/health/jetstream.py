"""The facts of a server's JetStream, and which of very many streams and consumers are shown. Pure."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping

import msgspec

from semsupervisor.health.observation import UNLIMITED, FactValue, Observation, Unknown
from semsupervisor.health.series import Series
from semsupervisor.health.streams import FollowedConsumer, FollowedStream, fullness, is_stuck
from semsupervisor.systems.jetstream_state import AccountUse, JetStreamState, Tier
from semsupervisor.systems.limits import Bounded, Unbounded, Unread, ratio

API_WINDOW_SECONDS = 300.0
LEAST_API_REQUESTS = 20
MOST_STREAMS = 200
MOST_CONSUMERS = 200
TROUBLE_TENTHS = 9

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
        **_tier("jetstream_memory", state.memory, filled(state.memory, _kept(state, "memory"))),
        **_tier("jetstream_storage", state.storage, filled(state.storage, _kept(state, "storage"))),
        **_of_accounts(state),
        "jetstream_streams": state.stream_count,
        "jetstream_consumers": state.consumer_count,
        "jetstream_messages": state.messages,
        "jetstream_api_requests_total": state.api_requests,
        "jetstream_api_errors_total": state.api_errors,
        "jetstream_api_error_ratio": calls.error_ratio(at),
    }


class Kept(msgspec.Struct, frozen=True):
    """What a tier's streams keep there, of all that it holds or of what an account has in it.

    `bounded_bytes` are in streams that have a limit of their own, which add up to `reserved_bytes`. `all_bounded` tells
    that there are no others.
    """

    bounded_bytes: int
    reserved_bytes: int
    all_bounded: bool


def filled(tier: Tier, kept: Kept) -> float | None:
    """Return how near a tier is to taking nothing any more, 0 to 1; None without a limit to hold it against.

    A stream with a limit of its own evicts or refuses there, whatever the tier has left. So a tier is full only once
    the other streams have used up what those limits leave of it: it is the lesser of that share and of the whole one.
    """
    share = ratio(tier.used_bytes, tier.limit)
    if share is None or not isinstance(tier.limit, Bounded):
        return None
    left = tier.limit.amount - kept.reserved_bytes
    if left < 0:
        return share
    if kept.all_bounded:
        return 0.0
    others = max(0, tier.used_bytes - kept.bounded_bytes)
    return min(share, others / left) if left else share


def fullest(state: JetStreamState) -> Mapping[str, str]:
    """Return for people which account is nearest to its own limit, for each tier in which one has a limit."""
    found = {}
    for tier, uses in _by_tier(state.accounts).items():
        shares = [
            (share, name) for name, use in uses.items() if (share := filled(use, _kept(state, tier, name))) is not None
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
    """Return the fullest streams and the consumers that are worst off; of others those that were shown before.

    Only what is in trouble takes the place of another: what comes and goes would be told of each time. Consumers
    without a durable name come and go with their clients: they are counted with their stream only.
    """
    known = frozenset(shown_before)

    def of_stream(name: str) -> tuple[object, ...]:
        state = streams[name].state
        tenths = int(10 * fullness(state))
        trouble = (bool(state.lost), tenths >= TROUBLE_TENTHS and state.discard == "new")
        return (*map(operator.not_, trouble), name not in known, -tenths, -state.bytes, name)

    def of_consumer(name: str) -> tuple[object, ...]:
        state = consumers[name].state
        tenths = int(10 * (ratio(state.ack_pending, state.max_ack_pending) or 0.0))
        trouble = (is_stuck(consumers[name], at), consumers[name].again is not None, tenths >= TROUBLE_TENTHS)
        return (*map(operator.not_, trouble), name not in known, -tenths, -state.pending, name)

    durable = [name for name, one in consumers.items() if one.state.durable]
    first_streams = sorted(streams, key=of_stream)[:MOST_STREAMS]
    first_consumers = sorted(durable, key=of_consumer)[:MOST_CONSUMERS]
    return Shown(
        {name: streams[name] for name in first_streams},
        {name: consumers[name] for name in first_consumers},
        len(streams) - len(first_streams),
        len(durable) - len(first_consumers),
    )


def left_out(latest: Iterable[Observation]) -> Mapping[str, int]:
    """Return how many streams and consumers are counted and not looked at one by one, by what they are, if any are."""
    found = {}
    for one in latest:
        for what in ("streams", "consumers"):
            count = one.facts.get(f"jetstream_{what}_left_out")
            if isinstance(count, int) and count:
                found[what] = count
    return found


def _kept(state: JetStreamState, tier: str, account: str | None = None) -> Kept:
    """Return what is kept in a tier, of one account's streams or of all; what was not told has no limit."""
    where = "file" if tier == "storage" else tier
    bounded_bytes = reserved_bytes = 0
    all_bounded = len(state.streams) >= state.stream_count
    for one in state.streams:
        if account not in {None, one.account} or one.storage not in {where, ""}:
            continue
        if one.storage and isinstance(one.max_bytes, Bounded):
            bounded_bytes += one.bytes
            reserved_bytes += one.max_bytes.amount
        else:
            all_bounded = False
    return Kept(bounded_bytes, reserved_bytes, all_bounded)


def _tier(name: str, tier: Tier, fill: float | None) -> dict[str, FactValue]:
    facts: dict[str, FactValue] = {
        f"{name}_used_bytes": tier.used_bytes,
        f"{name}_reserved_bytes": tier.reserved_bytes,
    }
    shares = (f"{name}_used_ratio", f"{name}_fill_ratio")
    match tier.limit:
        case Bounded(amount=amount):
            told = zip(shares, (ratio(tier.used_bytes, tier.limit), fill), strict=True)
            return {
                **facts,
                f"{name}_limit_bytes": amount,
                **{fact: share for fact, share in told if share is not None},
            }
        case Unread(reason=reason):
            return {**facts, **dict.fromkeys((f"{name}_limit_bytes", *shares), Unknown(reason))}
        case Unbounded():
            return {**facts, f"{name}_limit_bytes": UNLIMITED}


def _of_accounts(state: JetStreamState) -> dict[str, FactValue]:
    """Return how full the fullest account is of its own limit; nothing where no account has one."""
    facts: dict[str, FactValue] = {}
    for tier, uses in _by_tier(state.accounts).items():
        used = [ratio(use.used_bytes, use.limit) for use in uses.values()]
        fill = [filled(use, _kept(state, tier, name)) for name, use in uses.items()]
        unread = [use.limit.reason for use in uses.values() if isinstance(use.limit, Unread)]
        for fact, found in (("used_ratio", used), ("fill_ratio", fill)):
            shares = [share for share in found if share is not None]
            if shares:
                facts[f"jetstream_account_{tier}_{fact}"] = max(shares)
            elif unread:
                facts[f"jetstream_account_{tier}_{fact}"] = Unknown(unread[0])
    return facts


def _by_tier(accounts: Iterable[AccountUse]) -> Mapping[str, Mapping[str, Tier]]:
    every = tuple(accounts)
    return {"memory": {one.name: one.memory for one in every}, "storage": {one.name: one.storage for one in every}}
