"""The number that something usually has."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.health.usual import FIRST_SECONDS, Usual, UsualNumber
from tests.support.pipes import pipe
from tests.support.waiting import eventually

HOUR = 3600.0
DAY = 24 * HOUR
LOOK_SECONDS = 60.0


def seen_for(usual: Usual, seen: float, seconds: float, since: float = 0.0) -> Usual:
    """Return what is known after looks each minute at a number that stays."""
    for look in range(int(seconds / LOOK_SECONDS)):
        usual = usual.after(seen, since + (look + 1) * LOOK_SECONDS)
    return usual


def test_a_number_that_holds_is_learned() -> None:
    """After ten minutes the first one is the usual one, and a larger one when it has held for longer."""
    usual = Usual().after(1, 0.0)
    assert usual.number is None
    assert seen_for(usual, 1, FIRST_SECONDS - LOOK_SECONDS).number is None
    usual = seen_for(usual, 1, FIRST_SECONDS + LOOK_SECONDS)
    assert usual.number == 1
    usual = seen_for(usual, 3, FIRST_SECONDS, 660.0)
    assert usual.number == 1
    assert seen_for(usual, 3, 3 * LOOK_SECONDS, 1260.0).number == 3


def test_what_comes_for_a_while_each_night_is_not_usual() -> None:
    """Whenever the watching began, and over a restart in its midst, a flow of the night is never missed by day."""
    usual = Usual().after(3, 0.0)
    for day in range(4):
        since = day * DAY
        usual = seen_for(usual, 3, 2 * HOUR, since)
        usual = seen_for(usual, 4, HOUR / 4, since + 2 * HOUR)
        assert seen_for(Usual.kept(usual.number), 4, HOUR / 4).number == 3
        assert usual.number == 3
        usual = seen_for(usual, 3, 21.75 * HOUR, since + 2.25 * HOUR)
        assert usual.number == 3


def test_what_ran_at_the_first_sight_alone_is_forgotten_after_a_day() -> None:
    """Though it comes back each night."""
    usual = seen_for(Usual().after(4, 0.0), 4, HOUR / 4)
    assert usual.number == 4
    for day in range(2):
        usual = seen_for(usual, 3, 23.75 * HOUR, day * DAY + HOUR / 4)
        usual = seen_for(usual, 4, HOUR / 4, (day + 1) * DAY)
    assert usual.number == 3


@pytest.mark.parametrize("days", [0.05, 1.0, 7.0])
def test_a_loss_is_learned_after_a_day(days: float) -> None:
    """However long it ran before: it is to be told, so it does not count as meant at once."""
    usual = seen_for(Usual().after(3, 0.0), 3, days * DAY)
    usual = seen_for(usual, 2, 0.98 * DAY, days * DAY)
    assert usual.number == 3
    assert seen_for(usual, 2, 0.04 * DAY, (days + 0.98) * DAY).number == 2


def test_time_without_looks_counts_little() -> None:
    """A number that is seen once after a week away was not there for that week."""
    usual = Usual.kept(3.0).after(3, 0.0).after(4, 7 * DAY)
    assert usual.number == 3


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 2 * DAY)), max_size=20))
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
    assert await first.learn(3, FIRST_SECONDS) == 3
    assert await UsualNumber(file).learn(1, 0.0) == 3
    assert await UsualNumber(None).learn(1, 0.0) is None


@pytest.mark.parametrize("content", [b"", b'"three"', b"\xff"])
async def test_a_file_that_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    """It is learned anew then, and written over."""
    file = tmp_path / "flows"
    file.write_bytes(content)
    usual = UsualNumber(file)
    assert await usual.learn(3, 0.0) is None
    assert await usual.learn(3, FIRST_SECONDS) == 3
    assert file.read_bytes() == b"3"


async def test_a_file_that_hangs_costs_no_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is usual is not known until its disk answers; what is learned by then is kept in mind."""
    monkeypatch.setattr("semsupervisor.health.usual.FILE_SECONDS", 0.05)
    with pipe(tmp_path / "flows") as hanging:
        usual = UsualNumber(hanging)
        assert await usual.learn(3, 0.0) is None
        assert await usual.learn(3, FIRST_SECONDS) is None

    async def learned() -> bool:
        return await usual.learn(3, 0.0) is None and await usual.learn(3, FIRST_SECONDS) == 3

    await eventually(learned)


async def test_it_is_known_even_where_it_cannot_be_kept(tmp_path: Path) -> None:
    """A folder that is not there costs the memory, not the look."""
    usual = UsualNumber(tmp_path / "missing" / "flows")
    await usual.learn(3, 0.0)
    assert await usual.learn(3, FIRST_SECONDS) == 3
