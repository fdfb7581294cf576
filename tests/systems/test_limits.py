"""Limits as NATS tells them: bounded, unbounded, or neither."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.systems.limits import LARGEST, Bounded, Unbounded, Unread, limit, ratio


@pytest.mark.parametrize("told", [-1, 2**64 - 1, 1.8446744073709552e19, 2**64])
def test_every_way_to_write_no_limit_is_read(told: object) -> None:
    """-1, the same cast to an unsigned number, and that as a float are no limit."""
    assert limit(told, "max_storage") == Unbounded()


@pytest.mark.parametrize("told", [0, 1, 18_957_047_808, LARGEST])
def test_a_whole_number_is_a_limit(told: int) -> None:
    """Whole numbers from 0 on are limits as they stand."""
    assert limit(told, "max_storage") == Bounded(told)


@pytest.mark.parametrize("told", [None, True, False, -2, 1.5, 10.0, -1.5, 2**63, 2**65, 1e30, "10", "", [], {}])
def test_what_is_no_limit_is_not_known(told: object) -> None:
    """Anything else is neither a bound nor its absence, and the reason names it."""
    found = limit(told, "max_storage")
    assert isinstance(found, Unread)
    assert found.reason.startswith("max_storage is ")


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())))
def test_nothing_is_bounded_but_a_whole_number(told: object) -> None:
    """Whatever is told, a bound comes of nothing but a whole number that says it."""
    found = limit(told, "x")
    assert not isinstance(found, Bounded) or (type(told) is int and found.amount == told)


def test_the_share_needs_a_limit_with_room() -> None:
    """There is a share of a bound above 0, and of nothing else."""
    assert ratio(5, Bounded(10)) == 0.5
    assert ratio(15, Bounded(10)) == 1.5
    assert [ratio(5, most) for most in (Bounded(0), Unbounded(), Unread("x"))] == [None, None, None]
