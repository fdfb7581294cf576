"""A counter that is kept in parts: what comes and goes, what begins anew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.health import counting
from semsupervisor.health.counting import Counted


def wholes(*looks: dict[str, float]) -> list[float]:
    """Return the whole after each look of a program that does not say when it began."""
    counted = Counted()
    return [counted.see(parts) for parts in looks]


def test_a_part_that_vanishes_takes_nothing_away() -> None:
    """Nor does it count again when it is back, with what it had or with more."""
    assert wholes({"a": 5.0, "b": 1000.0}, {"a": 6.0}, {"a": 7.0, "b": 1000.0}, {"a": 7.0, "b": 1001.0}) == [
        1005.0,
        1006.0,
        1007.0,
        1008.0,
    ]


def test_a_part_that_is_new_has_counted_from_nothing() -> None:
    """It was not there at the look before."""
    assert wholes({"a": 5.0}, {"a": 5.0, "b": 3.0}) == [5.0, 8.0]


def test_a_part_that_begins_anew_is_counted_on() -> None:
    """A flow that was deployed again counts from 0, the others go on."""
    assert wholes({"a": 5.0, "b": 10.0}, {"a": 6.0, "b": 2.0}) == [15.0, 18.0]


@pytest.mark.parametrize("after", [{"a": 1.0, "b": 2.0}, {"a": 4.0}, {"c": 9.0}, {"a": 0.0}])
def test_where_all_is_less_the_program_began_anew(after: dict[str, float]) -> None:
    """What is not shown then is of the run before."""
    assert wholes({"a": 5.0, "b": 10.0}, after) == [15.0, sum(after.values())]


def test_what_never_counted_says_nothing_of_a_start() -> None:
    """Parts that stand at 0 are no less than they were; a look at none changes nothing."""
    assert wholes({"a": 0.0}, {"a": 0.0, "b": 2.0}, {}, {"b": 2.0}) == [0.0, 2.0, 2.0, 2.0]


def test_a_program_that_says_when_it_began_is_believed() -> None:
    """One part may be quicker after the start than it was before; the same run is the same whatever fell."""
    counted = Counted()
    assert [counted.see({"a": 5.0, "b": 10.0}, 1.0), counted.see({"a": 9.0, "b": 2.0}, 2.0)] == [15.0, 11.0]
    assert counted.see({"a": 8.0}, 2.0) == 9.0 + 8.0 + 2.0


def test_parts_without_end_are_summed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that come and go for ever take no room: what is not shown is kept as one number."""
    monkeypatch.setattr(counting, "MOST_PARTS", 3)
    counted = Counted()
    assert [counted.see({"own": 1.0, str(number): 1.0}) for number in range(10)] == [float(n + 2) for n in range(10)]


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 9).map(float)), min_size=1, max_size=8))
def test_in_one_run_the_whole_never_falls(looks: list[dict[str, float]]) -> None:
    """Whatever comes, goes and begins anew, and it is never less than what is shown."""
    counted = Counted()
    found = [counted.see(parts, 1.0) for parts in looks]
    assert found == sorted(found)
    assert all(whole >= sum(parts.values()) for whole, parts in zip(found, looks, strict=True))
