"""What became of the clocks between two looks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.health.clocks import DOUBTED_SECONDS, Change, Doubts, Reading, change, implausible
from tests.support.clock import ManualClock

HOUR = 3600.0
DAY = 24 * HOUR
YEAR = 365 * DAY


def reading(clock: ManualClock) -> Reading:
    """Read a clock."""
    return Reading(clock.now(), clock.monotonic(), clock.since_boot())


@given(awake=st.floats(0.0, YEAR), asleep=st.floats(0.0, YEAR), correction=st.floats(-1.9, 1.9))
def test_only_a_set_clock_is_a_set_clock(awake: float, asleep: float, correction: float) -> None:
    """However long the host was awake or slept, and whatever NTP corrects, its clock was not set."""
    clock = ManualClock()
    before = reading(clock)
    clock.advance(awake)
    clock.sleep(asleep)
    clock.jump(correction)
    found = change(before, reading(clock))
    assert (found.set_seconds, found.first_set) == (0.0, False)
    assert found.slept_seconds == pytest.approx(asleep if asleep > 2.001 else 0.0, abs=2.001)


@given(jump=st.floats(2.1, 50 * YEAR), back=st.booleans(), asleep=st.floats(0.0, YEAR))
def test_by_how_much_it_was_set_is_measured(jump: float, back: bool, asleep: float) -> None:
    """A jump is seen with its direction and size, also in the sleep of the host."""
    clock = ManualClock()
    before = reading(clock)
    clock.advance(10.0)
    clock.sleep(asleep)
    clock.jump(-jump if back else jump)
    found = change(before, reading(clock))
    assert found.set_seconds == pytest.approx(-jump if back else jump, abs=0.001)
    assert found.direction == ("back" if back else "forward")
    assert not found.first_set


def test_a_clock_without_a_time_is_set_for_the_first_time() -> None:
    """From 1970 to now is the first setting; from one plausible time to another, or to another in 1970, is none."""
    clock = ManualClock(datetime(1970, 1, 1, 0, 1, tzinfo=UTC))
    boot = reading(clock)
    clock.jump(DAY)
    assert not change(boot, reading(clock)).first_set
    clock.jump(60 * YEAR)
    now = reading(clock)
    assert change(boot, now).first_set
    clock.jump(DAY)
    assert not change(now, reading(clock)).first_set


def test_a_jump_has_words() -> None:
    """People read the direction and a duration of two units."""
    assert Change(set_seconds=90061.0).words == "forward by 1 d 1 h"
    assert Change(set_seconds=-65.0).words == "back by 1 min 5 s"


@pytest.mark.parametrize(("year", "right"), [(1970, False), (2025, False), (2026, True), (2049, True), (2076, False)])
def test_a_time_before_the_program_or_long_after_it_is_none(year: int, right: bool) -> None:
    """A host without a battery starts in 1970, and one that jumps by fifty years is not believed either."""
    assert (implausible(datetime(year, 6, 1, tzinfo=UTC)) == "") is right


@pytest.mark.parametrize("jump", [-DAY, DAY, 120.0])
def test_a_date_that_was_just_set_is_doubted_for_a_while(jump: float) -> None:
    """A quarter of an hour, however often it is looked at; setting it back begins another."""
    clock, doubts = ManualClock(), Doubts()
    assert doubts.why(reading(clock)) == ""
    clock.jump(jump)
    assert doubts.why(reading(clock)).startswith("this host's clock was just set ")
    clock.advance(DOUBTED_SECONDS - 1)
    assert doubts.why(reading(clock))
    clock.jump(-jump)
    assert doubts.why(reading(clock))
    clock.advance(DOUBTED_SECONDS)
    assert doubts.why(reading(clock)) == ""


def test_a_small_correction_and_a_sleep_raise_no_doubt() -> None:
    """NTP moves a clock by seconds, and a host that slept has the right time."""
    clock, doubts = ManualClock(), Doubts()
    doubts.why(reading(clock))
    clock.jump(30.0)
    assert doubts.why(reading(clock)) == ""
    clock.sleep(DAY)
    assert doubts.why(reading(clock)) == ""


def test_a_clock_that_gets_its_time_is_believed_at_once() -> None:
    """From 1970, or from fifty years ahead, to a time that may be right: that is somebody who knows it."""
    clock, doubts = ManualClock(), Doubts()
    for jump in (50 * YEAR, -100 * YEAR):
        doubts.why(reading(clock))
        clock.jump(jump)
        assert "cannot be right" in doubts.why(reading(clock))
        clock.jump(-jump)
        assert doubts.why(reading(clock)) == ""
