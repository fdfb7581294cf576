"""When something that fills up will be full if it goes on as measured, and when that cannot be said. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from semsupervisor.health.series import Series, straight

LEAST_POINTS = 8
PARTS = 8
GROWING_PARTS = 5
LATEST_PARTS = 2
SHARE_OF_EVEN_GROWTH = 0.25
LEAST_FIT = 0.7
BENDS = (2, 3, 4, 5)
BEND_LEAVES = 0.4


class Forecast(msgspec.Struct, frozen=True):
    """How fast a share grows (per second), and after how many seconds it comes to 1; infinite without a trend."""

    growth: float
    full_in_seconds: float


NO_TREND = Forecast(0.0, math.inf)


def forecast(series: Series, over_seconds: float, now: float) -> Forecast | None:
    """Return the forecast for a share of 0 to 1 from its course in the window that ends now.

    None from too few readings, or from less than half of the window. One big file written at once is no trend, nor is
    what ended some time ago: of eight parts of the time measured most must show growth, one of the last two among
    them, and a straight line must explain most of the course. The growth is that of the whole course, or of what
    comes after a bend from which on it grows faster.
    """
    readings = series.readings(over_seconds, now)
    if len(readings) < LEAST_POINTS:
        return None
    line = series.line(over_seconds, now)
    if line is None:
        return None
    value = readings[-1][1]
    if value >= 1.0:
        return Forecast(line.slope, 0.0)
    if line.slope <= 0.0 or line.fit < LEAST_FIT or not _grows_throughout(readings, line.slope):
        return NO_TREND
    growth = max(line.slope, _slope_after_bend(readings, line.rest))
    return Forecast(growth, (1.0 - value) / growth)


def _grows_throughout(readings: Sequence[tuple[float, float]], slope: float) -> bool:
    times = [at for at, _ in readings]
    length = (times[-1] - times[0]) / PARTS
    ends = [readings[bisect_right(times, times[0] + length * part) - 1][1] for part in range(1, PARTS)]
    levels = [readings[0][1], *ends, readings[-1][1]]
    least = slope * length * SHARE_OF_EVEN_GROWTH
    growing = [after - before >= least for before, after in pairwise(levels)]
    return sum(growing) >= GROWING_PARTS and any(growing[-LATEST_PARTS:])


def _slope_after_bend(readings: Sequence[tuple[float, float]], rest: float) -> float:
    """Return the slope after the bend where two lines fit best; 0 if they fit not clearly better than one.

    `rest` is what one line leaves unexplained.
    """
    times, values = [at for at, _ in readings], [value for _, value in readings]
    length = (times[-1] - times[0]) / PARTS
    found, least = 0.0, rest * BEND_LEAVES
    for part in BENDS:
        bend = bisect_right(times, times[0] + length * part)
        before, after = straight(times[:bend], values[:bend]), straight(times[bend:], values[bend:])
        if before.rest + after.rest < least:
            found, least = after.slope, before.rest + after.rest
    return found
