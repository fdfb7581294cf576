"""The probe of certificates, on real TLS servers on loopback."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from semsupervisor.errors import EngineError, SupervisorError
from semsupervisor.health.clocks import DOUBTED_SECONDS
from semsupervisor.health.observation import Observation, Outcome, Unknown
from semsupervisor.health.probes.certificates import FACTS, Certificates, Watched
from semsupervisor.health.targets import TargetAbsent, TargetStopped
from tests.support.authority import Authority, serving
from tests.support.clock import ManualClock
from tests.support.talking import free_port

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return an authority that the tests trust."""
    return Authority(tmp_path_factory.mktemp("authority"))


@asynccontextmanager
async def server(context: ssl.SSLContext) -> AsyncIterator[int]:
    """Yield the port of a TLS server."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        except OSError:
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


Serve = Callable[[ssl.SSLContext], Awaitable[int]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Return what starts a TLS server and gives its port."""
    async with AsyncExitStack() as stack:

        async def start(context: ssl.SSLContext) -> int:
            return await stack.enter_async_context(server(context))

        yield start


async def look(
    *watched: Watched, now: datetime = NOW, lag: float = 0.0, engine: SupervisorError | None = None
) -> list[Observation]:
    """Return what the probe sees at a time."""

    def address_of(_: str) -> str | None:
        if engine is not None:
            raise engine
        return "127.0.0.1"

    clock = ManualClock(wall=now)
    return list(await Certificates(clock, watched, address_of, lambda _: lag, 10.0).observe())


async def test_a_good_certificate(authority: Authority, serve: Serve) -> None:
    """A quarter of its day is left; name and chain are valid; what it is is evidence."""
    port = await serve(serving(authority.issue(NOW - 18 * HOUR, NOW + 6 * HOUR, "DNS:nats,DNS:localhost")))
    watched = Watched(name="nats", address=f"container:nats:{port}", ca_file=str(authority.file))
    (seen,) = await look(watched)
    assert seen.outcome is Outcome.OK
    assert str(seen.subject) == "certificate:nats"
    assert seen.facts == {
        "reachable": True,
        "lifetime_left_ratio": pytest.approx(0.25),
        "reserve_ratio": pytest.approx(0.25),
        "time_left_seconds": pytest.approx(6 * 3600),
        "expires_at": (NOW + 6 * HOUR).isoformat(),
        "name_valid": True,
        "chain_valid": True,
    }
    assert (seen.evidence["wanted_name"], seen.evidence["names"]) == ("nats", "nats, localhost")
    assert "chain_problem" not in seen.evidence


async def test_a_bad_certificate(authority: Authority, serve: Serve) -> None:
    """Expired, for another name, and made by nobody who is trusted: each is a fact of its own."""
    port = await serve(serving(authority.issue(NOW - 25 * HOUR, NOW - HOUR, "DNS:elsewhere")))
    (seen,) = await look(Watched(name="web", address=f"127.0.0.1:{port}"))
    facts = seen.facts
    assert (facts["lifetime_left_ratio"], facts["reserve_ratio"], facts["time_left_seconds"]) == (0.0, 0.0, 0.0)
    assert (facts["name_valid"], facts["chain_valid"]) == (False, False)
    assert seen.evidence["chain_problem"]


@pytest.mark.parametrize(("days_left", "reserve"), [(200, 1.0), (30, 1 / 3), (9, 0.1)])
async def test_a_long_life_is_held_against_90_days(
    authority: Authority, serve: Serve, days_left: int, reserve: float
) -> None:
    """A certificate of a year has enough left until a month before its end."""
    port = await serve(serving(authority.issue(NOW - (365 - days_left) * 24 * HOUR, NOW + days_left * 24 * HOUR)))
    (seen,) = await look(Watched(name="web", address=f"localhost:{port}", ca_file=str(authority.file)))
    assert seen.facts["reserve_ratio"] == pytest.approx(reserve)
    assert seen.facts["lifetime_left_ratio"] == pytest.approx(days_left / 365)


@pytest.mark.parametrize(
    "now",
    [datetime(1970, 1, 1, 0, 5, tzinfo=UTC), NOW - 48 * HOUR, NOW + 50 * 365 * 24 * HOUR],
)
async def test_a_clock_that_cannot_be_right_expires_nothing(authority: Authority, serve: Serve, now: datetime) -> None:
    """In 1970, fifty years ahead, or before the certificate begins, nothing is said of what is left; the rest is."""
    port = await serve(serving(authority.issue(NOW - HOUR, NOW + HOUR)))
    (seen,) = await look(Watched(name="web", address=f"localhost:{port}", ca_file=str(authority.file)), now=now)
    assert isinstance(seen.facts["lifetime_left_ratio"], Unknown)
    assert isinstance(seen.facts["time_left_seconds"], Unknown)
    assert (seen.facts["name_valid"], seen.facts["chain_valid"]) == (True, True)


async def test_a_clock_that_was_just_set_expires_nothing(authority: Authority, serve: Serve) -> None:
    """For a while what is left is unknown; then the date is believed."""
    port = await serve(serving(authority.issue(NOW - HOUR, NOW + HOUR)))
    watched = Watched(name="web", address=f"localhost:{port}", ca_file=str(authority.file))
    clock = ManualClock(wall=NOW)
    probe = Certificates(clock, [watched], lambda _: None, lambda _: 0.0, 10.0)
    (before,) = await probe.observe()
    clock.jump(24 * 3600.0)
    (doubted,) = await probe.observe()
    clock.advance(DOUBTED_SECONDS)
    (after,) = await probe.observe()
    assert before.facts["reserve_ratio"] == pytest.approx(0.5)
    assert doubted.facts["reserve_ratio"] == Unknown("this host's clock was just set forward by 1 d")
    assert doubted.facts["chain_valid"] is True
    assert after.facts["reserve_ratio"] == 0.0


async def test_all_are_looked_at_and_a_dead_one_harms_no_other(authority: Authority, serve: Serve) -> None:
    """What refuses is down, and the rest of it unknown."""
    port = await serve(serving(authority.issue(NOW - HOUR, NOW + HOUR)))
    good = Watched(name="good", address=f"127.0.0.1:{port}", ca_file=str(authority.file))
    dead = Watched(name="dead", address=f"127.0.0.1:{free_port()}")
    seen = await look(dead, good)
    assert [(one.subject.name, one.outcome) for one in seen] == [("dead", Outcome.DOWN), ("good", Outcome.OK)]
    assert seen[0].facts["reachable"] is False
    assert all(isinstance(seen[0].facts[name], Unknown) for name in FACTS)
    (lagging,) = await look(dead, lag=3.0)
    assert lagging.outcome is Outcome.UNKNOWN
    assert isinstance(lagging.facts["reachable"], Unknown)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (TargetStopped("does not run"), Outcome.NOT_OFFERED),
        (TargetAbsent("no such service"), Outcome.NOT_OFFERED),
        (EngineError("away"), Outcome.UNKNOWN),
    ],
)
async def test_a_container_that_does_not_run_is_told_elsewhere(error: SupervisorError, outcome: Outcome) -> None:
    """Nothing is said of its certificate."""
    (seen,) = await look(Watched(name="nats", address="container:nats:4222"), engine=error)
    assert seen.outcome is outcome
    assert set(seen.facts.values()) == {Unknown(str(error))}


@pytest.mark.parametrize("outcome", [Outcome.NOT_OFFERED, Outcome.DOWN])
async def test_a_port_of_this_host_is_that_of_the_service_that_publishes_it(outcome: Outcome) -> None:
    """While its container does not run nothing is said of its certificate; what runs and does not answer is down."""

    def address_of(service: str) -> str | None:
        if service == "nats" and outcome is Outcome.NOT_OFFERED:
            raise TargetStopped("the container of nats does not run")
        return "10.0.0.2"

    port = free_port()
    watched = [Watched(name="broker", address=f"127.0.0.1:{port}")]
    at = {("127.0.0.1", port): "nats"}
    clock = ManualClock()
    probe = Certificates(clock, watched, address_of, lambda _: 0.0, 10.0, lambda host, at_port: at[host, at_port])
    (seen,) = await probe.observe()
    assert seen.outcome is outcome
    assert isinstance(seen.facts["reachable"], Unknown) is (outcome is Outcome.NOT_OFFERED)


async def test_an_unreadable_file_of_authorities_is_unknown(tmp_path: Path, serve: Serve, authority: Authority) -> None:
    """The settings are wrong, not the server."""
    port = await serve(serving(authority.issue(NOW - HOUR, NOW + HOUR)))
    (seen,) = await look(Watched(name="web", address=f"127.0.0.1:{port}", ca_file=str(tmp_path / "missing")))
    assert seen.outcome is Outcome.UNKNOWN
    assert "cannot read the certificates" in seen.evidence["error"]


@pytest.mark.parametrize(
    ("address", "server_name", "wanted"),
    [("nats.lan:4222", "", "nats.lan"), ("[::1]:443", "", "::1"), ("container:nats:1", "", "nats"), ("a:1", "b", "b")],
)
def test_the_name_that_is_looked_for(address: str, server_name: str, wanted: str) -> None:
    """As given, else the host's, else the service's."""
    assert Watched(name="x", address=address, server_name=server_name).wanted_name == wanted
