"""A series keeps few readings and loses no rise: increase, rate and slope against what was put in."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.health.series import LEAST_POINTS, MOST_POINTS, Series

HOUR = 3600.0
GAPS = st.floats(0.01, 400.0)
AMOUNTS = st.floats(0.0, 1e9)
VALUES = st.floats(-1e12, 1e12)
STARTS = st.floats(0.0, 1e8)


def filled(*points: tuple[float, float], window: float = HOUR, most: int = MOST_POINTS) -> Series:
    """Return a series of (when, value)."""
    series = Series(window, most)
    for at, value in points:
        series.add(at, value)
    return series


def steady(count: int, every: float, per_second: float, *, start: float = 1000.0) -> list[tuple[float, float]]:
    """Return readings of what rises evenly."""
    return [(start + number * every, number * every * per_second) for number in range(count)]


def test_an_increase_is_from_the_first_to_the_last_reading() -> None:
    """A counter that rises by 2 a second is said to do so."""
    series = filled(*steady(31, 10.0, 2.0), window=300.0)
    assert series.increase(300.0, 1300.0) == pytest.approx(600.0)
    assert series.rate(300.0, 1300.0) == pytest.approx(2.0)
    assert series.slope(300.0, 1300.0) == pytest.approx(2.0)
    assert series.newest_at == 1300.0


def test_a_reset_counts_from_zero() -> None:
    """After a restart the counter's own value is what it has risen by."""
    series = filled((0, 100), (10, 110), (20, 4), (30, 9), window=30.0)
    assert series.increase(30.0, 30.0) == 10 + 4 + 5


def test_a_counter_below_zero_is_none() -> None:
    """A fall below zero adds nothing, whatever made it."""
    assert filled((0, 5), (10, -5), (20, -5), window=20.0).increase(20.0, 20.0) == 0.0


def test_the_first_reading_is_no_increase() -> None:
    """What a counter stood at when it was first seen did not rise in the window."""
    assert filled((0, 5000), (10, 5000), (20, 5001), window=20.0).increase(20.0, 20.0) == 1.0


@pytest.mark.parametrize(
    ("points", "now"),
    [
        ([], 0.0),
        ([(0, 1)], 0.0),
        ([(0, 1), (60, 2)], 60.0),
        ([(0, 1), (10, 2), (20, 3), (29, 4)], 29.0),
        ([(0, 1), (10, 2), (40, 3)], 130.0),
    ],
)
def test_too_few_readings_say_nothing(points: list[tuple[float, float]], now: float) -> None:
    """Nothing is made of two readings, of less than half of the window, or of what lies before it."""
    series = filled(*points, window=60.0)
    assert series.increase(60.0, now) is series.rate(60.0, now) is series.slope(60.0, now) is None
    assert series.line(60.0, now) is None


def test_a_gap_is_bridged_while_enough_is_known() -> None:
    """What was not seen for a while counts by its two ends; after a whole window without a look nothing is known."""
    series = filled((0, 0), (10, 1), (200, 20), (210, 21), window=300.0)
    assert series.increase(300.0, 210.0) == 21.0
    series.add(900.0, 90.0)
    assert series.increase(300.0, 900.0) is None
    assert len(series) == 1


def test_readings_that_come_late_or_twice_are_left_out() -> None:
    """Time in a series only goes on, so that the same look handed in twice changes nothing."""
    series = filled((0, 1), (10, 2), (10, 50), (5, 50), (20, 3), window=60.0)
    assert series.readings(60.0, 20.0) == [(0, 1), (10, 2), (20, 3)]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e101, 10**400])
def test_what_is_no_number_of_this_world_is_left_out(value: float) -> None:
    """One unreadable value spoils neither sum nor slope."""
    assert len(filled((0, 1), (10, value))) == 1


def test_a_point_after_now_is_not_seen() -> None:
    """A look into the past finds what was known then."""
    assert filled((0, 1), (10, 2), (20, 3), window=60.0).readings(60.0, 10.0) == [(0, 1), (10, 2)]


def test_six_hours_of_looks_need_few_points() -> None:
    """At an interval of 10 s a window of 6 h holds its 128 points at most, and still knows the slope and the newest."""
    series = filled(*steady(2161, 10.0, 1e-5), window=6 * HOUR)
    now = 1000.0 + 6 * HOUR
    assert 120 <= len(series) <= MOST_POINTS
    assert series.slope(6 * HOUR, now) == pytest.approx(1e-5)
    assert series.readings(6 * HOUR, now)[-1] == pytest.approx((now, 0.216))


def test_a_line_says_how_well_it_fits() -> None:
    """Even growth fits wholly, a single step by three quarters, what stands still not at all."""
    grown = filled(*steady(101, 10.0, 1.0)).line(1000.0, 2000.0)
    stepped = filled(*((number * 10.0, float(number > 50)) for number in range(101))).line(1000.0, 1000.0)
    still = filled(*((number * 10.0, 0.5) for number in range(101))).line(1000.0, 1000.0)
    assert grown is not None
    assert stepped is not None
    assert still is not None
    assert grown.fit == pytest.approx(1.0)
    assert stepped.fit == pytest.approx(0.75, abs=0.01)
    assert (still.slope, still.fit) == (0.0, 0.0)


@given(st.floats(-1e6, 1e6), st.lists(GAPS, min_size=10, max_size=100))
def test_what_stands_still_has_no_slope(value: float, gaps: list[float]) -> None:
    """Not the least one by rounding: a rule about any rise at all must not hold."""
    series, at = Series(600.0), 1e6
    for gap in gaps:
        at += gap
        series.add(at, value)
    assert series.slope(600.0, at) in {None, 0.0}
    assert series.rate(600.0, at) in {None, 0.0}


@given(st.lists(st.tuples(GAPS, VALUES), max_size=400), st.integers(4, MOST_POINTS), STARTS)
def test_a_series_is_bounded(steps: list[tuple[float, float]], most: int, start: float) -> None:
    """Whatever comes, however fast: no more points than allowed, none older than the window, the newest among them."""
    series, at = Series(HOUR, most), start
    for gap, value in steps:
        at += gap
        series.add(at, value)
        assert len(series) <= most
        readings = series.readings(math.inf, at)
        assert readings[-1] == (at, value)
        assert readings[0][0] >= at - HOUR
        assert [moment for moment, _ in readings] == sorted({moment for moment, _ in readings})


@given(st.lists(st.tuples(GAPS, AMOUNTS, st.booleans()), min_size=3, max_size=300), STARTS)
def test_thinning_loses_no_rise(steps: list[tuple[float, float, bool]], start: float) -> None:
    """Resets or not, what is kept says of the time that it covers what the whole of the readings says."""
    series, at, value, risen = Series(HOUR, 16), start, 0.0, 0.0
    total = {at: risen}
    series.add(at, value)
    for gap, amount, reset in steps:
        at += gap
        value = amount if reset and amount < value else value + amount
        risen += amount
        total[at] = risen
        series.add(at, value)
    found = series.increase(HOUR, at)
    points = series.readings(HOUR, at)
    covered = points[-1][0] - points[0][0]
    assert (found is None) is (len(points) < LEAST_POINTS or covered < HOUR / 2)
    if found is not None:
        assert found == pytest.approx(total[at] - total[points[0][0]], rel=1e-6, abs=1.0)
        assert found >= 0.0


@given(
    st.lists(st.floats(1.0, 60.0), min_size=60, max_size=200),
    st.floats(-1e3, 1e3),
    st.floats(-1e6, 1e6),
    STARTS,
)
def test_even_growth_has_its_slope(gaps: list[float], slope: float, first: float, start: float) -> None:
    """However uneven the looks are, a straight course is found as it is, up or down, at any uptime."""
    series, at, passed = Series(600.0), start, 0.0
    for gap in gaps:
        at, passed = at + gap, passed + gap
        series.add(at, first + slope * passed)
    found = series.slope(600.0, at)
    if found is not None:
        assert found == pytest.approx(slope, rel=1e-3, abs=1e-4)


@given(st.lists(st.tuples(GAPS, VALUES), min_size=3, max_size=200), STARTS)
def test_a_fit_is_a_share(steps: list[tuple[float, float]], start: float) -> None:
    """Whatever the course, the line is a finite one and explains between nothing and all of it."""
    series, at = Series(HOUR), start
    for gap, value in steps:
        at += gap
        series.add(at, value)
    line = series.line(HOUR, at)
    if line is not None:
        assert math.isfinite(line.slope)
        assert 0.0 <= line.fit <= 1.0
