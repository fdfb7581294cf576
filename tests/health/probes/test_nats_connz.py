"""The probe of /connz: answers in, observations out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from semsupervisor.errors import SupervisorError
from semsupervisor.health.observation import Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.probes.nats_connz import MISSING, PENDING, NatsConnz
from semsupervisor.health.targets import TargetAbsent
from semsupervisor.systems.connecting import Garbled, Refused
from semsupervisor.systems.http import Answer
from tests.support.asked import Answering, answer


def connz(*names: str, total: int | None = None) -> Answer:
    """Return a page of clients of these names."""
    connections = [{"name": name, "pending_bytes": len(name)} for name in names]
    return answer({"num_connections": len(names), "total": total or len(names), "connections": connections})


async def seen(expected: Sequence[str], *outcomes: Answer | SupervisorError) -> tuple[Observation, list[str]]:
    """Return what the probe sees of answers, and what it asked for."""
    answering = Answering(*outcomes)
    (observation,) = await NatsConnz(answering.clock, answering.endpoint, "nats", 3.0, expected, page=2).observe()
    assert (observation.source, observation.subject) == ("nats_connz", Subject(SubjectKind.NATS, "nats"))
    return observation, answering.paths


async def test_who_is_there_is_not_missing() -> None:
    """Patterns are matched by the names that clients give themselves."""
    observation, paths = await seen(["semstreams*", "gateway"], connz("semstreams-1", "gateway"))
    assert (observation.facts, observation.evidence) == ({PENDING: 12, MISSING: 0}, {})
    assert (observation.outcome, paths) == (Outcome.OK, ["/connz?offset=0&limit=2"])


async def test_who_is_not_there_is_named() -> None:
    """The evidence names the patterns that nobody matches; a name is matched as it is written."""
    observation, _ = await seen(["semstreams", "gateway"], connz("SEMSTREAMS", ""))
    assert (observation.facts, observation.evidence) == (
        {PENDING: 10, MISSING: 2},
        {"missing_clients": "semstreams, gateway"},
    )


async def test_while_the_stacks_program_rests_nobody_is_missing() -> None:
    """That its clients are away is unknown then, for that reason; who is there is there."""
    for names, missing in (((), Unknown("it was stopped")), (("semstreams",), 0)):
        answering = Answering(connz(*names))
        probe = NatsConnz(
            answering.clock, answering.endpoint, "nats", 3.0, ["semstreams"], rests=lambda: "it was stopped"
        )
        (observation,) = await probe.observe()
        assert (observation.facts[MISSING], observation.outcome, observation.evidence) == (missing, Outcome.OK, {})


async def test_nobody_at_all_is_everybody_missing() -> None:
    """A server without clients is asked once."""
    observation, paths = await seen(["semstreams"], connz())
    assert (observation.facts, len(paths)) == ({PENDING: 0, MISSING: 1}, 1)


async def test_clients_come_in_pages() -> None:
    """Pages are asked for until there are no more."""
    pages = [connz("a", "b", total=5), connz("c", "gateway", total=5), connz("e", total=5)]
    observation, paths = await seen(["gateway", "other"], *pages)
    assert paths == [f"/connz?offset={offset}&limit=2" for offset in (0, 2, 4)]
    assert observation.facts == {PENDING: 7, MISSING: 1}


async def test_who_is_not_expected_is_not_looked_for() -> None:
    """Without expectations nobody is missing, and nothing is said of that."""
    observation, _ = await seen([], connz("a"))
    assert (observation.facts, observation.evidence) == ({PENDING: 1}, {})


@pytest.mark.parametrize(
    ("outcome", "how", "error"),
    [
        (Refused("refused"), Outcome.DOWN, "refused"),
        (Garbled("hunter2 is not HTTP"), Outcome.UNKNOWN, "*** is not HTTP"),
        (TargetAbsent("no such service"), Outcome.NOT_OFFERED, "no such service"),
        (answer(b"no", 404), Outcome.NOT_OFFERED, "the server does not offer /connz (HTTP 404)"),
        (answer(b"no", 500), Outcome.UNKNOWN, "HTTP 500 in place of 200"),
    ],
)
async def test_what_is_not_seen_is_unknown(outcome: Answer | SupervisorError, how: Outcome, error: str) -> None:
    """Without an answer nobody is called missing."""
    observation, _ = await seen(["semstreams"], outcome)
    assert (observation.facts, observation.evidence) == (
        {PENDING: Unknown(error), MISSING: Unknown(error)},
        {"error": error},
    )
    assert observation.outcome is how
