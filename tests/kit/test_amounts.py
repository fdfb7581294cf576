"""Amounts in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.kit import amounts


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0.4, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (36000 + 300, "10 h"),
        (86400 * 3 + 4 * 3600, "3 d 4 h"),
        (86400 * 400, "400 d"),
    ],
)
def test_a_duration_is_told_in_at_most_two_units(seconds: float, words: str) -> None:
    """Large amounts lose their small parts, small ones keep them."""
    assert amounts.duration(seconds) == words


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (450 * 2**20, "450 MiB"), (2**30, "1.0 GiB"), (2**41, "2.0 TiB")],
)
def test_a_size_is_told_in_its_largest_unit(size_bytes: int, words: str) -> None:
    """Sizes are binary units, with one digit after the point below ten."""
    assert amounts.size(size_bytes) == words


def test_a_share_is_told_in_percent() -> None:
    """A ratio reads as whole percent."""
    assert amounts.share(0.437) == "44 %"


@given(st.floats(min_value=0, max_value=1e12))
def test_a_duration_is_always_short(seconds: float) -> None:
    """Whatever the duration, it takes a dozen characters or so."""
    assert len(amounts.duration(seconds)) <= 12
