"""What the course of a fact says: how fast it rises, and when it is full if it goes on so. Pure."""

from __future__ import annotations

import math

import msgspec

from semsupervisor.health.forecast import forecast
from semsupervisor.health.observation import FactValue, Unknown
from semsupervisor.health.series import Series
from semsupervisor.kit import amounts
from semsupervisor.kit.text import duration_text

COUNTER = "_total"
TOO_EARLY = Unknown("too few readings so far")

UNIT_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

_UNIT_WORDS = {"s": "s", "m": "min", "h": "h", "d": "d"}


class Trend(msgspec.Struct, frozen=True):
    """What a rule compares, or that it is unknown: a rise per second, or the seconds until it is full.

    `rate` is the rise per second in either case.
    """

    value: FactValue
    rate: float = 0.0


def rising(fact: str, series: Series | None, over_seconds: float, now: float) -> Trend:
    """Return how fast a fact rises in the window: a counter by what it was increased by, a gauge by its slope.

    A gauge that only wavers, or has jumped once, rises by 0 although a line through it does not lie flat.
    """
    if series is None:
        return Trend(TOO_EARLY)
    found = series.rate(over_seconds, now) if fact.endswith(COUNTER) else series.slope(over_seconds, now)
    if found is None:
        return Trend(TOO_EARLY)
    if found > 0 and not fact.endswith(COUNTER) and not series.climbed(over_seconds, now):
        found = 0.0
    return Trend(found, found)


def filling(series: Series | None, over_seconds: float, now: float) -> Trend:
    """Return in how many seconds a share is full; without a trend that is never, which is infinite."""
    found = None if series is None else forecast(series, over_seconds, now)
    return Trend(TOO_EARLY) if found is None else Trend(found.full_in_seconds, found.growth)


def rate_text(fact: str, per_second: float) -> str:
    """Return a rate for people in the shortest unit of time in which it is one at least: `5/min`, `1.5 %/h`."""
    if not per_second:
        return "0"
    base = fact.removesuffix(COUNTER)
    least = 0.01 if base.endswith("_ratio") else 2.0**20 if base.endswith("_bytes") else 1.0
    unit = next((unit for unit, seconds in UNIT_SECONDS.items() if abs(per_second) * seconds >= least), "d")
    sign = "-" if per_second < 0 else ""
    return f"{sign}{_amount(base, abs(per_second) * UNIT_SECONDS[unit])}/{_UNIT_WORDS[unit]}"


def ahead_text(seconds: float) -> str:
    """Return the time until it is full for people."""
    return duration_text(seconds) if math.isfinite(seconds) else "not in sight"


def _amount(base: str, amount: float) -> str:
    if base.endswith("_ratio"):
        return f"{amount * 100:.2g} %" if amount < 1 else f"{amount * 100:.0f} %"
    if base.endswith("_bytes"):
        return amounts.size(amount)
    return f"{amount:.0f}" if amount >= 100 else f"{amount:.3g}"
