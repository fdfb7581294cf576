"""Schedules as texts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from semsupervisor.kit.cron import is_schedule, times

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
A_SUNDAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    "text",
    ["", "off", "02:00", "2:00", "23:59", "30 2 * * *", "*/5 1-3 1,15 * sun", "0 2 * * mon-fri", "0 0 1 jan-mar Fri"],
)
def test_what_is_a_schedule(text: str) -> None:
    """A time of the day, a cron expression, or none."""
    assert is_schedule(text)


@pytest.mark.parametrize(
    "text",
    [
        *("24:00", "2", "02:60", "daily", "@daily", " ", "0 2 * *", "0 2 * * * *", "61 * * * *", "a b c d e"),
        *("0 0 31 2 *", "*/0 * * * *", "0 2 * * 8", "0 2 * * fri-mon", "0 2 * * 5-1", "0 2 * * */0", "0 2 * * tag"),
        *("0 2 last * *", "0 2 L * *", "0 2 * * 5#2", "0 2 ? * 1"),
    ],
)
def test_what_is_none(text: str) -> None:
    """What cannot be read, what no crontab knows, and what is never due."""
    assert not is_schedule(text)


def days(text: str, count: int) -> list[date]:
    """Return the days of a schedule among so many from a Sunday that begins a month on."""
    following = times(text, UTC)
    assert following is not None
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    end, found = moment + timedelta(days=count), list[date]()
    while (due := following(moment)) is not None and due < end:
        found.append(due.date())
        moment = due + timedelta(seconds=1)
    return found


@pytest.mark.parametrize(
    ("weekdays", "meant"),
    [
        ("0", [0]),
        ("7", [0]),
        ("1-5", [1, 2, 3, 4, 5]),
        ("mon-fri", [1, 2, 3, 4, 5]),
        ("5-7", [0, 5, 6]),
        ("fri-sun", [0, 5, 6]),
        ("0-7", [0, 1, 2, 3, 4, 5, 6]),
        ("*/2", [0, 2, 4, 6]),
        ("1-6/2", [1, 3, 5]),
        ("3/2", [3, 5]),
        ("SAT,1", [1, 6]),
        ("*", [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_days_of_the_week_count_from_sunday(weekdays: str, meant: list[int]) -> None:
    """As in a crontab, by numbers, names, ranges and steps; 7 is Sunday too."""
    assert days(f"0 2 * * {weekdays}", 7) == [A_SUNDAY + timedelta(days=number) for number in meant]


@pytest.mark.parametrize(
    ("fields", "meant"),
    [
        ("13 * fri", [6, 13, 20, 27]),
        ("1,15 * wed", [1, 4, 11, 15, 18, 25]),
        ("13 * *", [13]),
        ("* * fri", [6, 13, 20, 27]),
        ("*/2 * fri", [13, 27]),
        ("13 * */6", []),  # it is a Friday, and neither a Sunday nor a Saturday
    ],
)
def test_a_day_that_is_either_will_do(fields: str, meant: list[int]) -> None:
    """Where days of the month and of the week are both restricted; one that begins with a star restricts by both."""
    assert [one.day for one in days(f"0 2 {fields}", 31)] == meant


def test_the_times_are_those_of_the_zone() -> None:
    """The first that is not before a moment, by the zone's clock."""
    berlin = times("02:00", ZoneInfo("Europe/Berlin"))
    weekly = times("30 2 * * sun", UTC)
    assert berlin is not None
    assert weekly is not None
    assert berlin(NOON) == datetime(2026, 3, 2, 1, tzinfo=UTC)
    assert weekly(NOON) == datetime(2026, 3, 8, 2, 30, tzinfo=UTC)


def test_what_is_switched_off_has_no_times() -> None:
    """By an empty text as well."""
    assert times("", UTC) is None
    assert times("off", UTC) is None
