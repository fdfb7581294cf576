"""The figures of the benches."""

from __future__ import annotations

import pytest

from tests.bench.figures import Target, held, percentile, table, times


@pytest.mark.parametrize(("percent", "found"), [(0, 1.0), (1, 1.0), (50, 5.0), (90, 9.0), (99, 10.0), (100, 10.0)])
def test_a_percentile_is_one_of_the_sample(percent: float, found: float) -> None:
    """It is the smallest that so many of the sample do not exceed, whatever their order."""
    assert percentile([10.0, 1.0, 9.0, 2.0, 8.0, 3.0, 7.0, 4.0, 6.0, 5.0], percent) == found


def test_a_target_says_whether_it_holds() -> None:
    """A figure at the limit holds, one above it does not, and the share of the limit stands beside it."""
    kept = Target("memory", 64.0, 64.0, "MB", 60.0)
    assert (kept.holds, kept.line()) == (True, "  holds   memory: 64 of 64 MB (aim 60) = 1.00")
    missed = Target("memory", 80.0, 64.0, "MB")
    assert (missed.holds, missed.line()) == (False, "  MISSED  memory: 80 of 64 MB = 1.25")
    assert Target("modules", 0, 0, "modules").line() == "  holds   modules: 0 of 0 modules"


def test_one_missed_target_is_a_missed_promise(capsys: pytest.CaptureFixture[str]) -> None:
    """All of them are printed, whichever is missed, and only if each holds all is well."""
    kept, missed = Target("memory", 64.0, 64.0, "MB"), Target("cpu", 2.0, 1.0, "%")
    assert held([kept, kept])
    capsys.readouterr()
    assert not held([missed, kept])
    assert capsys.readouterr().out == f"{missed.line()}\n{kept.line()}\n"


def test_a_table_has_a_line_for_each_sample() -> None:
    """The number, the smallest, three percentiles and the largest of each, under their heads."""
    head, floor, daemon = table([("floor", [1.0, 2.0]), ("daemon", [3.0])], "ms")
    assert head.split() == ["n", "min", "p50", "p90", "p99", "max", "ms"]
    assert floor.split() == ["floor", "2", "1.000", "1.000", "2.000", "2.000", "2.000"]
    assert daemon.split() == ["daemon", "1", "3.000", "3.000", "3.000", "3.000", "3.000"]


def test_a_peer_may_be_too_small_to_compare_with() -> None:
    """The ratio is said in words, also when the peer used nothing that can be measured."""
    assert times(3.0, 2.0) == "1.50 times"
    assert times(3.0, 0.0) == "where the peer has none"
