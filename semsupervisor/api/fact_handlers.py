"""What the routes about facts do."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from msgspec import Meta

from semsupervisor.api import facts
from semsupervisor.api.asking import Ask, Params, Refused, Reply
from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.kit.text import did_you_mean

UNPACK_SECONDS = 5.0


class FactsParams(Params, frozen=True, kw_only=True):
    """Which facts."""

    pattern: Annotated[
        str, Meta(description='a part of "kind:name fact", or a shell pattern on the subject, the fact or both')
    ] = ""


class RawParams(Params, frozen=True, kw_only=True):
    """Whose answer."""

    source: Annotated[str, Meta(description="the end of the endpoint's path, such as varz, jsz, health or metrics")]


async def known_facts(ask: Ask[FactsParams]) -> Reply:
    """Return the facts that were asked for."""
    return Reply(body=facts.facts(ask.readings, ask.params.pattern))


async def raw_answer(ask: Ask[RawParams]) -> Reply:
    """Return what an endpoint last answered."""
    source, known = ask.params.source, ask.readings.last_answers()
    if source not in known:
        there = f"there are: {', '.join(known)}" if known else "no endpoint has answered yet"
        raise Refused(404, f"there is no answer of {source!r}", did_you_mean(source, known) or there)
    return Reply(
        body=await BlockingCalls().run(source, partial(facts.raw, ask.readings, source, known[source]), UNPACK_SECONDS)
    )
