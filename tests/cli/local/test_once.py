"""One look at everything without the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from semsupervisor.alerts import ruleset
from semsupervisor.alerts.rules import Rule
from semsupervisor.api.verdicts import State
from semsupervisor.cli.local import once
from semsupervisor.cli.local.once import Once, look
from semsupervisor.health.observation import Subject, SubjectKind, Unknown
from semsupervisor.health.targets import TargetAbsent
from semsupervisor.kit.clock import SystemClock
from semsupervisor.settings.load import load
from semsupervisor.settings.model import Settings

SAMPLES = Path(__file__).parents[2] / "samples" / "nats-2.14.0"
NATS = Subject(SubjectKind.NATS, "nats")
SEMSTREAMS = Subject(SubjectKind.SEMSTREAMS, "semstreams")


@pytest.fixture
async def answers() -> dict[str, str]:
    """Return what the endpoints answer, to be changed by a test."""
    return {
        "/health": '{"status": "healthy", "version": "v1.2.0", "components": {"nats": "connected"}}',
        "/healthz": '{"status": "ok"}',
        "/varz": (SAMPLES / "varz.json").read_text(),
    }


@pytest.fixture
async def port(answers: dict[str, str]) -> AsyncIterator[int]:
    """Return the port of a server that answers so."""

    async def answer(request: web.Request) -> web.Response:
        known = answers.get(request.path)
        return web.Response(text=known) if known else web.Response(status=404)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def looked(tmp_path: Path, port: int | None = None) -> Once:
    """Look once at a host without an engine whose endpoints are at a port, or in containers."""
    return await look(*await asyncio.to_thread(configured, tmp_path, port), SystemClock())


def configured(tmp_path: Path, port: int | None) -> tuple[Settings, Sequence[Rule]]:
    """Return the settings for that, and the shipped rules."""
    file = tmp_path / "s.toml"
    if port is None:
        file.write_text(f'docker.socket = "{tmp_path / "docker.sock"}"\n')
        return load(file, {}).settings, ruleset.defaults()
    file.write_text(
        f'docker.socket = "{tmp_path / "docker.sock"}"\n'
        f'stack.directory = "{tmp_path}"\n'
        f'checks.semstreams.health = "http://127.0.0.1:{port}/health"\n'
        f'checks.nats.monitor = "http://127.0.0.1:{port}"\n'
    )
    return load(file, {}).settings, ruleset.defaults()


async def test_without_an_engine_the_endpoints_are_seen_all_the_same(tmp_path: Path, port: int) -> None:
    """An engine that is not there is critical and says how to grant it; what is given by address is looked at."""
    found = await looked(tmp_path, port)
    assert found.known[SEMSTREAMS].facts["status"] == "healthy"
    assert found.known[NATS].facts["connections"] == 1
    assert [alert.rule for alert in found.alerts] == ["engine_unreachable"]
    assert found.verdict.state is State.UNHEALTHY
    assert str(tmp_path / "docker.sock") in found.verdict.reasons[0]
    assert any(subject.kind is SubjectKind.FILESYSTEM for subject in found.known)
    assert [finding.name for finding in found.findings] == ["no_receiver"]


async def test_a_fault_is_seen_beside_its_cause(tmp_path: Path, port: int, answers: dict[str, str]) -> None:
    """What an endpoint says stays a reason, though the alert about it is explained by the engine's."""
    answers["/health"] = '{"status": "unhealthy", "components": {"nats": "disconnected"}}'
    found = await looked(tmp_path, port)
    assert "semstreams:semstreams says that it is unhealthy" in found.verdict.reasons
    assert [alert.rule for alert in found.alerts] == ["engine_unreachable"]


async def test_an_engine_that_may_not_be_asked_is_unknown(tmp_path: Path, port: int) -> None:
    """Who may not look does not know: that is no outage of the engine, and what to do about it is said."""

    async def forbid(_: web.Request) -> web.Response:
        return web.Response(status=403, text="not for you")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", forbid)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "docker.sock")).start()
    found = await looked(tmp_path, port)
    await runner.cleanup()
    assert (found.verdict.state, found.alerts) == (State.UNKNOWN, ())
    assert found.verdict.reasons[0].startswith("engine:docker cannot be asked: ")
    assert "not for you" in found.verdict.reasons[0]


async def test_targets_in_containers_are_unknown_without_the_engine(tmp_path: Path) -> None:
    """Where a container is cannot be said while the engine does not tell: no endpoint is called down for that."""
    found = await looked(tmp_path)
    assert isinstance(found.known[NATS].facts["reachable"], Unknown)
    assert isinstance(found.known[SEMSTREAMS].facts["reachable"], Unknown)


async def test_a_service_that_the_stack_does_not_have_is_nowhere(tmp_path: Path, port: int) -> None:
    """A stack without a NATS of its own has none that could be down."""
    settings, _ = await asyncio.to_thread(configured, tmp_path, port)
    eye = once._Eye(settings, SystemClock())
    with pytest.raises(TargetAbsent, match="no container of the service nats"):
        eye._address("nats")
    await eye.close()


async def test_what_has_to_last_is_not_told_from_one_look(tmp_path: Path, port: int) -> None:
    """A disk that is full now is full; that something was so for an hour is nothing that was seen."""
    settings, rules = await asyncio.to_thread(configured, tmp_path, port)
    (filling,) = (rule for rule in rules if rule.name == "filesystem_filling")
    soon = msgspec.structs.replace(filling, limit=0.0, clear=None)
    late = msgspec.structs.replace(soon, name="late", for_seconds=3600.0)
    found = await look(settings, [soon, late], SystemClock())
    assert {alert.rule for alert in found.alerts} == {"filesystem_filling"}


async def test_the_daemons_own_checks_are_made(tmp_path: Path, port: int) -> None:
    """The plugin has no list of its own, which would lack what the daemon's has gained."""
    found = await looked(tmp_path, port)
    assert {subject.kind for subject in found.known} >= {SubjectKind.HOST, SubjectKind.FILESYSTEM, SubjectKind.NATS}
