"""The age of what is known, by table and property."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.health.freshness import FailingLoop, loops_text, stale_intervals

TIMES = st.floats(0, 1e7)


@pytest.mark.parametrize(
    ("last_conclusive", "now", "stale"),
    [
        (None, 100.0, 0.0),
        (None, 109.0, 0.0),
        (None, 160.0, 6.0),
        (155.0, 160.0, 0.0),
        (150.0, 160.0, 1.0),
        (100.0, 175.0, 7.5),
        (200.0, 160.0, 0.0),
    ],
)
def test_the_age_counts_in_intervals(last_conclusive: float | None, now: float, stale: float) -> None:
    """It counts from the last certain result, or from the beginning; under one interval it is 0."""
    assert stale_intervals(added=100.0, last_conclusive=last_conclusive, interval_seconds=10.0, now=now) == stale


@given(TIMES, st.none() | TIMES, st.floats(0.1, 86_400), TIMES, st.floats(0, 1e6))
def test_what_is_known_only_grows_older(
    added: float, last_conclusive: float | None, interval: float, now: float, later: float
) -> None:
    """Without a new result the age never falls, and it is never negative."""
    ages = [
        stale_intervals(added=added, last_conclusive=last_conclusive, interval_seconds=interval, now=at)
        for at in (now, now + later)
    ]
    assert 0 <= ages[0] <= ages[1]


def test_failing_loops_are_named() -> None:
    """Each is there with its failures and its last error, sorted by name."""
    failing = [FailingLoop("watch", 1, "EngineError: away"), FailingLoop("deliver.ops", 3, "OSError: no")]
    assert loops_text(failing) == (
        "deliver.ops (3 times in a row: OSError: no); watch (1 times in a row: EngineError: away)"
    )
    assert loops_text([]) == ""
