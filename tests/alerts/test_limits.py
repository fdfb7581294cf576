"""What an operator may write as a limit, in each unit."""

from __future__ import annotations

import pytest

from semsupervisor.alerts.limits import limit, number, words
from semsupervisor.alerts.rules import Comparison

RATE_ABOVE, FULL_WITHIN = Comparison.RATE_ABOVE, Comparison.FULL_WITHIN


@pytest.mark.parametrize(
    ("fact", "found", "value"),
    [
        ("used_ratio", 1, 1.0),
        ("used_ratio", 1.01, None),
        ("free_bytes", "1KiB", 1024.0),
        ("free_bytes", 5, 5.0),
        ("latency_seconds", "90s", 90.0),
        ("latency_seconds", "1KiB", None),
        ("restarts", "90s", None),
        ("restarts", -1, None),
        ("restarts", True, None),
        ("restarts", None, None),
    ],
)
def test_a_limit_is_a_number_in_the_facts_unit(fact: str, found: object, value: float | None) -> None:
    """Sizes and durations serve where the fact is one."""
    assert number(fact, found) == value


@pytest.mark.parametrize(
    ("fact", "comparison", "found", "value"),
    [
        ("used_ratio", Comparison.ABOVE, 0.5, 0.5),
        ("used_ratio", Comparison.BELOW, 1.5, None),
        ("died", Comparison.EQUALS, True, None),
        ("restarts", RATE_ABOVE, 2, 2.0),
        ("restarts", RATE_ABOVE, "30/m", 0.5),
        ("restarts", RATE_ABOVE, " 1.5 / h ", 1.5 / 3600),
        ("restarts", RATE_ABOVE, "1/d", 1 / 86400),
        ("restarts", RATE_ABOVE, "-1/d", None),
        ("restarts", RATE_ABOVE, "1e3/d", None),
        ("restarts", RATE_ABOVE, "1/2/d", None),
        ("restarts", RATE_ABOVE, "/d", None),
        ("restarts", RATE_ABOVE, "30", None),
        ("restarts", RATE_ABOVE, "2MiB/s", None),
        ("restarts", RATE_ABOVE, -1, None),
        ("restarts", RATE_ABOVE, True, None),
        ("received_bytes_total", RATE_ABOVE, "2MiB/s", 2.0**21),
        ("received_bytes_total", RATE_ABOVE, "2048/s", 2048.0),
        ("cpu_seconds_total", RATE_ABOVE, "30s/m", 0.5),
        ("used_ratio", RATE_ABOVE, "0.36/h", 0.0001),
        ("used_ratio", RATE_ABOVE, "36/h", None),
        ("used_ratio", FULL_WITHIN, "24h", 86400.0),
        ("used_ratio", FULL_WITHIN, 3600.0, 3600.0),
        ("used_ratio", FULL_WITHIN, "24", None),
    ],
)
def test_a_limit_is_in_the_unit_of_its_comparison(
    fact: str, comparison: Comparison, found: object, value: float | None
) -> None:
    """A rate is per second however it is written, a time ahead in seconds."""
    read = limit(fact, comparison, found)
    assert read == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize(
    ("fact", "comparison", "part"),
    [
        ("used_ratio", Comparison.ABOVE, "from 0 to 1"),
        ("free_bytes", Comparison.BELOW, "256MiB"),
        ("latency_seconds", Comparison.ABOVE, "5m"),
        ("restarts", Comparison.EQUALS, "a number of 0 or more"),
        ("restarts", RATE_ABOVE, "5/m"),
        ("received_bytes_total", RATE_ABOVE, "10MiB/m"),
        ("used_ratio", FULL_WITHIN, "24h"),
    ],
)
def test_the_words_name_an_example(fact: str, comparison: Comparison, part: str) -> None:
    """Who wrote something else reads how it is written."""
    assert part in words(fact, comparison)
