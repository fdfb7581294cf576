"""Whose consumers are whose: by what they did while SemStreams worked, and while it did not run."""

from __future__ import annotations

import pytest

from semsupervisor.health.streams import QUIET_SECONDS, FollowedConsumer, follow_consumer
from semsupervisor.health.taking import Taker, Takings
from semsupervisor.systems.jetstream_state import ConsumerState
from tests.support.jetstream import consumer, stream

WORKS, OTHER_RUN = Taker(True, "first"), Taker(True, "second")
AWAY, AWAY_AGAIN, UNSURE = Taker(False, "first"), Taker(False, "second"), Taker(None, "first")
STILL = consumer()
DELIVERED = consumer(delivered=51, delivered_sequence=51)
ACKNOWLEDGED = consumer(ack_floor_sequence=21)


class Looks:
    """Looks at one consumer, each 30 seconds after the one before unless said otherwise."""

    def __init__(self) -> None:
        self.takings = Takings()
        self.at = 0.0
        self.known: FollowedConsumer | None = None

    def see(self, taker: Taker, state: ConsumerState = STILL, after: float = 30.0) -> bool:
        """Return whether the consumer is apart after a look."""
        self.at += after
        self.known = follow_consumer(state, stream(), self.known, self.at)
        self.takings.look(self.at, taker, {"EVENTS/worker": self.known})
        return self.takings.is_apart("EVENTS/worker")


def apart(*seen: tuple[Taker, ConsumerState]) -> list[bool]:
    """Return whether a consumer is apart after each of several looks."""
    looks = Looks()
    return [looks.see(taker, state) for taker, state in seen]


def test_what_stops_with_semstreams_is_its_own() -> None:
    """It got on while SemStreams worked, and stands still since that does not run, for however long."""
    assert not any(apart((WORKS, STILL), (WORKS, DELIVERED), *[(AWAY, DELIVERED)] * 20))


def test_what_was_stuck_before_does_not_follow_from_the_stop() -> None:
    """It stood still for long while SemStreams worked, and is so when that is stopped."""
    seen = apart(*[(WORKS, STILL)] * 5, (AWAY, STILL), (AWAY, STILL))
    assert seen == [False, False, False, True, True, True, True]


def test_what_gets_on_again_is_not_stuck_any_more() -> None:
    """The time begins anew with each progress."""
    assert apart(*[(WORKS, STILL)] * 4, (WORKS, ACKNOWLEDGED), (AWAY, ACKNOWLEDGED))[-2:] == [False, False]


def test_what_goes_on_without_semstreams_is_somebody_elses() -> None:
    """What is delivered while SemStreams does not run is so to another; that stays known."""
    seen = apart((AWAY, STILL), (AWAY, STILL), (AWAY, DELIVERED), (WORKS, DELIVERED), (AWAY, DELIVERED))
    assert seen == [False, False, True, True, True]


def test_a_purge_without_semstreams_makes_nobody_of_its_consumers() -> None:
    """What is acknowledged moves with the first message of the stream: nobody needs to have taken anything."""
    assert not any(apart((AWAY, STILL), (AWAY, STILL), *[(AWAY, ACKNOWLEDGED)] * 3))


def test_what_semstreams_took_last_is_its_own() -> None:
    """It took another message after it was counted, and had ended when that was looked at."""
    assert not any(apart((WORKS, STILL), (AWAY, STILL), *[(AWAY, DELIVERED)] * 3))


@pytest.mark.parametrize(
    ("before", "after"), [(WORKS, AWAY), (AWAY, WORKS), (AWAY, AWAY_AGAIN), (UNSURE, UNSURE), (AWAY, UNSURE)]
)
def test_what_may_have_been_semstreams_proves_nothing(before: Taker, after: Taker) -> None:
    """It ran at one of the looks or in between, or nobody knows."""
    assert not any(apart((before, STILL), (before, STILL), (after, DELIVERED), (AWAY, DELIVERED)))


@pytest.mark.parametrize("taker", [AWAY, UNSURE])
def test_only_time_in_which_semstreams_works_counts(taker: Taker) -> None:
    """While it is down, or may be, nothing is expected of its consumers."""
    assert not any(apart(*[(taker, STILL)] * 20))
    assert not any(apart(*[(WORKS, STILL), (OTHER_RUN, STILL)] * 10))


def test_time_in_which_nobody_looked_does_not_count() -> None:
    """SemStreams may have been away meanwhile."""
    looks = Looks()
    assert not any(looks.see(WORKS, after=QUIET_SECONDS + 1) for _ in range(5))


def test_messages_that_take_long_are_waited_for() -> None:
    """As long as clients are given twice the time for a message, no progress is nothing strange."""
    slow = consumer(ack_wait_seconds=600.0)
    assert not any(apart(*[(WORKS, slow)] * 20, (AWAY, slow)))


def test_another_consumer_of_the_same_name_begins_anew() -> None:
    """It was deleted and made again: nothing is known of whose it is."""
    again = consumer(delivered=1, delivered_sequence=1, ack_floor_sequence=0)
    assert apart((AWAY, STILL), (AWAY, STILL), (AWAY, DELIVERED), (AWAY, again)) == [False, False, True, False]
