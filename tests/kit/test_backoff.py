"""The pauses between tries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.kit.backoff import pause_seconds


@pytest.mark.parametrize(
    ("failures", "ceiling"), [(1, 2.0), (2, 4.0), (3, 8.0), (8, 256.0), (9, 300.0), (100_000, 300.0)]
)
def test_the_ceiling_doubles_up_to_the_longest(failures: int, ceiling: float) -> None:
    """With the dice at their highest the pause is the ceiling, with the lowest there is none."""
    assert pause_seconds(failures, 2.0, 300.0, lambda: 1.0) == ceiling
    assert pause_seconds(failures, 2.0, 300.0, lambda: 0.0) == 0.0


@given(
    failures=st.integers(min_value=-1, max_value=10_000),
    first=st.floats(min_value=0.001, max_value=1000),
    longest=st.floats(min_value=0.001, max_value=1e6),
    dice=st.floats(min_value=0, max_value=1),
)
def test_a_pause_is_never_longer_than_allowed(failures: int, first: float, longest: float, dice: float) -> None:
    """For any number of failures the pause lies between nothing and the longest, and grows with the failures."""
    pause = pause_seconds(failures, first, longest, lambda: dice)
    assert 0.0 <= pause <= longest
    assert pause <= pause_seconds(failures + 1, first, longest, lambda: dice)
