"""Asking in several places for what one of them has."""

from __future__ import annotations

import pytest

from semsupervisor.errors import EngineError, SupervisorError
from semsupervisor.health.offering import Offering, Strange
from semsupervisor.health.reaching import Unreachable
from semsupervisor.systems.bodies import NotOffered, Unreadable
from semsupervisor.systems.connecting import Refused
from semsupervisor.systems.http import Answer, BadRedirect, BodyTooLarge
from tests.support.asked import Answering, answer


def parsed(given: Answer) -> str:
    """Return a body that is a word; a 404 is not offered, anything else unreadable."""
    if given.status == 404:
        raise NotOffered("404")
    if not given.body.isalpha():
        raise Unreadable("no word")
    return given.body.decode()


def offering(*places: Answering) -> Offering[str]:
    """Return what is offered in one of these places."""
    return Offering([place.endpoint for place in places], parsed)


async def test_the_place_is_found_and_kept_to() -> None:
    """Once one place has it, the others are not asked any more."""
    one, other = Answering(answer(b"", 404)), Answering(answer(b"word"))
    offered = offering(one, other)
    assert [await offered.ask(1.0), await offered.ask(1.0)] == ["word", "word"]
    assert (len(one.timeouts), len(other.timeouts)) == (1, 2)
    assert offered.is_found


async def test_what_moved_is_found_again() -> None:
    """When the place does not have it any more, all are asked in turn, within the same look."""
    one, other = Answering(answer(b"first"), answer(b"", 404)), Answering(answer(b"second"))
    offered = offering(one, other)
    assert [await offered.ask(1.0), await offered.ask(1.0)] == ["first", "second"]


async def test_the_first_that_has_it_is_enough() -> None:
    """Nobody else is asked, and while it is looked for each place gets its share of the time."""
    one, other = Answering(answer(b"word")), Answering(answer(b"other"))
    assert await offering(one, other).ask(1.0) == "word"
    assert (one.timeouts, other.timeouts) == ([0.5], [])


async def test_a_place_that_is_down_is_kept_to() -> None:
    """Down is not moved: nobody else is asked for it."""
    one, other = Answering(answer(b"first"), Refused("refused")), Answering(answer(b"", 404))
    offered = offering(one, other)
    await offered.ask(1.0)
    with pytest.raises(Unreachable):
        await offered.ask(1.0)
    assert other.timeouts == []


@pytest.mark.parametrize(
    ("outcomes", "told"),
    [
        ([answer(b"", 404), Refused("refused")], NotOffered),
        ([Refused("refused"), Refused("refused")], Unreachable),
        ([answer(b"", 404), answer(b"<>")], Strange),
        ([Refused("refused"), EngineError("away")], EngineError),
        ([BodyTooLarge("too large", answer(b"xxx")), answer(b"", 404)], Strange),
        ([BadRedirect("elsewhere", "http://x"), answer(b"", 404)], Strange),
    ],
)
async def test_what_is_told_when_no_place_has_it(
    outcomes: list[Answer | SupervisorError], told: type[SupervisorError]
) -> None:
    """What is strange or open comes first, then that it is not offered, then that nothing answers."""
    offered = offering(*map(Answering, outcomes))
    with pytest.raises(told):
        await offered.ask(1.0)
    assert not offered.is_found


async def test_what_came_is_kept_with_what_is_strange() -> None:
    """The answer that nothing can be made of is there to be shown; of a redirect there is none."""
    caught = []
    for outcome in (answer(b"<>"), BodyTooLarge("too large", answer(b"xxx")), BadRedirect("elsewhere", "http://x")):
        with pytest.raises(Strange) as strange:
            await offering(Answering(outcome)).ask(1.0)
        caught.append(strange.value.answer and strange.value.answer.body)
    assert caught == [b"<>", b"xxx", None]
