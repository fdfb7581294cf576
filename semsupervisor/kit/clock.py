"""The only place that reads a clock. Wall time is for people, monotonic time is for durations."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

import msgspec


class Instant(msgspec.Struct, frozen=True):
    """One moment on both clocks: `wall` (aware, UTC) to be shown, `monotonic` (seconds) to be subtracted."""

    wall: datetime
    monotonic: float


class Clock(Protocol):
    """A source of time that tests can replace."""

    def now(self) -> datetime:
        """Return the wall time, aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, from an arbitrary start; they end with the host's boot.

        They stand still while the host sleeps.
        """
        ...

    def since_boot(self) -> float:
        """Return the seconds since the host's boot, asleep or awake."""
        ...

    def instant(self) -> Instant:
        """Return both clocks, read together."""
        ...


class SystemClock:
    """The host's clocks."""

    def now(self) -> datetime:
        """Return the host's wall time, aware and in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the host's monotonic time in seconds."""
        return time.monotonic()

    def since_boot(self) -> float:
        """Return the seconds since the host's boot, by the kernel's own clock for that (Linux)."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def instant(self) -> Instant:
        """Return both clocks, read together."""
        return Instant(self.now(), self.monotonic())
