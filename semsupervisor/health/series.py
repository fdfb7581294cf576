"""Readings of one number over time, few enough to keep, and what they say of its course. Pure.

All times are monotonic seconds that the caller hands in: a wall clock that jumps changes nothing here.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import msgspec

MOST_POINTS = 128
LEAST_POINTS = 3
LEAST_SHARE = 0.5
LARGEST = 1e100  # so that no square of what is reckoned with leaves the range of numbers


class Line(msgspec.Struct, frozen=True):
    """The straight line that fits readings best (least squares).

    `slope` is its rise per second, `fit` the share (0 to 1) of their ups and downs that it explains, and `rest` the sum
    of the squares that it leaves.
    """

    slope: float
    fit: float
    rest: float


class Series:
    """The readings of one number in a window that ends with the newest, thinned to at most `most` points.

    Points lie at least `window / (most - 2)` seconds apart, and the newest reading is always there. What a counter
    has risen by is summed up before thinning, so that no reset is lost by it.
    """

    def __init__(self, window_seconds: float, most: int = MOST_POINTS) -> None:
        self._window_seconds = window_seconds
        self._step_seconds = window_seconds / (most - 2)
        self._at = array("d")
        self._values = array("d")
        self._risen = array("d")

    def __len__(self) -> int:
        return len(self._at)

    @property
    def newest_at(self) -> float | None:
        """Return when the newest reading was taken; None without one."""
        return self._at[-1] if self._at else None

    def add(self, at: float, value: float) -> None:
        """Take one reading in; one that is no number of this world, or no later than the newest, is left out."""
        if not abs(value) <= LARGEST or (self._at and at <= self._at[-1]):
            return
        risen = self._risen[-1] + _rise(self._values[-1], value) if self._at else 0.0
        if len(self._at) > 1 and self._at[-1] - self._at[-2] < self._step_seconds:
            self._cut(-1, None)
        self._at.append(at)
        self._values.append(value)
        self._risen.append(risen)
        self._cut(0, bisect_left(self._at, at - self._window_seconds))

    def readings(self, over_seconds: float, now: float) -> Sequence[tuple[float, float]]:
        """Return (when, value) of the points in the window that ends now, oldest first."""
        first, end = self._within(over_seconds, now)
        return list(zip(self._at[first:end], self._values[first:end], strict=True))

    def increase(self, over_seconds: float, now: float) -> float | None:
        """Return by how much a counter has risen from the first to the last reading in the window that ends now.

        A decrease is a reset: the counter began anew at 0. None from too few readings, or from too short a part of
        the window.
        """
        first, end = self._within(over_seconds, now)
        return self._risen[end - 1] - self._risen[first] if self._enough(first, end, over_seconds) else None

    def rate(self, over_seconds: float, now: float) -> float | None:
        """Return the increase of a counter per second over the time that the readings cover; None as `increase`."""
        increase = self.increase(over_seconds, now)
        if increase is None:
            return None
        first, end = self._within(over_seconds, now)
        return increase / (self._at[end - 1] - self._at[first])

    def slope(self, over_seconds: float, now: float) -> float | None:
        """Return the rise of a gauge per second by least squares; None as `increase`."""
        line = self.line(over_seconds, now)
        return None if line is None else line.slope

    def line(self, over_seconds: float, now: float) -> Line | None:
        """Return the straight line that fits a gauge best in the window that ends now; None as `increase`."""
        first, end = self._within(over_seconds, now)
        if not self._enough(first, end, over_seconds):
            return None
        return straight(self._at[first:end], self._values[first:end])

    def climbed(self, over_seconds: float, now: float) -> bool:
        """Tell whether all of the last third of the readings in the window that ends now lies above all of the first.

        What only wavers never does, however wide, and what rises once does so for a third of the window only.
        """
        values = [value for _, value in self.readings(over_seconds, now)]
        third = len(values) // 3
        return third > 0 and min(values[-third:]) > max(values[:third])

    def _cut(self, first: int, end: int | None) -> None:
        for column in (self._at, self._values, self._risen):
            del column[first:end]

    def _within(self, over_seconds: float, now: float) -> tuple[int, int]:
        return bisect_left(self._at, now - over_seconds), bisect_right(self._at, now)

    def _enough(self, first: int, end: int, over_seconds: float) -> bool:
        if end - first < LEAST_POINTS:
            return False
        return self._at[end - 1] - self._at[first] >= over_seconds * LEAST_SHARE


def _rise(before: float, after: float) -> float:
    return after - before if after >= before else max(after, 0.0)


def straight(at: Sequence[float], values: Sequence[float]) -> Line:
    """Return the line that fits values at ascending times best; of one point, or of what stands still, a level one.

    Offsets from the means keep large numbers from eating small differences. What stands still is told apart first: by
    rounding alone it would rise, be it ever so little.
    """
    if min(values) == max(values):
        return Line(0.0, 0.0, 0.0)
    middle, mean = sum(at) / len(at), sum(values) / len(values)
    across = [moment - middle for moment in at]
    up = [value - mean for value in values]
    spread = sum(x * x for x in across)
    rise = sum(x * y for x, y in zip(across, up, strict=True))
    total = sum(y * y for y in up)
    fit = min(1.0, rise * rise / (spread * total)) if total else 0.0
    return Line(rise / spread, fit, total * (1.0 - fit))
