"""What the course of a fact says, in numbers and in words."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest

from semsupervisor.alerts.trends import TOO_EARLY, Trend, ahead_text, filling, rate_text, rising
from semsupervisor.health.series import Series


def course(*values: float, every: float = 10.0) -> tuple[Series, float]:
    """Return a series of readings that just fill its window, and now."""
    window = every * (len(values) - 1)
    series = Series(window)
    for number, value in enumerate(values):
        series.add(100.0 + number * every, value)
    return series, 100.0 + window


def test_a_counter_rises_by_its_increase() -> None:
    """What ends in _total is a counter: a fall is its reset."""
    series, now = course(5, 10, 2, 4)
    assert rising("errors_total", series, 30.0, now).value == pytest.approx((5 + 2 + 2) / 30)


def test_a_gauge_rises_by_its_slope() -> None:
    """Anything else may fall."""
    series, now = course(5, 4, 3, 2)
    assert rising("connections", series, 30.0, now) == Trend(pytest.approx(-0.1), pytest.approx(-0.1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "rises"),
    [
        (range(0, 90, 10), True),
        ([0, 30, 10, 40, 30, 60, 50, 80, 70], True),
        ([0, 90, 10, 80, 20, 70, 30, 90, 40], False),  # wavers
        ([0, 0, 0, 0, 0, 0, 0, 90, 90], False),  # has jumped just now
        ([0, 90, 90, 90, 90, 90, 90, 90, 90], False),  # has jumped long ago
        ([0, 0, 0, 0, 90, 80, 70, 60, 0], False),  # is worked off
        ([90, 80, 70, 60, 50, 40, 30, 20, 10], False),
    ],
)
def test_a_gauge_that_wavers_or_jumps_does_not_rise(values: Iterable[float], rises: bool) -> None:
    """It has to lie higher in all of the last third than in all of the first."""
    series, now = course(*values)
    found = rising("pending", series, 80.0, now).value
    assert isinstance(found, float)
    assert (found > 0) is rises


def test_a_share_that_grows_has_a_time_ahead() -> None:
    """With the growth it follows from; what does not grow is full never."""
    series, now = course(*(0.5 + 0.01 * number for number in range(11)))
    grown = filling(series, 100.0, now)
    assert grown.value == pytest.approx(400.0)
    assert grown.rate == pytest.approx(0.001)
    still, now = course(*(0.5 for _ in range(11)))
    assert filling(still, 100.0, now) == Trend(math.inf)


def test_nothing_is_said_too_early() -> None:
    """No course, or too few readings of it, is unknown."""
    series, now = course(1, 2)
    for found in (
        rising("x", None, 10.0, now),
        rising("x", series, 10.0, now),
        rising("x_total", series, 10.0, now),
        filling(None, 10.0, now),
        filling(series, 10.0, now),
    ):
        assert found == Trend(TOO_EARLY)


@pytest.mark.parametrize(
    ("fact", "per_second", "text"),
    [
        ("errors_total", 0.0, "0"),
        ("errors_total", 1234.4, "1234/s"),
        ("errors_total", 2.345, "2.35/s"),
        ("errors_total", 1.0, "1/s"),
        ("errors_total", 0.5, "30/min"),
        ("errors_total", 1 / 600, "6/h"),
        ("errors_total", 1 / 86400, "1/d"),
        ("errors_total", 1e-9, "8.64e-05/d"),
        ("connections", -0.5, "-30/min"),
        ("received_bytes_total", 3 * 2**20, "3.0 MiB/s"),
        ("used_bytes", 2**20 / 60, "1.0 MiB/min"),
        ("used_bytes", 1.0, "84 KiB/d"),
        ("used_ratio", 0.015 / 3600, "1.5 %/h"),
        ("used_ratio", 0.01, "1 %/s"),
        ("used_ratio", 0.5 / 60, "50 %/min"),
        ("used_ratio", 1.0, "100 %/s"),
    ],
)
def test_rates_read_well(fact: str, per_second: float, text: str) -> None:
    """In the shortest unit of time in which there is something to count."""
    assert rate_text(fact, per_second) == text


@pytest.mark.parametrize(("seconds", "text"), [(90.0, "1 min 30 s"), (math.inf, "not in sight")])
def test_times_ahead_read_well(seconds: float, text: str) -> None:
    """Never is said as such."""
    assert ahead_text(seconds) == text
