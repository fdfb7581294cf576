"""The probe of /varz: answers in, observations out."""

from __future__ import annotations

from pathlib import Path

import pytest

from semsupervisor.errors import SupervisorError
from semsupervisor.health.observation import Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.probes.nats_varz import FACTS, NatsVarz
from semsupervisor.health.targets import TargetAbsent
from semsupervisor.systems.connecting import Garbled, Refused, TimedOut
from semsupervisor.systems.http import Answer
from tests.support.asked import Answering, answer

SAMPLE = (Path(__file__).parents[2] / "samples" / "nats-2.14.0" / "varz.json").read_bytes()


async def seen(outcome: Answer | SupervisorError) -> Observation:
    """Return what the probe sees of an answer."""
    answering = Answering(outcome)
    (observation,) = await NatsVarz(answering.clock, answering.endpoint, "nats", 3.0).observe()
    assert (answering.paths, answering.timeouts) == (["/varz"], [3.0])
    assert (observation.source, observation.subject) == ("nats_varz", Subject(SubjectKind.NATS, "nats"))
    return observation


async def test_the_figures_are_facts() -> None:
    """Version, server, start and the numbers of a real answer become facts; whether JetStream is on is evidence."""
    observation = await seen(answer(SAMPLE))
    assert observation.outcome is Outcome.OK
    assert observation.facts == {
        "version": "2.14.0",
        "server_id": "NDBA7TURNV4YWA273G7MD2Y6HNI3UHLIOAG5BLFFA6ERN5PYPXNUPHM4",
        "started_at": "2026-11-23T09:00:50.642020+00:00",
        "connections": 1,
        "slow_consumers": 0,
        "memory_used_bytes": 17141760,
    }
    assert observation.evidence == {"jetstream": "on"}
    assert tuple(observation.facts) == FACTS


@pytest.mark.parametrize(
    ("outcome", "how", "evidence"),
    [
        (Refused("refused"), Outcome.DOWN, {"error": "refused"}),
        (TimedOut("silent"), Outcome.DOWN, {"error": "silent"}),
        (Garbled("not HTTP"), Outcome.UNKNOWN, {"error": "not HTTP"}),
        (TargetAbsent("no such service"), Outcome.NOT_OFFERED, {"error": "no such service"}),
        (
            answer(b"no", 404),
            Outcome.NOT_OFFERED,
            {"error": "the server does not offer /varz (HTTP 404)", "body": "no"},
        ),
        (answer(b"hunter2", 500), Outcome.UNKNOWN, {"error": "HTTP 500 in place of 200", "body": "***"}),
    ],
)
async def test_what_is_not_seen_is_unknown(
    outcome: Answer | SupervisorError, how: Outcome, evidence: dict[str, str]
) -> None:
    """Without figures every fact is unknown, and the outcome says whether the server is down."""
    observation = await seen(outcome)
    assert (observation.outcome, observation.evidence) == (how, evidence)
    assert observation.facts == dict.fromkeys(FACTS, Unknown(evidence["error"]))
