"""When a schedule is due: a time of the day or a cron expression, in a time zone. Reads no clock.

Fields mean what they mean in a crontab (crontab(5)): days of the week count from Sunday, which 0 and 7 both are, and
where both the day of the month and that of the week are restricted, a day that is either will do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo

from apscheduler.triggers.cron import CronTrigger

OFF = ("", "off")

Next = Callable[[datetime], datetime | None]
"""Returns the first instant of a schedule that is not before another one, in the schedule's zone; None if none is."""

_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_NUMBERS = re.compile(r"[0-9*/,-]+")
_MONTHS = re.compile(r"[0-9a-z*/,-]+")
_DAYS = re.compile(r"(\*|[0-9a-z]+)(?:-([0-9a-z]+))?(?:/([1-7]))?")
_WEEK = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def is_schedule(text: str) -> bool:
    """Tell whether a text is a schedule that is due some time, or says that there is none."""
    try:
        following = times(text, UTC)
    except ValueError:
        return False
    return following is None or following(datetime(2026, 1, 1, tzinfo=UTC)) is not None


def times(text: str, zone: tzinfo) -> Next | None:
    """Return the times of a schedule, None for one that is switched off. Raises: ValueError."""
    if text in OFF:
        return None
    triggers = _triggers(text, zone)

    def following(moment: datetime) -> datetime | None:
        found = [trigger.get_next_fire_time(None, moment) for trigger in triggers]
        return min((one for one in found if one is not None), default=None)

    return following


def _triggers(text: str, zone: tzinfo) -> Sequence[CronTrigger]:
    """Return what is due when any of these is."""
    if parts := _TIME.fullmatch(text):
        return (CronTrigger(hour=int(parts[1]), minute=int(parts[2]), timezone=zone),)
    fields = text.lower().split()
    if len(fields) != 5:
        raise ValueError(f"a cron expression has five fields, and this {len(fields)}")
    minute, hour, day, month, weekday = fields
    if not all(_NUMBERS.fullmatch(field) for field in (minute, hour, day)) or not _MONTHS.fullmatch(month):
        raise ValueError(f"not a cron expression: {text}")

    def trigger(day: str, weekday: str) -> CronTrigger:
        return CronTrigger(minute=minute, hour=hour, day=day, month=month, day_of_week=weekday, timezone=zone)

    named = _named(weekday)
    if day.startswith("*") or weekday.startswith("*"):
        return (trigger(day, named),)
    return trigger(day, "*"), trigger("*", named)


def _named(weekdays: str) -> str:
    """Return the days of the week by their names: the numbers of APScheduler begin at Monday."""
    found = [_WEEK[number % 7] for part in weekdays.split(",") for number in _days(part)]
    return ",".join(dict.fromkeys(found))


def _days(part: str) -> Sequence[int]:
    parts = _DAYS.fullmatch(part)
    if parts is None:
        raise ValueError(f"not days of a week: {part}")
    first, last, step = parts.groups()
    if first == "*":
        first, last = "0", last or "6"
    begin = _day(first)
    end = _day(last) if last else 6 if step else begin
    if end == 0 < begin:
        end = 7
    if begin > end:
        raise ValueError(f"the days of a week from a later to an earlier one: {part}")
    return range(begin, end + 1, int(step or 1))


def _day(text: str) -> int:
    """Return the number of a day of the week in a crontab."""
    if text in _WEEK:
        return _WEEK.index(text)
    if not re.fullmatch("[0-7]", text):
        raise ValueError(f"not a day of the week: {text}")
    return int(text)
