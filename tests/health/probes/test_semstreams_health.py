"""The probe of SemStreams' /health: answers in, observations out."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from semsupervisor.errors import SupervisorError
from semsupervisor.health.observation import FactValue, Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.probes.semstreams_health import LONGEST_PARTS, SemstreamsHealth
from semsupervisor.health.reaching import Endpoint
from semsupervisor.health.targets import TargetAbsent, UrlTarget
from semsupervisor.systems.connecting import Garbled, Refused, TimedOut
from semsupervisor.systems.http import Answer, BadRedirect, BodyTooLarge, HttpClient
from tests.support.asked import ELAPSED_SECONDS, Answering, answer
from tests.support.clock import ManualClock
from tests.support.container_words import container
from tests.support.talking import raw_server

RUNBOOK: dict[str, Any] = {
    "status": "healthy",
    "version": "v1.0.0",
    "uptime": "24h30m15s",
    "components": {"nats": "connected", "flows": "running"},
}


async def seen(outcome: Answer | SupervisorError) -> Observation:
    """Return what the probe sees of an answer."""
    answering = Answering(outcome)
    (observation,) = await SemstreamsHealth(answering.clock, answering.endpoint, "semstreams", 3.0).observe()
    assert answering.timeouts == [3.0]
    assert observation.at == answering.clock.instant()
    assert (observation.source, observation.subject) == (
        "semstreams_health",
        Subject(SubjectKind.SEMSTREAMS, "semstreams"),
    )
    return observation


async def test_a_healthy_answer_is_seen() -> None:
    """All that the body says becomes facts, and nothing is evidence of a fault."""
    observation = await seen(answer(RUNBOOK))
    assert observation.outcome is Outcome.OK
    assert observation.facts == {
        "reachable": True,
        "offered": True,
        "health_failing": False,
        "status": "healthy",
        "status_understood": True,
        "nats_connected": True,
        "latency_seconds": ELAPSED_SECONDS,
        "flows": "running",
        "flows_stopped": False,
        "version": "v1.0.0",
        "uptime_seconds": 88_215.0,
        "restarted": False,
        "parts_unwell": 0,
    }
    assert observation.evidence == {"nats_message": "connected", "parts": "nats is connected; flows is running"}


async def test_facts_hold_no_secret() -> None:
    """Texts that become facts are masked, and so are the reasons of what is unknown."""
    nats = "reconnecting to nats://svc:hunter2@nats:4222"
    body = {"status": "degraded", "version": "v1 hunter2", "components": {"nats": nats, "flows": "hunter2"}}
    observation = await seen(answer(body))
    assert observation.facts["version"] == "v1 ***"
    assert observation.facts["flows"] == "***"
    assert "hunter2" not in str({name: str(value) for name, value in observation.facts.items()})
    lost = await seen(Garbled("hunter2 is not HTTP"))
    assert lost.facts["reachable"] == Unknown("*** is not HTTP")


@pytest.mark.parametrize(
    ("flows", "status", "stopped"),
    [
        ("stopped", "degraded", True),
        ("error", "degraded", True),
        ("degraded", "degraded", False),
        ("idle", "healthy", False),
        ("purple", Unknown("SemStreams says: flows is 'purple'"), Unknown("SemStreams says of its flows: purple")),
    ],
)
async def test_flows_that_do_not_run_are_seen_in_a_body_that_calls_itself_healthy(
    flows: str, status: FactValue, stopped: FactValue
) -> None:
    """What the runbook's dialect says of the flows is a fact of its own, and such a body is not healthy."""
    observation = await seen(answer({**RUNBOOK, "components": {"nats": "connected", "flows": flows}}))
    assert (observation.facts["status"], observation.facts["flows_stopped"]) == (status, stopped)


async def test_a_word_for_the_flows_that_is_not_known_is_unknown() -> None:
    """It neither says that they run nor that they do not."""
    observation = await seen(answer({**RUNBOOK, "status": "degraded", "components": {"flows": "purple"}}))
    assert observation.facts["flows_stopped"] == Unknown("SemStreams says of its flows: purple")


async def test_what_was_said_before_is_unknown_when_nothing_is_said() -> None:
    """A fact of the last body is not left out of the next look, so that nobody takes it to stand."""
    answering = Answering(answer(RUNBOOK), Refused("no connection: refused"))
    probe = SemstreamsHealth(answering.clock, answering.endpoint, "semstreams", 3.0)
    await probe.observe()
    (lost,) = await probe.observe()
    refused = Unknown("no connection: refused")
    assert [lost.facts[name] for name in ("flows_stopped", "flows", "version")] == [refused] * 3
    assert lost.facts["reachable"] is False


@pytest.mark.parametrize(
    ("body", "image", "version"),
    [
        ({"status": "healthy"}, "v1.2.0", "v1.2.0"),
        ({"status": "healthy", "version": "v1.3.0"}, "v1.2.0", "v1.3.0"),
        ({"status": "healthy"}, "", None),
    ],
)
async def test_the_version_is_the_images_where_none_is_said(body: object, image: str, version: str | None) -> None:
    """What the program says of itself counts; the shipped dialect says nothing."""
    answering = Answering(answer(body))
    known = container(version=image)
    probe = SemstreamsHealth(answering.clock, answering.endpoint, "semstreams", 3.0, lambda: known)
    (observation,) = await probe.observe()
    assert observation.facts.get("version") == version


async def test_what_is_wrong_is_named() -> None:
    """Of a body that is not healthy the parts, NATS' message and the buffered messages are evidence, masked."""
    nats = {"component": "nats", "healthy": False, "status": "unhealthy", "message": "Disconnected: hunter2"}
    body = {"status": "unhealthy", "healthy": False, "sub_statuses": [nats], "buffered_messages": 142}
    observation = await seen(answer(body, 503))
    assert observation.outcome is Outcome.OK
    assert observation.facts == {
        "reachable": True,
        "offered": True,
        "health_failing": False,
        "status": "unhealthy",
        "status_understood": True,
        "nats_connected": False,
        "flows_stopped": False,
        "latency_seconds": ELAPSED_SECONDS,
        "buffered_messages": 142,
        "parts_unwell": 1,
    }
    assert observation.evidence == {
        "unhealthy_parts": "nats is unhealthy: Disconnected: ***",
        "nats_message": "Disconnected: ***",
        "parts": "nats is unhealthy: Disconnected: ***",
    }


@pytest.mark.parametrize(
    ("body", "connected", "parts"),
    [
        ({"status": "degraded"}, Unknown("SemStreams says nothing of NATS"), "it does not say which part"),
        (
            {"status": "degraded", "components": {"nats": "reconnecting"}},
            Unknown("SemStreams says of NATS: reconnecting"),
            "nats is reconnecting",
        ),
    ],
)
async def test_what_is_not_said_is_unknown(body: object, connected: Unknown, parts: str) -> None:
    """Whether NATS is connected is unknown unless the body says it, and evidence says so of the parts."""
    observation = await seen(answer(body))
    assert observation.facts["nats_connected"] == connected
    assert observation.evidence["unhealthy_parts"] == parts


@pytest.mark.parametrize("error", [Refused("no connection: refused"), TimedOut("no answer within 3 s")])
async def test_an_endpoint_that_does_not_answer_is_down(error: SupervisorError) -> None:
    """Refused or silent: not reachable, the rest unknown, the error as evidence."""
    observation = await seen(error)
    unknown = Unknown(str(error))
    assert observation.outcome is Outcome.DOWN
    assert observation.facts == {
        "reachable": False,
        "offered": unknown,
        "health_failing": unknown,
        "status": unknown,
        "status_understood": unknown,
        "nats_connected": unknown,
        "latency_seconds": unknown,
    }
    assert observation.evidence == {"error": str(error)}


async def test_what_cannot_be_said_is_unknown() -> None:
    """An answer that is no HTTP says nothing, not even that it is reachable."""
    observation = await seen(Garbled("not HTTP"))
    assert observation.outcome is Outcome.UNKNOWN
    assert set(observation.facts.values()) == {Unknown("not HTTP")}


async def test_a_404_is_not_offered() -> None:
    """The server answers but does not know /health: that is a fact of its own, and the status is unknown."""
    observation = await seen(answer(b"404 page not found\n", 404))
    assert observation.outcome is Outcome.NOT_OFFERED
    assert (observation.facts["reachable"], observation.facts["offered"]) == (True, False)
    assert observation.facts["status"] == Unknown("not offered (HTTP 404)")
    assert observation.evidence == {"error": "not offered (HTTP 404)", "body": "404 page not found"}


@pytest.mark.parametrize(
    ("outcome", "body"),
    [
        (answer(b"<html>hunter2</html>"), "<html>***</html>"),
        (answer({**RUNBOOK, "healthy": False}), '{"status": "healthy"'),
        (BodyTooLarge("the body is larger than 1024 KiB", answer(b"x" * 9)), "x" * 9),
    ],
)
async def test_an_unreadable_body_is_unknown(outcome: Answer | SupervisorError, body: str) -> None:
    """It is reachable, nothing else is known, and the first bytes are evidence, masked."""
    observation = await seen(outcome)
    assert observation.outcome is Outcome.UNKNOWN
    assert observation.facts["reachable"] is True
    assert isinstance(observation.facts["status"], Unknown)
    assert isinstance(observation.facts["offered"], Unknown)
    assert observation.evidence["body"].startswith(body)
    assert observation.evidence["error"]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_an_endpoint_that_fails_itself_says_so(status: int) -> None:
    """It answers, and not how SemStreams is; its status and the first bytes are evidence, whatever they say."""
    observation = await seen(answer({**RUNBOOK, "message": "hunter2"}, status))
    assert observation.outcome is Outcome.DOWN
    assert (observation.facts["reachable"], observation.facts["health_failing"]) == (True, True)
    assert isinstance(observation.facts["status"], Unknown)
    assert isinstance(observation.facts["offered"], Unknown)
    assert observation.evidence["error"].startswith(f"HTTP {status} in place of its health, with {{")
    assert observation.evidence["body"].startswith('{"status": "healthy"')


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "an empty body"),
        (b"upstream is gone", "upstream is gone"),
        ({"error": "database is locked"}, '{"error": "database is locked"}'),
        (["unhealthy"], '["unhealthy"]'),
    ],
)
async def test_a_503_that_does_not_say_how_it_is_fails_as_any_other(body: object, said: str) -> None:
    """Whoever answers for it, a proxy or its own framework, does so in place of its health."""
    observation = await seen(answer(body, 503))
    assert observation.outcome is Outcome.DOWN
    assert (observation.facts["reachable"], observation.facts["health_failing"]) == (True, True)
    assert observation.evidence["error"] == f"HTTP 503 in place of its health, with {said}"


@pytest.mark.parametrize("status", [204, 302, 401, 403, 405])
async def test_any_other_answer_is_no_health_endpoint(status: int) -> None:
    """It is there, and does not tell us: that is neither health nor the want of it."""
    observation = await seen(answer(b"who are you", status))
    assert observation.outcome is Outcome.NOT_OFFERED
    assert (observation.facts["offered"], observation.facts["health_failing"]) == (False, False)
    assert observation.facts["status"] == Unknown(f"not offered (HTTP {status})")
    assert observation.evidence["body"] == "who are you"


async def test_an_unknown_word_is_shown() -> None:
    """The status is unknown, the word is evidence, and what else the body says is known."""
    observation = await seen(answer({"status": "hunter2", "version": "v9", "nats_connected": True}))
    assert observation.outcome is Outcome.OK
    assert observation.facts["status"] == Unknown("SemStreams says: it calls itself '***'")
    assert (observation.facts["status_understood"], observation.facts["nats_connected"]) == (False, True)
    assert observation.facts["version"] == "v9"
    assert observation.evidence == {"strange": "it calls itself '***'"}


async def test_a_service_that_is_not_there_is_not_looked_at() -> None:
    """Nothing is said of it, and that is certain: no check goes stale over it."""
    answering = Answering(TargetAbsent("no such service"))
    (seen,) = await SemstreamsHealth(answering.clock, answering.endpoint, "app", 3.0).observe()
    assert seen.outcome is Outcome.NOT_OFFERED
    assert seen.facts["reachable"] == Unknown("no such service")


async def test_many_parts_are_bounded() -> None:
    """A tree of hundreds of parts makes a line, not a page."""
    parts = [{"component": f"part-{number}", "status": "healthy", "healthy": True} for number in range(500)]
    observation = await seen(answer({"status": "healthy", "healthy": True, "sub_statuses": parts}))
    assert observation.evidence["parts"].startswith("part-0 is healthy; part-1 is healthy")
    assert len(observation.evidence["parts"]) <= LONGEST_PARTS


async def test_a_redirect_off_the_host_is_refused_and_said() -> None:
    """Something answers, and whether SemStreams is well is not known from another host."""
    observation = await seen(BadRedirect("redirected to another host: http://elsewhere", "http://elsewhere"))
    assert observation.outcome is Outcome.UNKNOWN
    assert (observation.facts["reachable"], observation.facts["status"]) == (
        True,
        Unknown(observation.evidence["error"]),
    )
    assert "another host" in observation.evidence["error"]


class Uptimes:
    """Looks at a SemStreams that says how long it has been running, in a container that may be started anew."""

    def __init__(self) -> None:
        self.run = "first"
        self.answering = Answering(answer(RUNBOOK))
        self.probe = SemstreamsHealth(
            self.answering.clock, self.answering.endpoint, "semstreams", 3.0, lambda: container(id=self.run)
        )

    async def restarted(self, uptime_seconds: int) -> FactValue:
        """Return whether a restart is told when it says this, ten seconds after the look before."""
        self.answering.clock.advance(10.0 - ELAPSED_SECONDS)
        self.answering.answers = [answer({**RUNBOOK, "uptime": f"{uptime_seconds}s"})]
        (observation,) = await self.probe.observe()
        return observation.facts["restarted"]


async def test_a_restart_inside_the_container_is_told_once() -> None:
    """The look after the one with the shorter uptime tells it."""
    looks = Uptimes()
    assert [await looks.restarted(uptime) for uptime in (500, 510, 3, 13, 23)] == [False, False, False, True, False]


@pytest.mark.parametrize("learned_late", [False, True])
async def test_a_restart_of_the_container_is_told_elsewhere(learned_late: bool) -> None:
    """Docker's own word about the container is enough, also when it comes after SemStreams' answer."""
    looks = Uptimes()
    told = [await looks.restarted(500)]
    if not learned_late:
        looks.run = "second"
    told.append(await looks.restarted(3))
    looks.run = "second"
    told += [await looks.restarted(uptime) for uptime in (13, 23)]
    assert told == [False] * 4


async def test_an_uptime_that_only_shrinks_is_no_restart() -> None:
    """A clock that was set back makes it shorter, but not as short as the time since the last look."""
    looks = Uptimes()
    assert [await looks.restarted(uptime) for uptime in (90_000, 3_610, 3_620)] == [False] * 3


async def test_a_header_that_is_no_utf_8_is_seen_as_escapes() -> None:
    """What an endpoint answers in any other encoding blinds nobody: what is said of it can be written as JSON."""

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://caf\xe9.example/\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    clock = ManualClock()
    http = HttpClient(clock)
    try:
        async with raw_server(redirect) as port:
            target = UrlTarget(f"http://127.0.0.1:{port}/health")
            endpoint = Endpoint(clock, http.get, target, lambda _: None, lag_since=lambda _: 0.0, mask=str)
            (observation,) = await SemstreamsHealth(clock, endpoint, "semstreams", 30.0).observe()
    finally:
        await http.close()
    assert observation.facts["reachable"] is True
    assert b"caf" in msgspec.json.encode(observation.evidence)
    assert str(observation.facts["status"]).encode()


@pytest.mark.parametrize(
    ("outcome", "works"),
    [
        (answer(RUNBOOK), True),
        (answer({"status": "degraded"}), True),
        (answer(b"404 page not found", 404), True),
        (answer({"status": "unhealthy", "healthy": False}, 503), False),
        (answer(b"garbage"), False),
        (answer(b"broken", 500), False),
        (answer({"status": "starting"}), False),
        (Refused("refused"), False),
        (TargetAbsent("no such service"), False),
    ],
)
async def test_it_works_if_it_answers_and_does_not_say_otherwise(
    outcome: Answer | SupervisorError, works: bool
) -> None:
    """One that has no health endpoint works as well as can be told; before the first look nothing is known."""
    answering = Answering(outcome)
    probe = SemstreamsHealth(answering.clock, answering.endpoint, "semstreams", 3.0)
    assert probe.works is False
    await probe.observe()
    assert probe.works is works
