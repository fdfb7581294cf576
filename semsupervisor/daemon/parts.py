"""Which probes there are, built from the settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from semsupervisor.health import targets
from semsupervisor.health.masking import masked
from semsupervisor.health.probes.containers import ContainersProbe
from semsupervisor.health.probes.filesystems import Filesystems
from semsupervisor.health.probes.host import HostProbe
from semsupervisor.health.probes.nats_health import NatsHealth
from semsupervisor.health.probes.nats_varz import NatsVarz
from semsupervisor.health.probes.semstreams_health import SemstreamsHealth
from semsupervisor.health.probing import Probe
from semsupervisor.health.reaching import Endpoint, Get
from semsupervisor.health.watching import Watching
from semsupervisor.kit.clock import Clock
from semsupervisor.settings.model import Settings
from semsupervisor.systems.docker import Docker

ENGINE_ROOT = "/var/lib/docker"


class Planned(msgspec.Struct, frozen=True):
    """A probe, how often it looks, and how long one look may take, in seconds."""

    probe: Probe
    interval_seconds: float
    timeout_seconds: float


class Means(msgspec.Struct, frozen=True):
    """What the probes look with."""

    clock: Clock
    get: Get
    docker: Docker
    watching: Watching
    lag_since: Callable[[float], float]


def probes(settings: Settings, means: Means) -> list[Planned]:
    """Return the scheduled checks of the stack and the host."""
    checks = settings.checks
    return [Planned(probe, checks.interval_seconds, checks.timeout_seconds) for probe in _usual(settings, means)]


def _usual(settings: Settings, means: Means) -> list[Probe]:
    """Return the checks that look as often as the settings say for all."""
    checks, stack = settings.checks, settings.stack
    timeout = checks.timeout_seconds

    def endpoint(target: str) -> Endpoint:
        return Endpoint(
            means.clock,
            means.get,
            targets.parse(target),
            means.watching.address,
            lag_since=means.lag_since,
            mask=masked,
        )

    monitor = endpoint(checks.nats.monitor)
    return [
        ContainersProbe(means.watching, means.docker, means.clock),
        HostProbe(means.clock, timeout),
        Filesystems(means.clock, lambda: paths(settings, means.watching.engine_root), timeout),
        SemstreamsHealth(means.clock, endpoint(checks.semstreams.health), stack.semstreams_service, timeout),
        NatsHealth(means.clock, monitor, stack.nats_service, timeout),
        NatsVarz(means.clock, monitor, stack.nats_service, timeout),
    ]


def paths(settings: Settings, engine_root: str) -> Sequence[str]:
    """Return the folders whose file systems matter: the root, the stack's, the engine's, the state's, the settings'."""
    return (
        "/",
        settings.stack.directory,
        engine_root or ENGINE_ROOT,
        settings.state.directory,
        *settings.checks.filesystems.paths,
    )
