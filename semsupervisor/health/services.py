"""What is known of one service, and the facts that rules look at. Pure.

A service here is one replica of a compose service: the container that is its present one, and how it came to be as
it is. The engine's stamps are kept for people and for comparing; durations are counted in monotonic seconds.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from semsupervisor.health.observation import FactValue, Subject, SubjectKind
from semsupervisor.kit.clock import Instant
from semsupervisor.systems.containers import Health, Owner, RestartPolicy

DEATHS_WINDOW_SECONDS = 600.0
DEATHS_OF_A_LOOP = 3
# Docker waits a minute at most before it tries again; what has run for longer has begun to work.
LOOP_PAUSE_SECONDS = 180.0
MOST_DEATHS_KEPT = 100
KILLED = 128 + signal.SIGKILL


class ServiceState(StrEnum):
    """What a service's container does; MISSING: there is none."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    EXITED = "exited"
    MISSING = "missing"


class Ending(StrEnum):
    """Why a container does not run.

    NONE: it runs, or was never started. UNSTARTED: its first start failed. DIED: by itself or by a signal from the
    host. ASKED: somebody used the API, but it may yet turn out to be the engine's own shutdown; REQUESTED: it did not.
    ENGINE: it ended with its engine, and the next one has not been looked at; LEFT: the next one did not start it
    again. COMPLETED: its work was done. VANISHED: nobody was seen to remove it. UNKNOWN: by a signal, and nobody heard
    whose.
    """

    NONE = "none"
    UNSTARTED = "unstarted"
    DIED = "died"
    ASKED = "asked"
    REQUESTED = "requested"
    ENGINE = "engine"
    LEFT = "left"
    COMPLETED = "completed"
    VANISHED = "vanished"
    UNKNOWN = "unknown"


UNDECIDED = (Ending.ASKED, Ending.ENGINE, Ending.UNKNOWN)


# What has no processes uses no memory, whatever its limit was.
_NO_MEMORY: Mapping[str, FactValue] = {"memory_used_bytes": 0, "memory_used_ratio": 0.0}


class Kill(msgspec.Struct, frozen=True):
    """A signal that somebody sent through the API, by its number, and the engine's stamp of it in ns since 1970."""

    signal: int
    time_nano: int


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """One service as last known; kept across restarts of the supervisor.

    `container` is the id of its container, empty when there is none; `successor` the one that was created to replace
    it. `since` is when it came into its state, by the engine's clock; `started_at` and `finished_at` are exact and
    None until inspected. `retries` is after how many restarts its policy gives up, 0 for never. `ended_monotonic` is
    when the end was learned. `deaths` are monotonic seconds of this boot, and so is `begun`, when
    something else than its restart policy started it last. `oom_at` is when a kill for lack of memory
    was learned (monotonic seconds), until a scheduled look after it; `oom_kills` is the last count; `oom_seen` says
    that one was learned of this container before, so that the engine's own mark of it tells nothing new. `cause` says
    in words how it came to its state. `waited_for` names a service that depends on it. `compose_files` are what its
    container was made from.
    """

    name: str
    owner: Owner
    container: str = ""
    successor: str = ""
    image: str = ""
    image_id: str = ""
    state: ServiceState = ServiceState.MISSING
    since: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    restart_count: int = 0
    policy: RestartPolicy | None = None
    retries: int = 0
    stop_signal: int = int(signal.SIGTERM)
    health: Health = Health.NONE
    ending: Ending = Ending.NONE
    ended_monotonic: float | None = None
    kill: Kill | None = None
    stopping: bool = False
    deaths: tuple[float, ...] = ()
    begun: float | None = None
    oom_at: float | None = None
    oom_seen: bool = False
    oom_kills: int | None = None
    cause: str = ""
    waited_for: str = ""
    compose_files: tuple[str, ...] = ()

    @property
    def lives(self) -> bool:
        """Tell whether its processes exist."""
        return self.state in (ServiceState.RUNNING, ServiceState.PAUSED)

    @property
    def oom(self) -> bool:
        """Tell whether a process of it was lately killed for lack of memory."""
        return self.oom_at is not None

    @property
    def subject(self) -> Subject:
        """Return the subject of its facts."""
        return Subject(SubjectKind.SERVICE, self.name)

    @property
    def intent(self) -> str:
        """Return how it came to its state, in words; empty when there is nothing to say."""
        return self.cause


def recent_deaths(service: Service, now_monotonic: float) -> int:
    """Count the deaths that nobody asked for in the last ten minutes."""
    return sum(1 for death in service.deaths if 0.0 <= now_monotonic - death < DEATHS_WINDOW_SECONDS)


def is_looping(service: Service, now_monotonic: float) -> bool:
    """Tell whether it dies again and again, and its restart policy starts it each time.

    That is over once it has run for a while, or was started by something else.
    """
    if not (service.lives or service.state is ServiceState.RESTARTING):
        return False
    later, in_row = now_monotonic, 0
    for death in reversed(service.deaths):
        by_hand = service.begun is not None and death <= service.begun
        if by_hand or not 0.0 <= later - death < LOOP_PAUSE_SECONDS:
            break
        later, in_row = death, in_row + 1
    return in_row >= DEATHS_OF_A_LOOP


def begun(service: Service, at: Instant) -> Service:
    """Return a service that is being started: by its restart policy if that was waiting to."""
    if service.lives or service.state is ServiceState.RESTARTING:
        return service
    return msgspec.structs.replace(service, begun=at.monotonic)


def with_deaths(service: Service, count: int, at: Instant) -> Service:
    """Return the service with so many deaths more, all of now."""
    kept = tuple(death for death in service.deaths if 0.0 <= at.monotonic - death < DEATHS_WINDOW_SECONDS)
    return msgspec.structs.replace(service, deaths=(*kept, *[at.monotonic] * count)[-MOST_DEATHS_KEPT:])


def facts(service: Service, now_monotonic: float) -> dict[str, FactValue]:
    """Return the facts of a service. What cannot be told yet is left out: why it ended, how its health will be."""
    deaths = recent_deaths(service, now_monotonic)
    found: dict[str, FactValue] = {
        "state": service.state.value,
        "oom_killed": service.oom,
        "deaths_recent": deaths,
        "restarts": service.restart_count,
    }
    if service.image:
        found["image"] = service.image
    if service.image_id:
        found["image_id"] = service.image_id
    if service.lives:
        found["health"] = service.health.value
    found["undecided"] = service.ending in UNDECIDED
    if service.ending not in UNDECIDED:
        found["paused"] = service.state is ServiceState.PAUSED
        found["restarting"] = is_looping(service, now_monotonic)
        found["start_failed"] = service.ending is Ending.UNSTARTED
        found["died"] = service.ending in (Ending.DIED, Ending.LEFT)
        found["stopped_on_request"] = service.ending is Ending.REQUESTED
        found["missing"] = service.ending is Ending.VANISHED
        found.update(_NO_MEMORY if service.ending is not Ending.NONE else {})
    if service.exit_code is not None and not service.lives:
        found["exit_code"] = service.exit_code
    unhealthy = _unhealthy(service)
    if unhealthy is not None:
        found["unhealthy"] = unhealthy
    return found


def signal_name(exit_code: int) -> str:
    """Return the signal behind an exit code above 128, such as SIGKILL behind 137; empty if there is none."""
    try:
        return signal.Signals(exit_code - 128).name
    except ValueError:
        return ""


def _unhealthy(service: Service) -> bool | None:
    """None while its check has not decided, and while it is dead: what it was before may still be true afterwards."""
    if not service.lives:
        return False if service.ending in (Ending.REQUESTED, Ending.COMPLETED) else None
    match service.health:
        case Health.HEALTHY:
            return False
        case Health.UNHEALTHY:
            return True
        case Health.NONE | Health.STARTING:
            return None
