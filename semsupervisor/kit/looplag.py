"""How late the event loop runs what is due: while it lags, no silence of anybody else proves anything."""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec

from semsupervisor.kit.clock import Clock

SAMPLE_SECONDS = 0.5
WINDOW_SECONDS = 60.0


class Lag(msgspec.Struct, frozen=True):
    """One sample: when it was taken (monotonic seconds) and how late it came, in seconds."""

    at: float
    seconds: float


class Lags:
    """The largest of the samples of the last `window_seconds`; those that a later one outdoes are forgotten."""

    def __init__(self, window_seconds: float) -> None:
        self._window_seconds = window_seconds
        self._falling: deque[Lag] = deque()

    def add(self, lag: Lag) -> None:
        """Take one more sample, not older than the last."""
        while self._falling and self._falling[-1].seconds <= lag.seconds:
            self._falling.pop()
        self._falling.append(lag)
        while self._falling[0].at < lag.at - self._window_seconds:
            self._falling.popleft()

    def largest_since(self, at: float) -> float:
        """Return the largest lag in seconds of the samples taken at that monotonic time or later; 0 without any."""
        return next((lag.seconds for lag in self._falling if lag.at >= at), 0.0)


class LoopLag:
    """Samples the running loop twice a second by a timer, which costs less than a task."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lags = Lags(WINDOW_SECONDS)
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to sample the loop that runs now."""
        self._due = self._clock.monotonic() + SAMPLE_SECONDS
        self._timer = asyncio.get_running_loop().call_later(SAMPLE_SECONDS, self._sample)

    def stop(self) -> None:
        """Sample no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._due = None

    @property
    def largest_seconds(self) -> float:
        """The largest lag of the last minute."""
        return self.largest_since(self._clock.monotonic() - WINDOW_SECONDS)

    def largest_since(self, monotonic: float) -> float:
        """Return the largest lag in seconds since that monotonic time, the sample that is due included."""
        return max(self._lags.largest_since(monotonic), self._overdue())

    def _overdue(self) -> float:
        return 0.0 if self._due is None else max(0.0, self._clock.monotonic() - self._due)

    def _sample(self) -> None:
        self._lags.add(Lag(self._clock.monotonic(), self._overdue()))
        self.start()
