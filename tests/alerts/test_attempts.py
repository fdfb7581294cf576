"""Whether and when a message that was not taken is tried again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.alerts.attempts import Failure, next_pause
from semsupervisor.alerts.notification import NotificationKind, OutboxEntry
from semsupervisor.settings.forms import Duration
from semsupervisor.settings.model import DeliverySettings
from tests.support.clock import START
from tests.support.told import told

SETTINGS = DeliverySettings()
WEEK = float(SETTINGS.give_up_seconds)


def entry(tried_seconds: float = 0.0, attempts: int = 0) -> OutboxEntry:
    """Return a message on its way."""
    return OutboxEntry(
        id=1,
        receiver="ops",
        notification=told(NotificationKind.FIRING),
        queued_at=START,
        attempts=attempts,
        tried_seconds=tried_seconds,
    )


def failure(
    *, in_row: int = 1, refusals: int = 0, refused_for: float = 0.0, spent: float = 0.0, asked: float = 0.0
) -> Failure:
    """Return one failed attempt, a refusal if there were any."""
    return Failure(
        refused=refusals > 0,
        in_row=in_row,
        refusals=refusals,
        refused_seconds=refused_for,
        spent_seconds=spent,
        asked_seconds=asked,
    )


def highest() -> float:
    """Return the dice at their highest."""
    return 1.0


@pytest.mark.parametrize(
    ("one", "pause"),
    [
        (failure(), 2.0),
        (failure(in_row=3), 8.0),
        (failure(in_row=100), 300.0),
        (failure(asked=30.0), 30.0),
        (failure(in_row=6, asked=30.0), 64.0),
        (failure(asked=86400.0), 300.0),
        (failure(refusals=1), 2.0),
        (failure(refusals=4, in_row=4), 16.0),
    ],
)
def test_the_pause_grows_with_the_failures(one: Failure, pause: float) -> None:
    """Doubling up to the longest; a longer wish of the receiver is kept as far as the longest allows."""
    assert next_pause(entry(), one, SETTINGS, highest) == pause


def test_a_refusal_for_good_ends_after_a_few() -> None:
    """Five refusals and an hour since the first of them give a message up; failures before do not count."""
    early = failure(refusals=4, refused_for=3600.0, in_row=54)
    assert next_pause(entry(attempts=50), early, SETTINGS, highest) == 300.0
    assert next_pause(entry(), failure(refusals=5, refused_for=3599.0), SETTINGS, highest) == 2.0
    assert next_pause(entry(), failure(refusals=50, refused_for=3599.0), SETTINGS, highest) == 2.0
    assert next_pause(entry(), failure(refusals=5, refused_for=3600.0), SETTINGS, highest) is None


@pytest.mark.parametrize(
    ("tried", "spent", "given_up"), [(0.0, WEEK - 1, False), (WEEK - 10, 9.0, False), (WEEK - 10, 10.0, True)]
)
def test_a_receiver_out_of_reach_ends_after_a_week(tried: float, spent: float, given_up: bool) -> None:
    """The time spent trying counts, not the number of attempts."""
    pause = next_pause(
        entry(tried_seconds=tried, attempts=10_000), failure(in_row=10_000, spent=spent), SETTINGS, highest
    )
    assert (pause is None) == given_up


def test_a_refusal_after_a_long_outage_gets_all_its_attempts() -> None:
    """A login that is refused on the day the uplink returns is tried again, though the week is over."""
    assert next_pause(entry(tried_seconds=2 * WEEK), failure(refusals=1), SETTINGS, highest) == 2.0


@given(
    in_row=st.integers(1, 10_000),
    asked=st.floats(0, 1e9),
    dice=st.floats(0, 1),
    first=st.floats(0.1, 86_400),
    longest=st.floats(0.1, 86_400),
)
def test_no_pause_is_longer_than_the_settings_allow(
    in_row: int, asked: float, dice: float, first: float, longest: float
) -> None:
    """Whatever the receiver asks for and the dice say."""
    settings = DeliverySettings(first_retry_seconds=Duration(first), longest_retry_seconds=Duration(longest))
    pause = next_pause(entry(), failure(in_row=in_row, asked=asked), settings, lambda: dice)
    assert pause is not None
    assert 0.0 <= pause <= longest
