"""The probe from inside: can SemStreams' network find and reach NATS, whatever the host can."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

import msgspec

from semsupervisor.errors import SupervisorError, TemporaryError
from semsupervisor.health.observation import FactValue, Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.reaching import LAG_SECONDS, OwnLoopLags
from semsupervisor.health.targets import AddressOf, TargetAbsent, TargetStopped
from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.kit.clock import Clock
from semsupervisor.systems import nats_greeting, netns
from semsupervisor.systems.client_certificate import CertificateUnusable, ClientCertificate
from semsupervisor.systems.connecting import Unanswered
from semsupervisor.systems.containers import Container
from semsupervisor.systems.name_lookup import NotResolved
from semsupervisor.systems.nats_greeting import Locked
from semsupervisor.systems.netns import NetworkForbidden

CLIENT_PORT = 4222
MONITOR_PORT = 8222
LOCKED_SECONDS = 3600.0
FACTS = ("nats_resolvable_inside", "nats_reachable_inside", "nats_monitor_reachable_inside")
FORBIDDEN = "the supervisor may not enter the containers' networks"

# What the engine calls its networks in which no container finds another by its name.
NAMELESS = frozenset({"bridge", "host"})


class Inside(msgspec.Struct, frozen=True):
    """Where it is looked from, and for what: the services' names, and what is known of their containers now.

    `shown` is the certificate for a NATS server that wants one of its clients.
    """

    semstreams: str
    nats: str
    address_of: AddressOf
    containers: Callable[[], Mapping[str, Container]]
    shown: ClientCertificate = ClientCertificate()


class NothingToLookFor(TemporaryError):
    """The stack is not made so that one service would look for the other by its name."""


class SemstreamsReach:
    """Sees whether NATS is found and reached from inside the network of SemStreams' container.

    A server that would take each visit for an error is visited once an hour only, and unknown meanwhile.
    """

    name = "semstreams_reach"

    def __init__(
        self, clock: Clock, inside: Inside, lag_since: Callable[[float], float], timeout_seconds: float
    ) -> None:
        self._clock = clock
        self._inside = inside
        self._lag_since = lag_since
        self._timeout_seconds = timeout_seconds
        self._calls = BlockingCalls()
        self._locked: tuple[float, str] | None = None

    async def observe(self) -> Sequence[Observation]:
        """Look once. Nothing is raised: what could not be seen is an observation as well."""
        try:
            facts, evidence = await self._look(self._container())
        except (NothingToLookFor, TargetAbsent):
            return [self._observation(Outcome.NOT_OFFERED, {}, {})]
        except NetworkForbidden as error:
            return [self._unseen(Outcome.NOT_OFFERED, FORBIDDEN, str(error))]
        except TargetStopped as error:
            return [self._unseen(Outcome.NOT_OFFERED, str(error), str(error))]
        except SupervisorError as error:
            return [self._unseen(Outcome.UNKNOWN, str(error), str(error))]
        return [self._observation(Outcome.OK, facts, evidence)]

    def _container(self) -> Container:
        """Return the container to look from. Raises: NothingToLookFor, and what `address_of` raises."""
        inside = self._inside
        inside.address_of(inside.semstreams)
        with suppress(TargetStopped):  # it is looked for all the same, and it is not found
            inside.address_of(inside.nats)
        containers = inside.containers()
        container, nats = containers.get(inside.semstreams), containers.get(inside.nats)
        if container is None or _is_nameless(container):
            raise NothingToLookFor(f"{inside.semstreams} is on no network in which services have names")
        if nats is not None and _is_nameless(nats) and inside.nats not in container.extra_hosts:
            raise NothingToLookFor(f"{inside.nats} is on no network in which services have names")
        return container

    async def _look(self, container: Container) -> tuple[dict[str, FactValue], dict[str, str]]:
        network = container.sandbox or f"/proc/{container.pid}/ns/net"
        kinds = (socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_STREAM)
        began = self._clock.monotonic()
        sockets = await self._calls.run(
            "the network", lambda: netns.sockets_within(network, kinds), self._timeout_seconds
        )
        try:
            facts, evidence = await self._asked(container, *sockets)
        finally:
            for one in sockets:
                one.close()
        lag = self._lag_since(began)
        if evidence and lag > LAG_SECONDS:
            raise OwnLoopLags(f"{evidence['error']}; the supervisor's own loop lagged by {lag:.1f} s meanwhile")
        return facts, evidence

    async def _asked(
        self, container: Container, server: socket.socket, client: socket.socket, monitor: socket.socket
    ) -> tuple[dict[str, FactValue], dict[str, str]]:
        """Find NATS by its name, then reach its two ports at the same time, all within the timeout."""
        name = self._inside.nats
        share = self._timeout_seconds / 3
        try:
            address = container.extra_hosts.get(name) or await netns.resolve(server, name, share)
        except NotResolved as error:
            text = f"the name {name} is not found there: {error}"
            return dict.fromkeys(FACTS, False), {"error": text}
        of_client, of_monitor = await asyncio.gather(
            self._at_client_port(client, address, share),
            _failure(netns.connect(monitor, address, MONITOR_PORT, share)),
        )
        reached = of_client if isinstance(of_client, Unknown) else not of_client
        facts: dict[str, FactValue] = dict(zip(FACTS, (True, reached, not of_monitor), strict=True))
        failures = [failure for failure in (of_client, of_monitor) if failure and isinstance(failure, str)]
        return facts, {"error": "; ".join(failures)} if failures else {}

    async def _at_client_port(self, stream: socket.socket, address: str, share_seconds: float) -> str | Unknown:
        """Return why NATS does not greet, nothing if it does; unknown if it would take a visit for an error."""
        now = self._clock.monotonic()
        if self._locked is not None and now < self._locked[0]:
            return Unknown(self._locked[1])
        try:
            shown = await self._shown()
            await netns.connect(stream, address, CLIENT_PORT, share_seconds)
            return await _failure(nats_greeting.visit(stream, shown, share_seconds), f"{address}:{CLIENT_PORT}: ")
        except Unanswered as error:
            return str(error)
        except CertificateUnusable as error:
            return Unknown(str(error))
        except Locked as error:
            self._locked = (now + LOCKED_SECONDS, f"{address}:{CLIENT_PORT}: {error}")
            return Unknown(self._locked[1])

    async def _shown(self) -> ssl.SSLContext | None:
        if not self._inside.shown:
            return None
        context = nats_greeting.unchecked()
        await self._inside.shown.load_into(context, self._calls)
        return context

    def _unseen(self, outcome: Outcome, reason: str, error: str) -> Observation:
        return self._observation(outcome, dict.fromkeys(FACTS, Unknown(reason)), {"error": error})

    def _observation(
        self, outcome: Outcome, facts: Mapping[str, FactValue], evidence: Mapping[str, str]
    ) -> Observation:
        subject = Subject(SubjectKind.SEMSTREAMS, self._inside.semstreams)
        return Observation(self.name, subject, self._clock.instant(), facts, evidence, outcome)


def _is_nameless(container: Container) -> bool:
    return bool(container.addresses) and not container.addresses.keys() - NAMELESS


async def _failure(attempt: Awaitable[None], where: str = "") -> str:
    """Return why an attempt failed, nothing if it did not."""
    try:
        await attempt
    except Unanswered as error:
        return f"{where}{error}"
    return ""
