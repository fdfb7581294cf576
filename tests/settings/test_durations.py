"""Durations and sizes, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.settings.durations import format_duration, format_size, parse_duration, parse_size
from semsupervisor.settings.forms import Duration, Size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("500ms", 0.5),
        ("30s", 30),
        ("5m", 300),
        ("24h", 86400),
        ("7d", 604800),
        ("1h30m", 5400),
        ("1d2h3m4s5ms", 93784.005),
        ("90m", 5400),
    ],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    """Units may be summed up, large ones first."""
    assert parse_duration(text) == seconds
    assert isinstance(parse_duration(text), Duration)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "-5s",
        "+5s",
        "s",
        "5 s",
        " 5s",
        "5s\n",
        "1.5h",
        "5S",
        "5min",
        "30m1h",
        "1m1m",
        "5w",
        "٣s",
        "99999999d",
        "1e3s",
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """No unit, no number, signs, fractions, spaces, other units or another order are not guessed at."""
    with pytest.raises(ValueError, match="1h30m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.0004, "0s"), (0.25, "250ms"), (10, "10s"), (90, "1m30s"), (5400.0, "1h30m"), (604800, "7d")],
)
def test_a_duration_is_written_in_its_shortest_form(seconds: float, text: str) -> None:
    """Units that count nothing are left out."""
    assert format_duration(seconds) == text


@given(st.integers(min_value=0, max_value=10**7 * 86_400_000 - 1))
def test_a_written_duration_is_read_back(milliseconds: int) -> None:
    """To the millisecond, whatever is written is read as the same."""
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("0B", 0), ("12B", 12), ("512KiB", 524288), ("256MiB", 268435456), ("2GiB", 2**31), ("1TiB", 2**40)],
)
def test_a_size_is_read_and_written(text: str, size_bytes: int) -> None:
    """A size is whole bytes and stands in the largest unit that divides it."""
    assert parse_size(text) == size_bytes
    assert isinstance(parse_size(text), Size)
    assert format_size(size_bytes) == text


@pytest.mark.parametrize(
    "text", ["", "5", "256MB", "256mib", "-1B", "1.5GiB", "5 MiB", "MiB", "1GiB1MiB", "9" * 16 + "B"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    """Decimal units, fractions, signs and spaces are not guessed at."""
    with pytest.raises(ValueError, match="256MiB"):
        parse_size(text)


@given(st.integers(min_value=0, max_value=10**15 - 1))
def test_a_written_size_is_read_back(size_bytes: int) -> None:
    """Whatever is written is read as the same number of bytes."""
    assert parse_size(format_size(size_bytes)) == size_bytes
