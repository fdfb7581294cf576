"""The host's clocks: aware wall time, monotonic time that does not follow it, and both read together."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import time_machine

from semsupervisor.kit.clock import SystemClock


def test_wall_time_is_aware_and_in_utc() -> None:
    """Nobody has to guess the zone of a stamp."""
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)


def test_monotonic_time_is_the_loops() -> None:
    """Monotonic time is the one by which the event loop's timers run."""
    before = time.monotonic()
    seen = SystemClock().monotonic()
    assert before <= seen <= time.monotonic()


def test_a_jump_of_the_wall_clock_moves_no_duration() -> None:
    """When the wall clock is set to 1970, the time measured across the jump stays what it is."""
    clock = SystemClock()
    before = clock.instant()
    with time_machine.travel(datetime(1970, 1, 1, tzinfo=UTC)):
        after = clock.instant()
    assert after.wall.year == 1970
    assert 0 <= after.monotonic - before.monotonic < 60


def test_the_time_since_the_boot_goes_on_and_is_not_set() -> None:
    """Neither clock of durations follows the wall clock, and the one since the boot is never behind."""
    clock = SystemClock()
    before = clock.since_boot()
    with time_machine.travel(datetime(1970, 1, 1, tzinfo=UTC)):
        after = clock.since_boot()
    assert before <= after < before + 60
    assert after >= clock.monotonic() - 1
