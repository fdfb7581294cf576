"""Streams and consumers from look to look: ceilings, what happens there, and who is stuck."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.health.observation import Unknown
from semsupervisor.health.streams import (
    STUCK_SECONDS,
    FollowedConsumer,
    FollowedStream,
    consumer_facts,
    follow_consumer,
    follow_stream,
    fullness,
    stream_facts,
)
from semsupervisor.systems.jetstream_state import ConsumerState, Lost, StreamState
from semsupervisor.systems.limits import Bounded, Unbounded, Unread
from tests.support.jetstream import consumer, stream

FULL = {"messages": 100, "bytes": 10_000, "max_bytes": Bounded(10_000), "first_sequence": 1, "last_sequence": 100}


def followed(*states: StreamState) -> FollowedStream:
    """Return what is known of a stream after looks at it."""
    known = None
    for state in states:
        known = follow_stream(state, known)
    assert known is not None
    return known


def facts(*states: StreamState) -> dict[str, Any]:
    """Return the facts of a stream after looks at it."""
    return dict(stream_facts(followed(*states))[0])


def test_a_stream_below_its_ceiling_has_its_share() -> None:
    """What it holds and the share of its own limit are facts; a limit it does not have is said to be none."""
    assert facts(stream()) == {
        "messages": 500,
        "used_bytes": 119_000,
        "max_bytes": 10_000_000,
        "used_ratio": 0.0119,
        "max_messages": "unlimited",
        "first_sequence": 1,
        "last_sequence": 500,
        "consumers": 1,
        "deleted_messages": 0,
        "discard": "old",
        "at_ceiling": False,
        "refuses_writes": False,
    }
    assert stream_facts(followed(stream()))[1] == {}


def test_what_was_lost_is_told_only_by_who_was_asked() -> None:
    """Nobody asked is nothing known; none told is no number of none; what is not counted is told in bytes."""
    assert not facts(stream()).keys() & {"damage_told", "lost_messages", "lost_bytes"}
    none = facts(stream(lost=Lost(messages=0, bytes=0)))
    assert none["damage_told"] is False
    assert not none.keys() & {"lost_messages", "lost_bytes"}
    found, evidence = stream_facts(followed(stream(lost=Lost(messages=None, bytes=4_191_312))))
    assert (found["damage_told"], found["lost_bytes"]) == (True, 4_191_312)
    assert "lost_messages" not in found
    assert evidence == {"lost": "messages of 4.0 MiB in all"}
    full = stream(**FULL, lost=Lost(messages=3, bytes=0))
    found, evidence = stream_facts(followed(full))
    assert found["lost_messages"] == 3
    assert evidence == {"lost": "messages (3) of 0 B in all", "effect": "each new message evicts the oldest"}
    unread = stream(max_bytes=Unread("odd"), lost=Lost(messages=1, bytes=9))
    assert stream_facts(followed(unread))[1] == {"lost": "messages (1) of 9 B in all"}


@pytest.mark.parametrize(
    ("changed", "full"),
    [
        ({}, True),
        ({"bytes": 9_901}, True),
        ({"bytes": 9_900}, False),
        ({"bytes": 0, "messages": 0}, False),
        ({"messages": 1, "bytes": 6_000}, False),  # the next one of that size would not fit, but smaller ones would
        ({"messages": 4, "bytes": 8_200}, True),
        ({"max_bytes": Unbounded()}, False),
        ({"max_bytes": Unbounded(), "max_messages": Bounded(100)}, True),
        ({"max_bytes": Unbounded(), "max_messages": Bounded(101)}, False),
        ({"bytes": 5_000, "max_messages": Bounded(90)}, True),
    ],
)
def test_a_stream_is_at_its_ceiling_when_the_next_message_does_not_fit(changed: dict[str, Any], full: bool) -> None:
    """The usual size of its messages decides, or their number."""
    assert facts(stream(**{**FULL, **changed}))["at_ceiling"] is full


def test_a_limit_that_is_not_known_is_not_passed() -> None:
    """Neither full nor not full is said of a stream whose limits are not known, unless the other limit says it."""
    found = facts(stream(**{**FULL, "max_bytes": Unread("odd")}))
    assert found["max_bytes"] == found["used_ratio"] == Unknown("odd")
    assert found["at_ceiling"] == found["refuses_writes"] == Unknown("its limits are not known")
    assert facts(stream(**{**FULL, "max_bytes": Unread("odd"), "max_messages": Bounded(100)}))["at_ceiling"] is True


@pytest.mark.parametrize(
    ("discard", "refuses", "effect"),
    [
        ("old", False, "each new message evicts the oldest"),
        ("new", True, "new messages are refused"),
    ],
)
def test_the_policy_says_what_happens_at_the_ceiling(discard: str, refuses: bool, effect: str) -> None:
    """A full stream evicts or refuses, as its policy says."""
    found, evidence = stream_facts(followed(stream(**FULL, discard=discard)))
    assert (found["refuses_writes"], found["discard"], evidence) == (refuses, discard, {"effect": effect})


def test_a_stream_that_was_seen_to_evict_does_not_refuse() -> None:
    """A full stream whose old messages went while new ones came makes room, whatever its policy says."""
    full = stream(**FULL, discard="new")
    later = stream(**{**FULL, "first_sequence": 51, "last_sequence": 150}, discard="new")
    evicted = followed(full, later)
    found, evidence = stream_facts(evicted)
    assert (found["at_ceiling"], found["refuses_writes"]) == (True, False)
    assert evidence == {"effect": "each new message evicts the oldest, although its policy is to refuse the new"}
    assert stream_facts(follow_stream(later, evicted))[0]["refuses_writes"] is False  # nothing came since
    assert found["refusal_ratio"] == 0.0


def test_only_a_stream_that_refuses_comes_nearer_to_refusing() -> None:
    """What evicts at its ceiling is at home there, and what has none never comes to it."""
    nine_tenths = {"bytes": 9_000, "max_bytes": Bounded(10_000)}
    assert facts(stream(**nine_tenths, discard="new"))["refusal_ratio"] == 0.9
    assert "refusal_ratio" not in facts(stream(**nine_tenths))
    assert "refusal_ratio" not in facts(stream(max_bytes=Unbounded(), discard="new"))


@pytest.mark.parametrize("changed", [{"retention": "workqueue"}, {"expires": True}, {"replaces": True}])
def test_room_that_others_make_is_no_eviction(changed: dict[str, Any]) -> None:
    """Messages that workers take, that expire or are replaced make room too: a stream full again refuses as before."""
    full = stream(**FULL, discard="new", **changed)
    later = stream(**{**FULL, "first_sequence": 51, "last_sequence": 150}, discard="new", **changed)
    assert facts(full, later)["refuses_writes"] is True


def test_a_stream_that_was_not_full_forgets_its_evictions() -> None:
    """Once it has room again, what it did at its ceiling before says nothing of the next time."""
    full = stream(**FULL, discard="new")
    later = stream(**{**FULL, "first_sequence": 51, "last_sequence": 150}, discard="new")
    purged = stream(**{**FULL, "bytes": 0, "messages": 0}, discard="new")
    assert facts(full, later, purged, full)["refuses_writes"] is True


def test_a_copy_says_how_far_it_is_behind() -> None:
    """The lag is a fact of what copies from elsewhere."""
    assert facts(stream(lag=7))["lag_messages"] == 7


def test_a_discard_policy_that_is_not_told_is_left_out() -> None:
    """No policy is made up."""
    assert "discard" not in facts(stream(discard=""))


def test_fullness_is_that_of_the_nearer_ceiling() -> None:
    """The larger of the two shares counts, and none is 0."""
    assert fullness(stream(bytes=5, max_bytes=Bounded(10), messages=9, max_messages=Bounded(10))) == 0.9
    assert fullness(stream(max_bytes=Unbounded())) == 0.0


def known_consumer(*looks: tuple[float, ConsumerState]) -> FollowedConsumer:
    """Return what is known of a consumer of a stream of 500 after looks at it at these times."""
    known = None
    for at, state in looks:
        known = follow_consumer(state, stream(), known, at)
    assert known is not None
    return known


def told(*looks: tuple[float, ConsumerState]) -> dict[str, Any]:
    """Return the facts of a consumer after looks at it, at the time of the last."""
    return dict(consumer_facts(known_consumer(*looks), looks[-1][0])[0])


def test_the_figures_of_a_consumer_are_facts() -> None:
    """What waits, what is not acknowledged and the share of what may be are there from the first look on."""
    assert told((0.0, consumer())) == {
        "pending": 450,
        "ack_pending": 30,
        "max_ack_pending": 1000,
        "ack_pending_ratio": 0.03,
        "redelivered": 0,
        "deliveries_total": 50,
        "redeliveries_total": 0,
        "redelivering_seconds": 0.0,
        "waiting_pulls": 0,
        "paused": False,
        "still_seconds": 0.0,
        "stuck": False,
        "stuck_seconds": 0.0,
    }
    assert "waiting_pulls" not in told((0.0, consumer(pull=False)))
    assert "ack_pending_ratio" not in told((0.0, consumer(max_ack_pending=Unbounded())))


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (
            consumer(ack_pending=1000),
            "1000 messages are delivered and not acknowledged, and no more may be",
        ),
        (consumer(ack_pending=1), "1 message is delivered and not acknowledged"),
        (consumer(), "30 messages are delivered and not acknowledged"),
        (consumer(ack_pending=0), "450 messages are pending, and nobody asks for any"),
        (consumer(ack_pending=0, waiting=3), "450 messages are pending and not delivered"),
        (consumer(ack_pending=0, pull=False), "450 messages are pending and not delivered"),
    ],
)
def test_a_consumer_that_gets_nothing_done_is_stuck(state: ConsumerState, why: str) -> None:
    """With work and without progress for 5 minutes it is stuck, not before, and the evidence says how."""
    assert told((0.0, state), (STUCK_SECONDS - 1, state))["stuck"] is False
    found, evidence = consumer_facts(known_consumer((0.0, state), (STUCK_SECONDS, state)), STUCK_SECONDS)
    assert (found["stuck"], found["still_seconds"]) == (True, 300.0)
    assert evidence == {"why": why, "still": "5 min"}


@pytest.mark.parametrize(
    "state",
    [
        consumer(delivered_sequence=51, delivered=51),
        consumer(ack_floor_sequence=21),
        consumer(pending=0, ack_pending=0),
        consumer(paused=True),
        consumer(ack_pending=0, delivered_sequence=500, delivered=500),  # what is pending can be wrong
    ],
)
def test_progress_or_no_work_ends_it(state: ConsumerState) -> None:
    """A delivery, an acknowledgement, nothing to do or a pause begin the 5 minutes anew."""
    assert told((0.0, consumer()), (299.0, state), (301.0, state))["still_seconds"] <= 2.0


def test_deliveries_again_and_again_are_no_progress() -> None:
    """A loop of the same messages counts as redeliveries, and the consumer is stuck all the same."""
    looks = [(60.0 * n, consumer(delivered=50 + 30 * n, redelivered=30)) for n in range(6)]
    found = told(*looks)
    assert (found["stuck"], found["redeliveries_total"]) == (True, 150)


def test_first_deliveries_are_no_repeated_ones() -> None:
    """Messages of a filter leave gaps in the stream's numbers; what goes further is not a repetition."""
    after = consumer(delivered=60, delivered_sequence=200)
    assert told((0.0, consumer()), (1.0, after))["redeliveries_total"] == 0


GIVES_UP = Bounded(5)


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ({"redelivered": 1}, True),  # behind a filter, others go on
        ({"redelivered": 1, "step": 0}, False),  # it waits, and nothing is delivered
        ({"redelivered": 0}, False),
        ({"redelivered": 4, "max_deliver": GIVES_UP, "floor": 10}, False),  # given up long ago
        ({"redelivered": 4, "max_deliver": GIVES_UP}, True),  # one holds up the rest
        ({"redelivered": 4, "max_deliver": GIVES_UP, "floor": 10, "more": 1}, True),  # one after the other
    ],
)
def test_what_is_delivered_again_and_again_is_seen_behind_a_filter(changed: dict[str, Any], again: bool) -> None:
    """By the messages that were delivered before, unless they were given up, while there are deliveries."""
    step, floor, more = (changed.get(name, default) for name, default in (("step", 10), ("floor", 0), ("more", 0)))
    steady = {name: value for name, value in changed.items() if name in {"redelivered", "max_deliver"}}
    looks = [
        (
            30.0 * n,
            consumer(
                delivered=50 + step * n,
                delivered_sequence=50 + 5 * step * n,
                ack_floor_sequence=20 + floor * n,
                **{**steady, "redelivered": steady["redelivered"] + more * n},
            ),
        )
        for n in range(5)
    ]
    assert told(*looks)["redelivering_seconds"] == (90.0 if again else 0.0)


def test_a_look_that_finds_none_does_not_end_what_is_delivered_again() -> None:
    """Only after some looks without any it is over."""
    again, none = consumer(delivered=60, redelivered=1), consumer(delivered=60)
    looks = [(0.0, consumer()), (30.0, again), (60.0, none), (119.0, none)]
    assert told(*looks)["redelivering_seconds"] == 89.0
    assert told(*looks, (121.0, none))["redelivering_seconds"] == 0.0


def test_who_is_given_long_for_a_message_is_waited_for() -> None:
    """A consumer whose clients have 10 minutes for a message is not stuck before twice of that."""
    slow = consumer(ack_wait_seconds=600.0)
    before, after = told((0.0, slow), (1199.0, slow)), told((0.0, slow), (1200.0, slow))
    assert (before["stuck"], before["stuck_seconds"]) == (False, 0.0)
    assert (after["stuck"], after["stuck_seconds"]) == (True, 1200.0)


def test_what_stood_still_at_the_first_look_is_unsettled() -> None:
    """It may have begun before anybody looked; with nothing to do, or once something moved, it is known."""
    still = {"still_seconds", "stuck", "stuck_seconds"}
    idle = consumer(pending=0, ack_pending=0)
    further = consumer(ack_floor_sequence=consumer().ack_floor_sequence + 1)
    assert still < known_consumer((0.0, consumer())).unsettled
    assert still < known_consumer((0.0, consumer()), (30.0, consumer())).unsettled
    assert known_consumer((0.0, consumer()), (30.0, further), (60.0, further)).unsettled == {"redelivering_seconds"}
    assert known_consumer((0.0, idle), (30.0, consumer()), (60.0, consumer())).unsettled == {"redelivering_seconds"}
    anew = consumer(delivered=0, delivered_sequence=0, ack_floor_sequence=0)
    assert known_consumer((0.0, consumer()), (30.0, anew)).unsettled == set()


def test_what_was_delivered_again_from_the_first_look_on_is_unsettled() -> None:
    """Until it was not for some looks; what begins after that is known from its beginning."""
    again, more, none = (consumer(delivered=delivered, redelivered=1) for delivered in (60, 61, 61))
    quiet = [(float(at), none) for at in (120, 150, 180)]
    begun = [(0.0, consumer()), (30.0, again), (60.0, more)]
    settled = "redelivering_seconds"
    assert settled in known_consumer(*begun).unsettled
    assert settled in known_consumer(*begun, *quiet[:1]).unsettled
    assert settled not in known_consumer(*begun, *quiet).unsettled
    assert settled not in known_consumer((0.0, consumer()), (90.0, consumer()), (120.0, again)).unsettled


def test_a_consumer_made_anew_begins_anew() -> None:
    """One that has delivered less than before is another one of the same name."""
    anew = consumer(delivered=0, delivered_sequence=0, ack_floor_sequence=0)
    found = told((0.0, consumer()), (299.0, consumer()), (301.0, anew))
    assert (found["still_seconds"], found["redeliveries_total"]) == (0.0, 0)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20))
def test_redeliveries_never_fall_unless_the_consumer_is_new(looks: list[tuple[int, int, int]]) -> None:
    """However the numbers move, the total is a counter and the time without progress no more than has passed."""
    known = None
    for at, (delivered, sequence, floor) in enumerate(looks):
        state = consumer(delivered=delivered, delivered_sequence=sequence, ack_floor_sequence=floor)
        after = follow_consumer(state, stream(), known, float(at))
        if known is not None and delivered >= known.state.delivered:
            assert after.redeliveries >= known.redeliveries
        assert 0.0 <= at - after.still_since <= at
        known = after
