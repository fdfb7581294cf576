"""The loop's lag: the window by table and property, the sampling on a real loop that is held up."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.kit.clock import SystemClock
from semsupervisor.kit.looplag import SAMPLE_SECONDS, Lag, Lags, LoopLag
from tests.support.clock import ManualClock
from tests.support.waiting import eventually

SAMPLES = st.lists(st.tuples(st.floats(0, 30), st.floats(0, 5)), max_size=40)


@given(SAMPLES, st.floats(0, 1000))
def test_the_window_knows_its_largest(steps: list[tuple[float, float]], since: float) -> None:
    """The answer equals the largest of all samples that are in the window and not before the time asked for."""
    lags, samples, at = Lags(60.0), [], 0.0
    for step, seconds in steps:
        at += step
        samples.append(Lag(at, seconds))
        lags.add(samples[-1])
    inside = [lag.seconds for lag in samples if lag.at >= max(since, at - 60.0)]
    assert lags.largest_since(since) == max(inside, default=0.0)


def test_nothing_lags_before_the_start() -> None:
    """Without a sample and without a timer the lag is 0."""
    lag = LoopLag(ManualClock())
    assert (lag.largest_seconds, lag.largest_since(0.0)) == (0.0, 0.0)
    lag.stop()


async def test_a_sample_that_does_not_come_counts_already() -> None:
    """While the loop is held up, what is due and has not run is lag, before any sample says so."""
    clock = ManualClock()
    lag = LoopLag(clock)
    lag.start()
    clock.advance(SAMPLE_SECONDS + 3.0)
    assert lag.largest_since(clock.monotonic() - 0.1) == pytest.approx(3.0)
    lag.stop()
    assert lag.largest_since(clock.monotonic() - 0.1) == 0.0


async def test_a_held_up_loop_is_seen_and_stays_the_largest_of_the_minute() -> None:
    """A call that blocks shows as lag at once, and when the loop runs again as the largest of the last minute."""
    clock = SystemClock()
    lag = LoopLag(clock)
    began = clock.monotonic()
    lag.start()
    while clock.monotonic() < began + SAMPLE_SECONDS + 0.1:
        time.sleep(0.05)
    assert lag.largest_since(began) >= 0.1
    await eventually(lambda: lag.largest_since(clock.monotonic()) < 0.05)
    assert lag.largest_seconds >= 0.1
    assert lag.largest_since(began) >= 0.1
    assert lag.largest_since(clock.monotonic()) < 0.1
    lag.stop()
