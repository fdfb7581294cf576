"""What the routes about facts answer, and to whom."""

from __future__ import annotations

from typing import Any

import pytest

from semsupervisor.api import fact_handlers
from semsupervisor.api.asking import Ask, Params, Refused
from semsupervisor.api.fact_handlers import FactsParams, RawParams
from semsupervisor.api.facts import FactsAnswer, RawAnswer
from semsupervisor.api.metrics import MetricsPage
from semsupervisor.health.last_answers import LastAnswers
from semsupervisor.systems.http import Answer
from tests.support.api_world import World
from tests.support.asked import answer


def ask(world: World, params: Params) -> Ask[Any]:
    """Return a request to a world."""
    return Ask(params=params, accept="", readings=world.readings(), metrics=MetricsPage(world.readings()))


async def test_facts_are_narrowed_by_the_pattern() -> None:
    """All of them without one."""
    world = World()
    everything = await fact_handlers.known_facts(ask(world, FactsParams()))
    some = await fact_handlers.known_facts(ask(world, FactsParams(pattern="version")))
    assert isinstance(everything.body, FactsAnswer)
    assert isinstance(some.body, FactsAnswer)
    assert {one.fact for one in some.body.facts} == {"version"}
    assert len(some.body.facts) < len(everything.body.facts)


async def test_the_last_answer_of_a_source_is_given() -> None:
    """An unknown source is refused with those that there are."""
    world = World()
    with pytest.raises(Refused) as none:
        await fact_handlers.raw_answer(ask(world, RawParams(source="varz")))
    assert (none.value.status, none.value.what_to_do) == (404, "no endpoint has answered yet")
    answers = LastAnswers(world.clock)

    async def get(url: str, timeout_seconds: float) -> Answer:
        return answer({"a": 1})

    await answers.recording(get, "http://h:1")("http://h:1/varz", 1.0)
    world.last_answers.update(answers.sources())
    given = await fact_handlers.raw_answer(ask(world, RawParams(source="varz")))
    assert isinstance(given.body, RawAnswer)
    assert given.body.body == '{"a": 1}'
    with pytest.raises(Refused) as other:
        await fact_handlers.raw_answer(ask(world, RawParams(source="zzz")))
    assert other.value.what_to_do == "there are: varz"
