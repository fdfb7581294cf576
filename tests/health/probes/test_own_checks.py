"""The checks of an operator's own: by HTTP, TCP and real programs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from semsupervisor.errors import EngineError, SupervisorError
from semsupervisor.health.observation import FactValue, Observation, Outcome, Unknown
from semsupervisor.health.probes.own_checks import CommandLook, HttpLook, Look, OwnCheck, TcpLook
from semsupervisor.health.reaching import Endpoint
from semsupervisor.health.targets import AddressOf, ContainerTarget, TargetAbsent, TargetStopped
from semsupervisor.kit.clock import SystemClock
from semsupervisor.systems.connecting import Garbled, Refused, TlsFailed
from semsupervisor.systems.http import Answer, BadRedirect, BodyTooLarge
from tests.support.asked import ELAPSED_SECONDS, Answering, answer
from tests.support.talking import free_port


async def found(look: Look) -> Observation:
    """Return what a check finds."""
    (observation,) = await OwnCheck(SystemClock(), "mine", look).observe()
    assert (observation.source, str(observation.subject)) == ("check_mine", "check:mine")
    return observation


async def by_http(outcome: Answer | SupervisorError, status: int = 200, pattern: str = "") -> Observation:
    """Return what is found of an answer."""
    answering = Answering(outcome)
    return await found(HttpLook(answering.clock, answering.endpoint, status, pattern, 3.0))


@pytest.mark.parametrize(
    ("outcome", "status", "pattern", "state", "said"),
    [
        (answer(b"all fine"), 200, "", "ok", "HTTP 200"),
        (answer(b"all fine"), 200, "fine|well", "ok", "HTTP 200"),
        (answer(b"", 401), 401, "", "ok", "HTTP 401"),
        (answer(b"all fine"), 200, "^fine", "critical", "HTTP 200, and the pattern is not found in the body"),
        (answer(b"", 503), 200, "", "critical", "HTTP 503 in place of 200"),
        (Refused("refused"), 200, "", "critical", "refused"),
        (TlsFailed("expired"), 200, "", "critical", "expired"),
        (BadRedirect("to another host", "http://x"), 200, "", "critical", "to another host"),
        (BodyTooLarge("too large", answer(b"fine")), 200, "fine", "ok", "HTTP 200"),
        (BodyTooLarge("too large", answer(b"x", 500)), 200, "", "critical", "HTTP 500 in place of 200"),
    ],
)
async def test_http(outcome: Answer | SupervisorError, status: int, pattern: str, state: str, said: str) -> None:
    """Status and pattern decide, and whoever does not answer as asked has failed."""
    seen = await by_http(outcome, status, pattern)
    assert (seen.facts["state"], seen.evidence["said"]) == (state, said)
    assert seen.facts["latency_seconds"] == ELAPSED_SECONDS
    assert seen.outcome is (Outcome.OK if state == "ok" else Outcome.DOWN)


@pytest.mark.parametrize("year", [1970, 2076])
async def test_a_certificate_is_not_held_against_a_clock_that_is_wrong(year: int) -> None:
    """In 1970 none is valid yet, and fifty years ahead none any more: that says nothing of the server."""
    answering = Answering(TlsFailed("certificate is not yet valid"))
    answering.clock.jump((datetime(year, 1, 1, tzinfo=UTC) - answering.clock.now()).total_seconds())
    seen = await found(HttpLook(answering.clock, answering.endpoint, 200, "", 3.0))
    why = f"certificate is not yet valid; this host's clock says {year}-01-01, which cannot be right"
    assert (seen.outcome, seen.facts["state"]) == (Outcome.UNKNOWN, Unknown(why))


async def test_a_container_that_does_not_run_is_no_failure_of_the_check() -> None:
    """That it does not run is told by itself; what was stopped on request is not told as a failure."""

    def stopped(_: str) -> str | None:
        raise TargetStopped("the container of app does not run")

    async def get(url: str, timeout_seconds: float) -> Answer:
        return answer(b"")

    clock = SystemClock()
    endpoint = Endpoint(clock, get, ContainerTarget("app", 80), stopped, lag_since=lambda _: 0.0, mask=str)
    seen = await found(HttpLook(clock, endpoint, 200, "", 3.0))
    assert (seen.outcome, seen.facts["state"]) == (Outcome.NOT_OFFERED, Unknown("the container of app does not run"))


async def test_what_failed_is_shown_without_secrets() -> None:
    """The begin of the body is evidence, masked."""
    seen = await by_http(answer(b"password=hunter2hunter2", 500))
    assert seen.evidence["body"] == "password=***"
    assert seen.facts["http_status"] == 500


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Garbled("no HTTP"), Outcome.UNKNOWN),
        (EngineError("away"), Outcome.UNKNOWN),
        (TargetAbsent("no such service"), Outcome.NOT_OFFERED),
    ],
)
async def test_what_cannot_be_said_is_unknown(error: SupervisorError, outcome: Outcome) -> None:
    """Neither well nor failed."""
    seen = await by_http(error)
    assert (seen.outcome, seen.facts["state"]) == (outcome, Unknown(str(error)))


async def by_tcp(address: str, address_of: AddressOf = lambda _: "127.0.0.1", lag: float = 0.0) -> Observation:
    """Return what is found of a port."""
    return await found(TcpLook(SystemClock(), address, address_of, lambda _: lag, 5.0))


async def test_tcp() -> None:
    """A port that takes connections is well, one that refuses has failed, unless our own loop was late."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    try:
        well = await by_tcp(f"container:broker:{server.sockets[0].getsockname()[1]}")
    finally:
        server.close()
    assert (well.outcome, well.facts["state"]) == (Outcome.OK, "ok")
    dead = f"127.0.0.1:{free_port()}"
    assert (await by_tcp(dead)).facts["state"] == "critical"
    assert isinstance((await by_tcp(dead, lag=3.0)).facts["state"], Unknown)


async def test_a_container_that_does_not_run_is_told_elsewhere() -> None:
    """Nothing is said of its port."""

    def stopped(_: str) -> str | None:
        raise TargetStopped("does not run")

    assert (await by_tcp("container:broker:1883", stopped)).outcome is Outcome.NOT_OFFERED


async def by_command(script: str, timeout_seconds: float = 10.0) -> Observation:
    """Return what is found by a shell's script."""
    return await found(CommandLook(SystemClock(), ["/bin/sh", "-c", script], timeout_seconds))


@pytest.mark.parametrize(
    ("script", "state", "said"),
    [
        ("echo 'DISK OK | used=12%;80;90'", "ok", "DISK OK"),
        ("echo 'LOAD WARNING'; exit 1", "warning", "LOAD WARNING"),
        ("echo dead >&2; exit 2", "critical", "dead"),
        ("exit 77", "critical", "nothing"),
        ("kill -9 $$", "critical", "nothing"),
    ],
)
async def test_commands(script: str, state: str, said: str) -> None:
    """The exit code decides as it does for monitoring plugins; what no plugin has is a failure."""
    seen = await by_command(script)
    assert (seen.facts["state"], seen.evidence["said"]) == (state, said)


async def test_performance_data_are_facts_and_evidence() -> None:
    """Figures come in base units; the data are there as they were printed."""
    seen = await by_command("echo 'OK | used=12%;80;90 time=5ms'")
    facts: dict[str, FactValue] = {"perf_used_ratio": 0.12, "perf_time_seconds": 0.005, "exit_code": 0, "state": "ok"}
    assert facts.items() <= seen.facts.items()
    assert seen.evidence["perfdata"] == "used=12%;80;90 time=5ms"


async def test_a_program_that_does_not_know_is_unknown() -> None:
    """Exit code 3 is an answer, and no failure; what was found before is unknown with it."""
    check = OwnCheck(SystemClock(), "mine", CommandLook(SystemClock(), ["/bin/sh", "-c", "echo lost; exit 3"], 10.0))
    (seen,) = await check.observe()
    assert (seen.outcome, seen.facts) == (Outcome.UNKNOWN, {"state": Unknown("lost")})


async def test_a_program_that_is_late_or_missing() -> None:
    """Late is a failure of what it looks at; one that cannot be started says nothing."""
    assert (await by_command("sleep 300", timeout_seconds=0.2)).facts["state"] == "critical"
    missing = await found(CommandLook(SystemClock(), ["/no/such/plugin"], 1.0))
    assert missing.outcome is Outcome.UNKNOWN
    assert "cannot be started" in missing.evidence["error"]
