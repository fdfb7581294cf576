"""The facts of JetStream, and which streams and consumers are shown when they are very many."""

from __future__ import annotations

import pytest

from semsupervisor.health.jetstream import (
    ALWAYS,
    MOST_CONSUMERS,
    MOST_STREAMS,
    ApiCalls,
    choose,
    facts,
    fullest,
    left_out,
)
from semsupervisor.health.observation import UNLIMITED, Observation, Subject, SubjectKind, Unknown
from semsupervisor.health.streams import FollowedConsumer, FollowedStream
from semsupervisor.systems.jetstream_state import AccountUse, Lost, StreamState, Tier
from semsupervisor.systems.limits import Bounded, Limit, Unbounded, Unread
from tests.support.clock import ManualClock
from tests.support.jetstream import MIB, consumer, state, stream


def account(name: str, used: int, most: Limit) -> AccountUse:
    """Return an account that uses some of its storage and has no limit in memory."""
    return AccountUse(
        name=name, memory=Tier(used_bytes=0, limit=Unbounded()), storage=Tier(used_bytes=used, limit=most)
    )


def test_tiers_are_held_against_their_limits() -> None:
    """Use, limit and share of both tiers are facts, and the totals."""
    assert facts(state(), ApiCalls(), 0.0) == {
        "jetstream_enabled": True,
        "jetstream_memory_used_bytes": 0,
        "jetstream_memory_reserved_bytes": 0,
        "jetstream_memory_limit_bytes": 64 * MIB,
        "jetstream_memory_used_ratio": 0.0,
        "jetstream_memory_fill_ratio": 0.0,
        "jetstream_storage_used_bytes": 10 * MIB,
        "jetstream_storage_reserved_bytes": 10_000_000,
        "jetstream_storage_limit_bytes": 100 * MIB,
        "jetstream_storage_used_ratio": 0.1,
        "jetstream_storage_fill_ratio": 0.0,
        "jetstream_streams": 1,
        "jetstream_consumers": 1,
        "jetstream_messages": 500,
        "jetstream_api_requests_total": 100,
        "jetstream_api_errors_total": 1,
        "jetstream_api_error_ratio": 0.0,
    }
    assert set(ALWAYS) <= facts(state(), ApiCalls(), 0.0).keys()


def test_a_tier_without_a_limit_has_no_share() -> None:
    """Without a limit, which is said, there is none to be near to; one not known is not, and no room has no share."""
    unlimited = facts(state(storage=Tier(used_bytes=5, limit=Unbounded())), ApiCalls(), 0.0)
    assert "jetstream_storage_used_ratio" not in unlimited
    assert unlimited["jetstream_storage_limit_bytes"] == UNLIMITED
    unread = facts(state(storage=Tier(used_bytes=5, limit=Unread("odd"))), ApiCalls(), 0.0)
    assert unread["jetstream_storage_used_ratio"] == unread["jetstream_storage_limit_bytes"] == Unknown("odd")
    nothing = facts(state(storage=Tier(used_bytes=5, limit=Bounded(0))), ApiCalls(), 0.0)
    assert nothing["jetstream_storage_limit_bytes"] == 0
    assert "jetstream_storage_used_ratio" not in nothing


def test_the_fullest_account_counts() -> None:
    """Of accounts with limits of their own the fullest is the fact, and is named; those without say nothing."""
    accounts = (account("A", 50, Bounded(100)), account("B", 9, Bounded(10)), account("C", 999, Unbounded()))
    found = facts(state(accounts=accounts), ApiCalls(), 0.0)
    assert found["jetstream_account_storage_used_ratio"] == 0.9
    assert "jetstream_account_memory_used_ratio" not in found
    assert fullest(state(accounts=accounts)) == {"storage_account": "B"}
    assert fullest(state(accounts=(account("C", 999, Unbounded()),))) == {}


BOUNDED = stream(name="RING", bytes=90, max_bytes=Bounded(90))
GROWS = stream(name="KV", bytes=1, max_bytes=Unbounded())


@pytest.mark.parametrize(
    ("used", "most", "streams", "share"),
    [
        (95, 100, (GROWS,), 0.95),
        (90, 100, (BOUNDED,), 0.0),  # full of what stops by itself
        (90, 90, (BOUNDED,), 0.0),
        (91, 100, (BOUNDED, GROWS), 0.1),
        (99, 100, (BOUNDED, stream(name="KV", bytes=9, max_bytes=Unbounded())), 0.9),
        (
            9,
            100,
            (stream(name="RING", bytes=0, max_bytes=Bounded(90)), stream(name="KV", bytes=9, max_bytes=Unbounded())),
            0.09,
        ),
        (91, 90, (BOUNDED, GROWS), 91 / 90),  # nothing is left for the others
        (90, 80, (BOUNDED,), 90 / 80),  # the limits add up to more than there is
        (95, 100, (BOUNDED, stream(name="FAST", storage="memory", max_bytes=Unbounded())), 0.0),
        (95, 100, (BOUNDED, stream(name="ODD", storage="", bytes=5, max_bytes=Bounded(5))), 0.5),
    ],
)
def test_only_what_nothing_bounds_fills_a_tier(
    used: int, most: int, streams: tuple[StreamState, ...], share: float
) -> None:
    """Streams with a limit of their own stop there; the others fill what those limits leave of the tier."""
    found = facts(
        state(
            storage=Tier(used_bytes=used, limit=Bounded(most)),
            accounts=(account("$G", used, Bounded(most)),),
            streams=streams,
            stream_count=len(streams),
        ),
        ApiCalls(),
        0.0,
    )
    assert found["jetstream_storage_used_ratio"] == used / most
    assert found["jetstream_storage_fill_ratio"] == pytest.approx(share)
    assert found["jetstream_account_storage_fill_ratio"] == pytest.approx(share)


def test_streams_that_were_not_told_may_grow() -> None:
    """Of a server with more streams than were told, what is not in the bounded ones counts as the others'."""
    some = state(storage=Tier(used_bytes=95, limit=Bounded(100)), streams=(BOUNDED,), stream_count=2)
    assert facts(some, ApiCalls(), 0.0)["jetstream_storage_fill_ratio"] == 0.5


def test_an_account_whose_limit_is_not_known_is_not_held_against_one() -> None:
    """If no account's limit can be read the share is unknown."""
    found = facts(state(accounts=(account("A", 50, Unread("odd")),)), ApiCalls(), 0.0)
    assert found["jetstream_account_storage_used_ratio"] == Unknown("odd")


def test_failed_calls_count_by_their_increase() -> None:
    """The share is that of the last 5 minutes' calls, whatever happened before; errors of the start say nothing."""
    calls = ApiCalls()
    for minute in range(6):
        calls.add(60.0 * minute, 1000 + 20 * minute, 900 + 2 * minute)
    assert calls.error_ratio(300.0) == 0.1


def test_few_calls_are_not_judged() -> None:
    """Below 20 calls one error would be a large share; a server started anew counts from 0."""
    calls = ApiCalls()
    for minute in range(6):
        calls.add(60.0 * minute, minute * 3, minute * 3)
    assert calls.error_ratio(300.0) == 0.0
    assert ApiCalls().error_ratio(0.0) == 0.0


def test_the_fullest_streams_are_shown() -> None:
    """Of more streams than are shown the fullest are, one that lost messages before all, and the rest is counted."""
    many = {f"S{n:03}": FollowedStream(stream(name=f"S{n:03}", bytes=n, max_bytes=Bounded(1000))) for n in range(300)}
    many["LOST"] = FollowedStream(stream(name="LOST", bytes=0, lost=Lost(messages=None, bytes=1)))
    shown = choose(many, {}, (), 0.0)
    assert (len(shown.streams), shown.streams_left_out) == (MOST_STREAMS, 101)
    assert "LOST" in shown.streams
    assert "S299" in shown.streams
    assert "S000" not in shown.streams


def test_what_is_shown_stays_shown() -> None:
    """Of streams that are about as full those shown before stay, so that they do not come and go with each message."""
    many = {f"S{n:03}": FollowedStream(stream(name=f"S{n:03}", bytes=n, max_bytes=Unbounded())) for n in range(300)}
    first = [f"S{n:03}" for n in range(200)]
    assert set(choose(many, {}, first, 0.0).streams) == set(first)


def test_what_is_left_out_is_counted() -> None:
    """By what it is, and only where there is any."""
    seen = Observation(
        "nats_jetstream",
        Subject(SubjectKind.NATS, "nats"),
        ManualClock().instant(),
        {"jetstream_streams_left_out": 0, "jetstream_consumers_left_out": 7},
    )
    assert left_out([seen]) == {"consumers": 7}


def test_only_trouble_takes_the_place_of_another() -> None:
    """Of very many that are well those shown before stay, whoever has more to do; who is stuck or full is shown."""
    many = {f"S/{n:03}": FollowedConsumer(consumer(ack_pending=2 * n, pending=n), 300.0) for n in range(300)}
    first = [f"S/{n:03}" for n in range(200)]
    assert set(choose({}, many, first, 300.0).consumers) == set(first)
    many["S/stuck"] = FollowedConsumer(consumer(), 0.0)
    many["S/again"] = FollowedConsumer(consumer(ack_pending=0), 300.0, again=(0.0, 300.0))
    many["S/full"] = FollowedConsumer(consumer(ack_pending=950), 300.0)
    shown = set(choose({}, many, first, 300.0).consumers)
    assert {"S/stuck", "S/again", "S/full"} == shown - set(first)
    streams = {f"S{n:03}": FollowedStream(stream(name=f"S{n:03}", bytes=3 * n)) for n in range(300)}
    streams["REFUSES"] = FollowedStream(stream(name="REFUSES", bytes=95, max_bytes=Bounded(100), discard="new"))
    known = [f"S{n:03}" for n in range(200)]
    assert set(choose(streams, {}, known, 0.0).streams) - set(known) == {"REFUSES"}


def test_consumers_that_are_worst_off_are_shown() -> None:
    """Of more consumers than are shown the stuck ones are; those that come and go with their clients never."""
    many = {f"S/{n:03}": FollowedConsumer(consumer(ack_pending=n, pending=0), 300.0) for n in range(500)}
    many["S/stuck"] = FollowedConsumer(consumer(ack_pending=0), 0.0)
    many["S/passing"] = FollowedConsumer(consumer(durable=False, ack_pending=1000), 0.0)
    shown = choose({}, many, (), 300.0)
    assert (len(shown.consumers), shown.consumers_left_out) == (MOST_CONSUMERS, 301)
    assert "S/stuck" in shown.consumers
    assert "S/499" in shown.consumers
    assert "S/passing" not in shown.consumers
