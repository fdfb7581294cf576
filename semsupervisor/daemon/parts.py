"""Which probes there are, built from the settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec

from semsupervisor.daemon.folders import paths
from semsupervisor.daemon.remembering import baselines
from semsupervisor.health import targets
from semsupervisor.health.client_streams import ClientStreams
from semsupervisor.health.last_answers import NO_NAMES, LastAnswers
from semsupervisor.health.masking import masked
from semsupervisor.health.probes.certificates import Certificates, Watched
from semsupervisor.health.probes.filesystems import Filesystems
from semsupervisor.health.probes.host import HostProbe
from semsupervisor.health.probes.nats_client import Door, NatsClientProbe
from semsupervisor.health.probes.nats_connz import NatsConnz
from semsupervisor.health.probes.nats_health import NatsHealth
from semsupervisor.health.probes.nats_jetstream import NatsJetStream
from semsupervisor.health.probes.nats_varz import NatsVarz
from semsupervisor.health.probes.own_checks import SEARCHED_BYTES, CommandLook, HttpLook, Look, OwnCheck, TcpLook
from semsupervisor.health.probes.reach import Inside, SemstreamsReach
from semsupervisor.health.probes.semstreams_flows import Expecting, SemstreamsFlows, Stored
from semsupervisor.health.probes.semstreams_health import SemstreamsHealth
from semsupervisor.health.probes.semstreams_metrics import SemstreamsMetrics
from semsupervisor.health.probing import Probe
from semsupervisor.health.publishing import Published
from semsupervisor.health.reaching import Endpoint, Get
from semsupervisor.health.stored_flows import StoredFlows
from semsupervisor.health.taking import Taker
from semsupervisor.health.targets import AddressOf, Target, rests, service_of
from semsupervisor.health.usual import UsualNumber
from semsupervisor.kit.clock import Clock, SystemClock
from semsupervisor.settings.checks import CheckSettings, CommandCheck, CustomCheck, HttpCheck, NatsCheck, TcpCheck
from semsupervisor.settings.model import Settings
from semsupervisor.systems.client_certificate import ClientCertificate
from semsupervisor.systems.containers import Container
from semsupervisor.systems.http import HttpClient
from semsupervisor.systems.nats_client import Login, NatsClient
from semsupervisor.systems.nats_jsz import LARGEST_ANSWER_BYTES
from semsupervisor.systems.nats_monitor import LIVENESS_PATH
from semsupervisor.systems.ports import is_here
from semsupervisor.systems.semstreams_flows import PATHS as FLOW_PATHS

# What lies more than two minutes apart would not count for an alert's `for`.
LONGEST_SLOW_SECONDS = 60.0
SLOW_TIMES = 3
# Each look from inside is a connection to NATS: more of them would look like a client that is cut off in a loop.
LEAST_SECONDS = {SemstreamsReach.name: 6.0}
CERTIFICATE_TIMES = 6
METRICS_PATH = "/metrics"
METRICS_PORT = 9090
USUAL_FLOWS = "usual-flows"
LIVENESS = "healthz-live"


class Planned(msgspec.Struct, frozen=True):
    """A probe, how often it looks, and how long one look may take, in seconds."""

    probe: Probe
    interval_seconds: float
    timeout_seconds: float


class Means(msgspec.Struct, frozen=True):
    """What the probes look with.

    `address_of` and `engine_root` say where a service's container and the engine's data are now, as far as that is
    known, and `containers` how these were inspected last; `lag_since` how long the event loop was held up since a
    moment of the monotonic clock; `last_answers` keeps what the endpoints say; `nats` is the one client of NATS. Only
    who `remembers` keeps what was learned in the folder of the state.
    """

    clock: Clock
    http: HttpClient
    address_of: AddressOf
    engine_root: Callable[[], str]
    lag_since: Callable[[float], float]
    containers: Callable[[], Mapping[str, Container]]
    last_answers: LastAnswers
    nats: NatsClient = msgspec.field(default_factory=lambda: NatsClient(SystemClock()))
    remembers: bool = True

    async def close(self) -> None:
        """Close all connections; a later look begins anew."""
        await self.nats.close()
        await self.http.close()


def probes(settings: Settings, means: Means) -> list[Planned]:
    """Return the checks of the stack and the host, but for the containers: those the daemon follows by events."""
    checks = settings.checks
    health = _health(settings, means)
    usual = [Planned(one, checks.interval_seconds, checks.timeout_seconds) for one in _usual(settings, means, health)]
    rarely = _rarely(checks, SLOW_TIMES)
    slow = [
        Planned(probe, max(rarely, LEAST_SECONDS.get(probe.name, 0.0)), checks.timeout_seconds)
        for probe in _slow(settings, means, health)
    ]
    return [*usual, *slow, *_own(settings, means)]


def _rarely(checks: CheckSettings, times: int) -> float:
    """Return an interval that is so many times as long as the usual one, as far as alerts still count the time."""
    return max(checks.interval_seconds, min(times * checks.interval_seconds, LONGEST_SLOW_SECONDS))


def _usual(settings: Settings, means: Means, health: SemstreamsHealth) -> list[Probe]:
    """Return the checks that look as often as the settings say for all."""
    checks, stack = settings.checks, settings.stack
    timeout = checks.timeout_seconds
    monitor = _endpoint(checks.nats.monitor, means, means.http.get)
    # What an operator means by /healthz is all that the server can check.
    healthz = _endpoint(checks.nats.monitor, means, means.http.get, {LIVENESS_PATH: LIVENESS})
    return [
        HostProbe(means.clock, timeout),
        Filesystems(means.clock, lambda: paths(settings, means.engine_root(), means.containers().values()), timeout),
        health,
        *_semstreams(settings, means),
        NatsHealth(means.clock, healthz, stack.nats_service, timeout),
        NatsVarz(means.clock, monitor, stack.nats_service, timeout, lambda: _began(means, stack.nats_service)),
    ]


def _health(settings: Settings, means: Means) -> SemstreamsHealth:
    checks, service = settings.checks, settings.stack.semstreams_service
    return SemstreamsHealth(
        means.clock,
        _endpoint(checks.semstreams.health, means, means.http.get),
        service,
        checks.timeout_seconds,
        lambda: means.containers().get(service),
    )


def _semstreams(settings: Settings, means: Means) -> list[Probe]:
    checks, service, timeout = settings.checks, settings.stack.semstreams_service, settings.checks.timeout_seconds
    health = targets.parse(checks.semstreams.health)

    def places(given: str, found: Iterable[Target]) -> list[Endpoint]:
        known = [given] if given else [targets.written(target) for target in found]
        return [_endpoint(target, means, means.http.get) for target in dict.fromkeys(known)]

    pages = (targets.beside(health, METRICS_PATH, port) for port in (None, METRICS_PORT))
    lists = (targets.beside(health, path) for path in FLOW_PATHS)
    metrics = SemstreamsMetrics(means.clock, places(checks.semstreams.metrics, pages), service, timeout)
    expecting = Expecting(
        settings=checks.semstreams.expected_flows,
        stored=_stored(settings, means),
        usual=UsualNumber(Path(settings.state.directory) / USUAL_FLOWS if means.remembers else None),
    )
    return [
        metrics,
        SemstreamsFlows(
            means.clock,
            places(checks.semstreams.flows, lists),
            lambda: metrics.flows_active,
            expecting,
            service,
            timeout,
        ),
    ]


def _stored(settings: Settings, means: Means) -> Stored:
    """Return what reads the stored flows, if there is a client of NATS to ask."""

    async def nothing() -> None:
        return None

    nats = settings.checks.nats
    timeout = settings.checks.timeout_seconds
    return StoredFlows(means.nats, door(nats, means), timeout) if nats.client else nothing


def _own(settings: Settings, means: Means) -> list[Planned]:
    """Return the checks that the operator named: of certificates, and of anything else."""
    checks, timeout = settings.checks, settings.checks.timeout_seconds
    planned = [
        Planned(OwnCheck(means.clock, name, _look(check, means)), check.interval_seconds, check.timeout_seconds)
        for name, check in checks.custom.items()
    ]
    watched = [
        Watched(
            name=name,
            address=one.address,
            server_name=one.server_name,
            ca_file=one.ca_file,
            starttls=one.starttls,
            shown=ClientCertificate(file=one.client_certificate, key_file=one.client_key),
        )
        for name, one in checks.certificates.items()
    ]
    if watched:
        published = Published(means.containers, is_here).service
        looks = Certificates(means.clock, watched, means.address_of, means.lag_since, timeout, published)
        planned.append(Planned(looks, _rarely(checks, CERTIFICATE_TIMES), timeout))
    return planned


def _look(check: CustomCheck, means: Means) -> Look:
    match check:
        case HttpCheck():
            get = partial(means.http.get, largest_bytes=SEARCHED_BYTES, follow=not 300 <= check.status < 400)
            endpoint = _endpoint(check.address, means, get)
            return HttpLook(means.clock, endpoint, check.status, check.pattern, check.timeout_seconds)
        case TcpCheck():
            return TcpLook(means.clock, check.address, means.address_of, means.lag_since, check.timeout_seconds)
        case CommandCheck():
            return CommandLook(means.clock, check.command, check.timeout_seconds)


def _began(means: Means, service: str) -> datetime | None:
    container = means.containers().get(service)
    return container.started_at if container else None


def _slow(settings: Settings, means: Means, health: SemstreamsHealth) -> list[Probe]:
    """Return the checks whose looks are heavy for who is looked at, or for us."""
    checks, nats, taker = settings.checks, settings.stack.nats_service, settings.stack.semstreams_service
    timeout = checks.timeout_seconds
    own = ClientStreams(means.nats, door(checks.nats, means), timeout) if checks.nats.client else None
    small = _endpoint(checks.nats.monitor, means, means.http.get)
    inside = Inside(taker, nats, means.address_of, means.containers, _shown(checks.nats))
    resting = partial(rests, taker, means.address_of)
    jetstream = NatsJetStream(
        means.clock,
        monitor(checks.nats, means),
        nats,
        timeout,
        streams_of_client=own,
        lost_of=own.lost if own else None,
        taker=lambda: _taker(means, taker, health),
    )
    jetstream.baselines = baselines(settings, means.clock) if means.remembers else None
    probes: list[Probe] = [
        jetstream,
        NatsConnz(means.clock, small, nats, timeout, checks.nats.expected_clients, rests=resting),
        SemstreamsReach(means.clock, inside, means.lag_since, timeout),
    ]
    if checks.nats.client:
        probes.append(_client(settings, means))
    return probes


def _client(settings: Settings, means: Means) -> Probe:
    return NatsClientProbe(
        means.clock,
        means.nats,
        door(settings.checks.nats, means),
        settings.stack.nats_service,
        settings.checks.timeout_seconds,
        lag_since=means.lag_since,
        mask=masked,
    )


def door(nats: NatsCheck, means: Means) -> Door:
    """Return where NATS takes clients, and who comes in."""
    login = Login(
        server_name=service_of(nats.client),
        username=nats.client_username,
        password=nats.client_password,
        token=nats.client_token,
        credentials_file=nats.client_credentials,
        ca_file=nats.client_ca_file,
        certificate=_shown(nats),
    )
    return Door(nats.client, means.address_of, login)


def _shown(nats: NatsCheck) -> ClientCertificate:
    return ClientCertificate(file=nats.client_certificate, key_file=nats.client_key)


def monitor(nats: NatsCheck, means: Means) -> Endpoint:
    """Return the monitoring port of NATS, to be asked for as much as it may answer."""
    return _endpoint(nats.monitor, means, partial(means.http.get, largest_bytes=LARGEST_ANSWER_BYTES))


def _taker(means: Means, service: str, health: SemstreamsHealth) -> Taker:
    """Return how SemStreams is, whose container may be elsewhere."""
    works = False if rests(service, means.address_of) else health.works or None
    return Taker(works, _began(means, service))


def _endpoint(target: str, means: Means, get: Get, names: Mapping[str, str] = NO_NAMES) -> Endpoint:
    recorded = means.last_answers.recording(get, target, names)
    return Endpoint(
        means.clock, recorded, targets.parse(target), means.address_of, lag_since=means.lag_since, mask=masked
    )
