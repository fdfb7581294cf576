"""The probe of /varz: answers in, observations out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from semsupervisor.errors import SupervisorError
from semsupervisor.health.observation import UNLIMITED, FactValue, Observation, Outcome, Subject, SubjectKind, Unknown
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
    """Version, server, start, totals and the numbers of a real answer become facts."""
    observation = await seen(answer(SAMPLE))
    assert observation.outcome is Outcome.OK
    assert observation.facts == {
        "version": "2.14.0",
        "server_id": "NDBA7TURNV4YWA273G7MD2Y6HNI3UHLIOAG5BLFFA6ERN5PYPXNUPHM4",
        "started_at": "2026-11-23T09:00:50.642020+00:00",
        "restarted": False,
        "memory_used_bytes": 17141760,
        "cpu_used_processors": 0.0,
        "connections": 1,
        "connections_total": 1,
        "reconnections_total": 0,
        "subscriptions": 73,
        "slow_consumers_total": 0,
        "in_messages_total": 526,
        "out_messages_total": 555,
        "in_bytes_total": 101002,
        "out_bytes_total": 26922,
        "max_connections": 65536,
        "connections_used_ratio": 1 / 65536,
        "stalled_clients_total": 0,
        "config_loaded_at": "2026-11-23T09:00:50.642020+00:00",
    }
    assert observation.evidence == {}
    assert tuple(observation.facts)[: len(FACTS)] == FACTS


async def test_what_the_server_does_not_tell_is_left_out() -> None:
    """The older generation tells no stalled clients; connections without a limit have no share of one."""
    told = json.loads(SAMPLE)
    for name in ("stalled_clients", "config_load_time"):
        told.pop(name)
    observation = await seen(answer({**told, "max_connections": -1}))
    assert tuple(observation.facts) == (*FACTS, "max_connections")
    assert observation.facts["max_connections"] == UNLIMITED
    told["max_connections"] = 3.5
    facts = (await seen(answer({**told, "tls_cert_not_after": "2026-11-24T09:00:00Z"}))).facts
    no_limit = Unknown("max_connections is 3.5, which is no limit")
    assert (facts["max_connections"], facts["connections_used_ratio"]) == (no_limit, no_limit)
    assert facts["certificate_expires_at"] == "2026-11-24T09:00:00+00:00"


def clients(total: int, of_now: int, server_id: str = "ONE") -> Answer:
    """Return the figures of a server with so many connections."""
    return answer({**json.loads(SAMPLE), "total_connections": total, "connections": of_now, "server_id": server_id})


@pytest.mark.parametrize(
    ("looks", "counted"),
    [
        ([clients(5070, 70), Refused("no"), clients(70, 70, "TWO")], [5000, 0]),  # all come back to a new server
        ([clients(5070, 70), clients(30, 30, "TWO"), clients(70, 70, "TWO")], [5000, 0, 0]),
        ([clients(2, 2), clients(45, 45)], [0, 0]),  # at boot
        ([clients(70, 70), clients(70, 1), clients(71, 2)], [0, 0, 1]),  # one of those that left
        ([clients(5, 5), clients(7, 5), clients(9, 4), clients(14, 9)], [0, 2, 4, 5]),
        ([clients(10, 5), clients(11, 5), clients(11, 6)], [5, 6, 6]),  # counted and not open yet
    ],
)
async def test_clients_that_come_once_are_no_reconnections(looks: list[Answer], counted: list[int]) -> None:
    """Neither after a start of the server nor as there come to be more of them; who comes again is counted."""
    answering = Answering(*looks)
    probe = NatsVarz(answering.clock, answering.endpoint, "nats", 3.0)
    found = [(await probe.observe())[0].facts["reconnections_total"] for _ in looks]
    assert [one for one in found if not isinstance(one, Unknown)] == counted


async def restarts(*outcomes: Answer | SupervisorError, container_began: datetime | None = None) -> list[FactValue]:
    """Return what each of several looks says of a restart."""
    answering = Answering(*outcomes)
    probe = NatsVarz(answering.clock, answering.endpoint, "nats", 3.0, lambda: container_began)
    return [(await probe.observe())[0].facts["restarted"] for _ in outcomes]


def started(at: str, server_id: str = "ONE") -> Answer:
    """Return the figures of a server that began then."""
    return answer({**json.loads(SAMPLE), "start": at, "server_id": server_id})


OLD, NEW = started("2026-11-23T09:00:00Z"), started("2026-11-23T10:00:00Z")
ANOTHER = started("2026-11-23T10:00:00Z", "TWO")


async def test_another_server_or_start_is_a_restart_in_one_look() -> None:
    """A new start or id is a restart in the look after it, also if the server was away in between, and none later."""
    assert await restarts(OLD, OLD, NEW, NEW, NEW) == [False, False, False, True, False]
    assert await restarts(NEW, Refused("no"), ANOTHER, ANOTHER) == [False, Unknown("no"), False, True]


@pytest.mark.parametrize(("hour", "told"), [(8, True), (10, False)])
async def test_a_new_start_of_the_container_explains_the_servers(hour: int, told: bool) -> None:
    """What befell the container is told of by itself; a server that began anew inside of it is a restart."""
    began = datetime(2026, 11, 23, hour, tzinfo=UTC)
    assert await restarts(OLD, NEW, NEW, container_began=began) == [False, False, told]


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
