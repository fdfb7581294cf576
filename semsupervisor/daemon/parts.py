"""Which probes there are, built from the settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import msgspec

from semsupervisor.health import targets
from semsupervisor.health.last_answers import LastAnswers
from semsupervisor.health.masking import masked
from semsupervisor.health.probes.filesystems import Filesystems
from semsupervisor.health.probes.host import HostProbe
from semsupervisor.health.probes.nats_client import Door, NatsClientProbe
from semsupervisor.health.probes.nats_connz import NatsConnz
from semsupervisor.health.probes.nats_health import NatsHealth
from semsupervisor.health.probes.nats_jetstream import NatsJetStream
from semsupervisor.health.probes.nats_varz import NatsVarz
from semsupervisor.health.probes.reach import Inside, SemstreamsReach
from semsupervisor.health.probes.semstreams_health import SemstreamsHealth
from semsupervisor.health.probing import Probe
from semsupervisor.health.reaching import Endpoint, Get
from semsupervisor.health.targets import AddressOf
from semsupervisor.kit.clock import Clock
from semsupervisor.settings.model import Settings
from semsupervisor.systems.containers import Container
from semsupervisor.systems.http import HttpClient
from semsupervisor.systems.nats_client import Login, NatsClient
from semsupervisor.systems.nats_jsz import LARGEST_ANSWER_BYTES

ENGINE_ROOT = "/var/lib/docker"
# What lies more than two minutes apart would not count for an alert's `for`.
LONGEST_SLOW_SECONDS = 60.0
SLOW_TIMES = 3


class Planned(msgspec.Struct, frozen=True):
    """A probe, how often it looks, and how long one look may take, in seconds."""

    probe: Probe
    interval_seconds: float
    timeout_seconds: float


class Means(msgspec.Struct, frozen=True):
    """What the probes look with.

    `address_of` and `engine_root` say where a service's container and the engine's data are now, as far as that is
    known, and `containers` how these were inspected last; `lag_since` how long the event loop was held up since a
    moment of the monotonic clock; `last_answers` keeps what the endpoints say; `nats` is the one client of NATS.
    """

    clock: Clock
    http: HttpClient
    address_of: AddressOf
    engine_root: Callable[[], str]
    lag_since: Callable[[float], float]
    containers: Callable[[], Mapping[str, Container]]
    last_answers: LastAnswers
    nats: NatsClient = msgspec.field(default_factory=NatsClient)

    async def close(self) -> None:
        """Close all connections; a later look begins anew."""
        await self.nats.close()
        await self.http.close()


def probes(settings: Settings, means: Means) -> list[Planned]:
    """Return the checks of the stack and the host, but for the containers: those the daemon follows by events."""
    checks = settings.checks
    usual = [Planned(probe, checks.interval_seconds, checks.timeout_seconds) for probe in _usual(settings, means)]
    rarely = max(checks.interval_seconds, min(SLOW_TIMES * checks.interval_seconds, LONGEST_SLOW_SECONDS))
    slow = [Planned(probe, rarely, checks.timeout_seconds) for probe in _slow(settings, means)]
    return [*usual, *slow]


def _usual(settings: Settings, means: Means) -> list[Probe]:
    """Return the checks that look as often as the settings say for all."""
    checks, stack = settings.checks, settings.stack
    timeout = checks.timeout_seconds
    monitor = _endpoint(checks.nats.monitor, means, means.http.get)
    return [
        HostProbe(means.clock, timeout),
        Filesystems(means.clock, lambda: paths(settings, means.engine_root(), means.containers().values()), timeout),
        SemstreamsHealth(
            means.clock,
            _endpoint(checks.semstreams.health, means, means.http.get),
            stack.semstreams_service,
            timeout,
            partial(_run, means, stack.semstreams_service),
        ),
        NatsHealth(means.clock, monitor, stack.nats_service, timeout),
        NatsVarz(means.clock, monitor, stack.nats_service, timeout),
    ]


def _slow(settings: Settings, means: Means) -> list[Probe]:
    """Return the checks whose looks are heavy for who is looked at, or for us."""
    checks, nats = settings.checks, settings.stack.nats_service
    large = _endpoint(checks.nats.monitor, means, partial(means.http.get, largest_bytes=LARGEST_ANSWER_BYTES))
    inside = Inside(settings.stack.semstreams_service, nats, means.address_of, means.containers)
    probes: list[Probe] = [
        NatsJetStream(means.clock, large, nats, checks.timeout_seconds),
        SemstreamsReach(means.clock, inside, means.lag_since, checks.timeout_seconds),
    ]
    if checks.nats.client:
        probes.append(_client(settings, means))
    if checks.nats.expected_clients:
        monitor = _endpoint(checks.nats.monitor, means, means.http.get)
        probes.append(NatsConnz(means.clock, monitor, nats, checks.timeout_seconds, checks.nats.expected_clients))
    return probes


def _client(settings: Settings, means: Means) -> Probe:
    nats = settings.checks.nats
    login = Login(
        username=nats.client_username,
        password=nats.client_password,
        token=nats.client_token,
        credentials_file=nats.client_credentials,
        ca_file=nats.client_ca_file,
    )
    return NatsClientProbe(
        means.clock,
        means.nats,
        Door(nats.client, means.address_of, login),
        settings.stack.nats_service,
        settings.checks.timeout_seconds,
        lag_since=means.lag_since,
        mask=masked,
    )


def _run(means: Means, service: str) -> object:
    """Return what tells one run of a service's container from the next."""
    container = means.containers().get(service)
    return (container.id, container.started_at) if container else None


def _endpoint(target: str, means: Means, get: Get) -> Endpoint:
    recorded = means.last_answers.recording(get, target)
    return Endpoint(
        means.clock, recorded, targets.parse(target), means.address_of, lag_since=means.lag_since, mask=masked
    )


def paths(settings: Settings, engine_root: str, containers: Iterable[Container]) -> Mapping[str, bool]:
    """Return the folders whose file systems matter, and whether something has to write there.

    They are the root, the stack's, the settings', and those that are written to: by the engine, the containers, the
    backup and the supervisor itself.
    """
    read = ("/", settings.stack.directory, *settings.checks.filesystems.paths)
    own = (settings.state.directory, settings.backup.directory)
    written = (engine_root or ENGINE_ROOT, *own, *(folder for one in containers for folder in one.folders))
    return {**dict.fromkeys(read, False), **dict.fromkeys(written, True)}
