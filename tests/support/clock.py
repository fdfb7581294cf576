"""A clock that moves only when a test says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from semsupervisor.kit.clock import Instant

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class ManualClock:
    """Both clocks of a host, at `START` and 1000 s after its boot until moved."""

    def __init__(self, wall: datetime = START, monotonic: float = 1000.0) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._slept = 0.0

    def now(self) -> datetime:
        """Return the wall time, aware and in UTC."""
        return self._wall

    def monotonic(self) -> float:
        """Return the seconds since the pretended boot."""
        return self._monotonic

    def since_boot(self) -> float:
        """Return the seconds since the pretended boot, asleep or awake."""
        return self._monotonic + self._slept

    def instant(self) -> Instant:
        """Return both clocks, read together."""
        return Instant(self._wall, self._monotonic)

    def advance(self, seconds: float) -> Instant:
        """Let time pass on both clocks and return the new moment."""
        self._wall += timedelta(seconds=seconds)
        self._monotonic += seconds
        return self.instant()

    def sleep(self, seconds: float) -> None:
        """Suspend the host: its wall clock goes on, and nothing in it does."""
        self._wall += timedelta(seconds=seconds)
        self._slept += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as NTP or a host without an RTC does; monotonic time goes on."""
        self._wall += timedelta(seconds=seconds)
