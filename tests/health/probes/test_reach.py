"""The probe from inside, on pretended networks; on real containers it is made in tests/integration."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from semsupervisor.errors import EngineError
from semsupervisor.health.observation import Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.probes import reach as module
from semsupervisor.health.probes.reach import FACTS, FORBIDDEN, Inside, SemstreamsReach
from semsupervisor.health.targets import TargetAbsent, TargetStopped
from semsupervisor.systems import nats_greeting, netns
from semsupervisor.systems.client_certificate import ClientCertificate
from semsupervisor.systems.connecting import Refused
from semsupervisor.systems.name_lookup import NotResolved
from semsupervisor.systems.nats_greeting import Locked
from semsupervisor.systems.netns import NetworkForbidden, NetworkGone
from tests.support.certificates import self_signed
from tests.support.clock import ManualClock
from tests.support.container_words import container

STACK = {"semstreams_default": "172.18.0.3"}


class Network:
    """What is found and reached from inside, in place of a container's network."""

    def __init__(self) -> None:
        self.name_error: str = ""
        self.closed_ports: set[int] = set()
        self.greeting = b"INFO {}"
        self.entering: Exception | None = None
        self.asked: list[str] = []
        self.entered: list[str] = []
        self.sockets: list[socket.socket] = []
        self.shown: list[ssl.SSLContext | None] = []

    def sockets_within(self, network: str, kinds: Sequence[socket.SocketKind]) -> list[socket.socket]:
        """Enter, or fail to."""
        self.entered.append(network)
        if self.entering:
            raise self.entering
        self.sockets = [socket.socket(socket.AF_INET, kind) for kind in kinds]
        return self.sockets

    async def resolve(self, server: socket.socket, name: str, timeout_seconds: float) -> str:
        """Give an address, or none."""
        self.asked.append(name)
        if self.name_error:
            raise NotResolved(self.name_error)
        return "172.18.0.2"

    async def connect(self, stream: socket.socket, address: str, port: int, timeout_seconds: float) -> None:
        """Connect if the port is open."""
        if port in self.closed_ports:
            raise Refused(f"{address}:{port}: Connection refused")
        self.asked.append(f"{address}:{port}")

    async def visit(self, stream: socket.socket, shown: ssl.SSLContext | None, timeout_seconds: float) -> None:
        """Say what NATS says first."""
        self.shown.append(shown)
        if nats_greeting.parse(self.greeting).wants_certificate and shown is None:
            raise Locked("it wants a certificate")


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    """Return a pretended network in which NATS is well."""
    pretended = Network()
    monkeypatch.setattr(netns, "sockets_within", pretended.sockets_within)
    monkeypatch.setattr(netns, "resolve", pretended.resolve)
    monkeypatch.setattr(netns, "connect", pretended.connect)
    monkeypatch.setattr(nats_greeting, "visit", pretended.visit)
    return pretended


def known(service: str) -> str | None:
    """Say that every service runs."""
    return "172.18.0.9"


async def look(address_of: Callable[[str], str | None] = known, lag_seconds: float = 0.0, **of: Any) -> Observation:
    """Look once from inside a container of a stack's network."""
    one = container(**{"sandbox": "/run/docker/netns/ab", "addresses": STACK, **of})
    inside = Inside("semstreams", "nats", address_of, lambda: {"semstreams": one})
    (seen,) = await SemstreamsReach(ManualClock(), inside, lambda _: lag_seconds, 3.0).observe()
    assert (seen.source, seen.subject) == ("semstreams_reach", Subject(SubjectKind.SEMSTREAMS, "semstreams"))
    return seen


def values(seen: Observation) -> list[object]:
    """Return the facts in their order."""
    return [seen.facts[name] for name in FACTS]


async def test_nats_is_reached(network: Network) -> None:
    """Found by its name, and both ports answer; nothing is left open."""
    seen = await look()
    assert values(seen) == [True, True, True]
    assert (seen.outcome, seen.evidence) == (Outcome.OK, {})
    assert network.entered == ["/run/docker/netns/ab"]
    assert sorted(network.asked) == ["172.18.0.2:4222", "172.18.0.2:8222", "nats"]
    assert {one.fileno() for one in network.sockets} == {-1}


async def test_a_name_that_is_not_found(network: Network) -> None:
    """Without the name nothing is reached, as SemStreams has nothing else to go by."""
    network.name_error = "there is no such name"
    seen = await look()
    assert values(seen) == [False, False, False]
    assert seen.evidence == {"error": "the name nats is not found there: there is no such name"}


@pytest.mark.parametrize(
    ("closed", "greeting", "reached", "error"),
    [
        ({4222}, b"INFO {}", [True, False, True], "172.18.0.2:4222: Connection refused"),
        ({8222}, b"INFO {}", [True, True, False], "172.18.0.2:8222: Connection refused"),
        (
            set(),
            b"220 mail",
            [True, False, True],
            "172.18.0.2:4222: what came first is no greeting of NATS: 220 mail",
        ),
        (
            {4222, 8222},
            b"",
            [True, False, False],
            "172.18.0.2:4222: Connection refused; 172.18.0.2:8222: Connection refused",
        ),
    ],
)
async def test_ports_that_do_not_answer(
    network: Network, closed: set[int], greeting: bytes, reached: list[bool], error: str
) -> None:
    """Each port is told by itself, and only NATS counts as NATS."""
    network.closed_ports, network.greeting = closed, greeting
    seen = await look()
    assert values(seen) == reached
    assert seen.evidence == {"error": error}


async def test_a_server_that_takes_visits_for_errors_is_left_alone(network: Network) -> None:
    """It is visited once an hour; meanwhile that NATS is reached is unknown, and for which reason."""
    network.greeting = b'INFO {"tls_required":true,"tls_verify":true}'
    clock, one = ManualClock(), {"semstreams": container(addresses=STACK)}
    probe = SemstreamsReach(clock, Inside("semstreams", "nats", known, lambda: one), lambda _: 0.0, 3.0)
    for _ in range(3):
        (seen,) = await probe.observe()
        assert values(seen) == [True, Unknown("172.18.0.2:4222: it wants a certificate"), True]
        assert (seen.outcome, seen.evidence) == (Outcome.OK, {})
        clock.advance(60.0)
    assert len(network.shown) == 1
    clock.advance(3600.0)
    await probe.observe()
    assert len(network.shown) == 2


async def test_a_certificate_is_shown_where_one_is_set(network: Network, tmp_path: Path) -> None:
    """Its files are read before each visit; without them none is made."""
    network.greeting = b'INFO {"tls_required":true,"tls_verify":true}'
    made = self_signed(tmp_path)
    shown = ClientCertificate(file=str(made.file), key_file=str(made.key))
    one = {"semstreams": container(addresses=STACK)}
    probe = SemstreamsReach(ManualClock(), Inside("semstreams", "nats", known, lambda: one, shown), lambda _: 0.0, 3.0)
    assert values((await probe.observe())[0]) == [True, True, True]
    await asyncio.to_thread(made.key.unlink)
    reached = (await probe.observe())[0].facts["nats_reachable_inside"]
    assert isinstance(reached, Unknown)
    assert "cannot use the client's certificate" in reached.reason
    assert len(network.shown) == 1


async def test_nats_on_the_hosts_network_is_not_looked_for_by_its_name(network: Network) -> None:
    """No network knows it by the name of its service, unless the container's own list of hosts does."""
    both = {
        "semstreams": container(addresses=STACK),
        "nats": container(addresses={"host": ""}),
    }
    probe = SemstreamsReach(ManualClock(), Inside("semstreams", "nats", known, lambda: both), lambda _: 0.0, 3.0)
    (seen,) = await probe.observe()
    assert (seen.outcome, seen.facts, network.entered) == (Outcome.NOT_OFFERED, {}, [])
    both["semstreams"] = container(addresses=STACK, extra_hosts={"nats": "172.17.0.1"})
    assert values((await probe.observe())[0]) == [True, True, True]


async def test_a_name_of_its_own_list_of_hosts(network: Network) -> None:
    """What the container knows by its own list is not asked for."""
    assert values(await look(extra_hosts={"nats": "10.0.0.5"})) == [True, True, True]
    assert sorted(network.asked) == ["10.0.0.5:4222", "10.0.0.5:8222"]


async def test_a_container_in_the_network_of_another(network: Network) -> None:
    """Without a network of its own that of its process is looked at."""
    await look(sandbox="", addresses={})
    assert network.entered == ["/proc/4711/ns/net"]


@pytest.mark.parametrize("addresses", [{"host": "127.0.0.1"}, {"bridge": "172.17.0.2"}])
async def test_where_services_have_no_names_nothing_is_told(network: Network, addresses: dict[str, str]) -> None:
    """On the host's network and on the default one nothing is looked for by its name."""
    seen = await look(addresses=addresses)
    assert (seen.outcome, seen.facts) == (Outcome.NOT_OFFERED, {})
    assert network.entered == []


async def test_a_service_that_the_project_does_not_have(network: Network) -> None:
    """A stack with its NATS elsewhere has nothing to look for."""

    def absent(service: str) -> str | None:
        if service == "nats":
            raise TargetAbsent("there is no container of the service nats")
        return known(service)

    seen = await look(absent)
    assert (seen.outcome, seen.facts) == (Outcome.NOT_OFFERED, {})


async def test_nats_that_is_stopped_is_looked_for(network: Network) -> None:
    """That NATS is known not to run does not keep from looking."""

    def stopped(service: str) -> str | None:
        if service == "nats":
            raise TargetStopped("the container of nats does not run")
        return known(service)

    network.name_error = "there is no such name"
    assert values(await look(stopped)) == [False, False, False]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (TargetStopped("the container of semstreams does not run"), Outcome.NOT_OFFERED),
        (EngineError("no answer"), Outcome.UNKNOWN),
    ],
)
async def test_without_a_container_to_look_from_nothing_is_known(
    network: Network, error: Exception, outcome: Outcome
) -> None:
    """That SemStreams does not run is certain, and so no missing look; an engine that is away is one."""

    def fail(service: str) -> str | None:
        raise error

    seen = await look(fail)
    assert seen.outcome is outcome
    assert values(seen) == [Unknown(str(error))] * 3


async def test_without_the_right_nothing_is_known(network: Network) -> None:
    """It is unknown for one short reason, and no look that failed: no later one would end otherwise."""
    network.entering = NetworkForbidden("it takes CAP_SYS_ADMIN")
    seen = await look()
    assert (seen.outcome, values(seen)) == (Outcome.NOT_OFFERED, [Unknown(FORBIDDEN)] * 3)
    assert seen.evidence == {"error": "it takes CAP_SYS_ADMIN"}


async def test_a_network_that_went_away_meanwhile(network: Network) -> None:
    """The container ended between the inspection and the look: nothing is known this time."""
    network.entering = NetworkGone("No such file or directory")
    assert (await look()).outcome is Outcome.UNKNOWN


async def test_silence_proves_nothing_while_our_own_loop_lags(network: Network) -> None:
    """What was not reached by a loop that stood still is unknown; what was reached is reached."""
    assert (await look(lag_seconds=2.0)).outcome is Outcome.OK
    network.closed_ports = {module.CLIENT_PORT}
    seen = await look(lag_seconds=2.0)
    assert seen.outcome is Outcome.UNKNOWN
    assert "own loop lagged by 2.0 s" in seen.evidence["error"]
