"""When it will be full: found for what grows, and for nothing else."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.health.forecast import NO_TREND, Forecast, forecast
from semsupervisor.health.series import Series

HOUR = 3600.0
WINDOW = 6 * HOUR
INTERVAL = 10.0


def course(value_at: Callable[[float], float], hours: float = 6.0, *, window: float = WINDOW) -> Forecast | None:
    """Return the forecast after looks every 10 s at a value that depends on the hours since the first one."""
    series, looks = Series(window), int(hours * HOUR / INTERVAL)
    for number in range(looks + 1):
        series.add(5000.0 + number * INTERVAL, value_at(number * INTERVAL / HOUR))
    return forecast(series, window, 5000.0 + looks * INTERVAL)


def first_told(value_at: Callable[[float], float]) -> tuple[float, float] | None:
    """Return after how many of twenty hours it is first found full within a day, and the hours said to be left.

    Looked for every 10 minutes, as the rule wants it to hold for as long.
    """
    series = Series(WINDOW)
    for number in range(int(20 * HOUR / 60)):
        value = value_at(number / 60)
        series.add(number * 60.0, value)
        found = forecast(series, WINDOW, number * 60.0) if number % 10 == 0 and value < 1.0 else None
        if found is not None and found.full_in_seconds < 24 * HOUR:
            return number / 60, found.full_in_seconds / HOUR
    return None


def full_in_hours(value_at: Callable[[float], float], hours: float = 6.0) -> float:
    """Return the hours until it is full."""
    found = course(value_at, hours)
    assert found is not None
    return found.full_in_seconds / HOUR


def test_even_growth_is_full_when_it_is_full() -> None:
    """From 50 % by 2 % an hour: after 6 h there are 19 h left."""
    found = course(lambda hours: 0.5 + 0.02 * hours)
    assert found is not None
    assert found.growth * HOUR == pytest.approx(0.02)
    assert found.full_in_seconds / HOUR == pytest.approx(19.0)


@pytest.mark.parametrize("percent_an_hour", [0.5, 2.0, 10.0])
@pytest.mark.parametrize("writes_an_hour", [3, 30, 300])
def test_growth_in_pieces_is_found_within_a_fifth(percent_an_hour: float, writes_an_hour: int) -> None:
    """What grows write by write is found within 20 % of the truth."""
    rate = percent_an_hour / 100

    def grown(hours: float) -> float:
        return 0.2 + rate * math.floor(hours * writes_an_hour) / writes_an_hour

    assert full_in_hours(grown) == pytest.approx((0.8 - 6 * rate) / rate, rel=0.2)


def test_growth_with_noise_is_found_within_a_fifth() -> None:
    """Files that come and go beside it hide no growth."""
    dice = random.Random(7)
    found = full_in_hours(lambda hours: 0.5 + 0.02 * hours + dice.uniform(-0.005, 0.005))
    assert found == pytest.approx(19.0, rel=0.2)


@pytest.mark.parametrize("quiet_hours", [0.0, 1.0, 2.0, 6.5])
@pytest.mark.parametrize("hours_to_full", [8, 12, 20])
@pytest.mark.parametrize("beside", ["nothing", "noise", "rotation"])
def test_the_first_word_is_right_within_a_fifth(quiet_hours: float, hours_to_full: int, beside: str) -> None:
    """Growth that began within the window is measured from where it began, whatever wavers beside it."""
    dice, rate = random.Random(5), 0.7 / hours_to_full

    def grown(hours: float) -> float:
        extra = {"nothing": 0.0, "noise": dice.uniform(-0.005, 0.005), "rotation": 0.01 * (hours % 1.0)}[beside]
        return 0.3 + rate * max(0.0, hours - quiet_hours) + extra

    told = first_told(grown)
    assert told is not None
    at, said = told
    assert said == pytest.approx(hours_to_full - (at - quiet_hours), rel=0.2)


def test_a_burst_after_a_quiet_time_is_no_trend() -> None:
    """Two hours of writing that end are never said to fill the disk."""
    assert first_told(lambda hours: 0.3 + 0.06 * min(max(0.0, hours - 6.5), 2.0)) is None


@pytest.mark.parametrize(
    "value_at",
    [
        lambda hours: 0.98,
        lambda hours: 0.9 - 0.01 * hours,
        lambda hours: 0.5 + 0.3 * (hours > 3.0),
        lambda hours: 0.5 + 0.3 * (hours > 0.2),
        lambda hours: 0.5 + 0.3 * (hours > 5.9),
        lambda hours: 0.5 + 0.1 * ((hours > 2.0) + (hours > 4.0)),
        lambda hours: 0.5 + 0.1 * ((hours > 1.0) + (hours > 5.9)),
        lambda hours: 0.5 + 0.3 * min(1.0, max(0.0, hours - 2.0)),
        lambda hours: 0.5 + 0.05 * min(hours, 4.0),
        lambda hours: 0.97 + 0.005 * math.sin(hours * 40),
        lambda hours: 0.6 + 0.05 * (hours % 1.0),
    ],
    ids=[
        "still",
        "emptying",
        "a step",
        "an early step",
        "a step just now",
        "two steps",
        "two steps, one just now",
        "an hour of writing",
        "growth that ended two hours ago",
        "up and down",
        "rotation each hour",
    ],
)
def test_what_is_no_trend_has_no_forecast(value_at: Callable[[float], float]) -> None:
    """One big file at once, a finished copy or logs that rotate are not a disk that fills up."""
    assert course(value_at) == NO_TREND


def test_noise_is_no_trend() -> None:
    """A disk that is nearly full and merely restless is never said to fill up."""
    for seed in range(50):
        dice = random.Random(seed)
        found = course(lambda hours, dice=dice: 0.985 + dice.uniform(-0.003, 0.003))  # type: ignore[misc]
        assert found == NO_TREND


def test_what_is_full_is_full() -> None:
    """At 1 there is nothing left to wait for, whatever brought it there."""
    found = course(lambda hours: 1.0)
    assert found is not None
    assert found.full_in_seconds == 0.0


@pytest.mark.parametrize(("hours", "known"), [(0.0, False), (0.5, False), (2.9, False), (3.1, True)])
def test_half_of_the_window_is_needed(hours: float, known: bool) -> None:
    """After a start nothing is forecast until enough was measured."""
    assert (course(lambda at: 0.5 + 0.02 * at, hours) is not None) is known


def test_seven_readings_are_too_few() -> None:
    """However far apart they are."""
    series = Series(WINDOW)
    for number in range(8):
        assert forecast(series, WINDOW, 7 * HOUR / 2) is None
        series.add(number * HOUR / 2, 0.1 * number)
    assert forecast(series, WINDOW, 7 * HOUR / 2) is not None


def test_growth_that_ended_is_forgotten_in_time() -> None:
    """Two hours after the writing ended there is no forecast any more, though the window still holds the growth."""
    ended = [full_in_hours(lambda at: 0.3 + 0.05 * min(at, 6.0), hours) for hours in (6.0, 6.2, 8.0)]
    assert ended[0] == pytest.approx(8.0)
    assert ended[1] < 12.0
    assert ended[2] == math.inf


@given(st.lists(st.floats(0.0, 1.2), min_size=1, max_size=150), st.floats(1.0, 300.0), st.floats(0.0, 1e8))
def test_any_course_has_a_sensible_forecast_or_none(values: list[float], gap: float, start: float) -> None:
    """Never before now, never from a course that does not rise, never from less than half of the window."""
    series, at = Series(WINDOW), start
    for value in values:
        at += gap
        series.add(at, value)
    found = forecast(series, WINDOW, at)
    if found is None:
        return
    assert gap * (len(values) - 1) >= WINDOW / 2 * 0.99
    assert found.full_in_seconds >= 0.0
    assert found.full_in_seconds in {0.0, math.inf} or found.growth > 0.0
