"""The number that something usually has."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.health.usual import FALL_SECONDS, RISE_SECONDS, Usual, UsualNumber
from tests.support.pipes import pipe
from tests.support.waiting import eventually


def test_a_number_that_holds_is_learned() -> None:
    """After ten minutes it is the usual one; one that comes and goes is not."""
    usual = Usual().after(3, 0.0)
    assert usual.number is None
    assert usual.after(3, RISE_SECONDS - 1).number is None
    assert usual.after(3, RISE_SECONDS).number == 3
    assert usual.after(4, RISE_SECONDS - 1).after(3, RISE_SECONDS).number is None


def test_a_larger_number_takes_ten_minutes_and_a_smaller_one_a_day() -> None:
    """A loss is to be told, so it is not learned at once."""
    usual = Usual(3.0).after(3, 0.0)
    assert usual.after(5, 1.0).after(5, 1.0 + RISE_SECONDS).number == 5
    fallen = usual.after(2, 1.0)
    assert fallen.after(2, FALL_SECONDS).number == 3
    assert fallen.after(2, 1.0 + FALL_SECONDS).number == 2


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 2 * FALL_SECONDS)), max_size=20))
def test_only_what_was_seen_is_learned(looks: list[tuple[int, float]]) -> None:
    """Whatever is seen when, the usual number is one of those seen."""
    usual, now = Usual(), 0.0
    for seen, later in looks:
        now += later
        usual = usual.after(seen, now)
        assert usual.number is None or usual.number in {seen for seen, _ in looks}


async def test_it_is_kept_over_restarts(tmp_path: Path) -> None:
    """The next run knows it from its first look on; without a file it is learned anew."""
    file = tmp_path / "flows"
    first = UsualNumber(file)
    assert await first.learn(3, 0.0) is None
    assert await first.learn(3, RISE_SECONDS) == 3
    assert await UsualNumber(file).learn(1, 0.0) == 3
    assert await UsualNumber(None).learn(1, 0.0) is None


@pytest.mark.parametrize("content", [b"", b'"three"', b"\xff"])
async def test_a_file_that_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    """It is learned anew then, and written over."""
    file = tmp_path / "flows"
    file.write_bytes(content)
    usual = UsualNumber(file)
    assert await usual.learn(3, 0.0) is None
    assert await usual.learn(3, RISE_SECONDS) == 3
    assert file.read_bytes() == b"3"


async def test_a_file_that_hangs_costs_no_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is usual is not known until its disk answers; what is learned by then is kept in mind."""
    monkeypatch.setattr("semsupervisor.health.usual.FILE_SECONDS", 0.05)
    with pipe(tmp_path / "flows") as hanging:
        usual = UsualNumber(hanging)
        assert await usual.learn(3, 0.0) is None
        assert await usual.learn(3, RISE_SECONDS) is None

    async def learned() -> bool:
        return await usual.learn(3, 0.0) is None and await usual.learn(3, RISE_SECONDS) == 3

    await eventually(learned)


async def test_it_is_known_even_where_it_cannot_be_kept(tmp_path: Path) -> None:
    """A folder that is not there costs the memory, not the look."""
    usual = UsualNumber(tmp_path / "missing" / "flows")
    await usual.learn(3, 0.0)
    assert await usual.learn(3, RISE_SECONDS) == 3
