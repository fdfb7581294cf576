"""What an engine says of its containers, in words of our own: plain structs that deciding modules may read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec


class ContainerState(StrEnum):
    """The states of a container as the engine names them."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    REMOVING = "removing"
    EXITED = "exited"
    DEAD = "dead"


class Health(StrEnum):
    """What the container's own health check says; NONE: it has no such check; STARTING: it has not decided."""

    NONE = "none"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class RestartPolicy(StrEnum):
    """What the engine does by itself when the container ends."""

    NO = "no"
    ALWAYS = "always"
    UNLESS_STOPPED = "unless-stopped"
    ON_FAILURE = "on-failure"


class Action(StrEnum):
    """The events of a container that are listened to."""

    CREATE = "create"
    START = "start"
    RESTART = "restart"
    DIE = "die"
    KILL = "kill"
    STOP = "stop"
    OOM = "oom"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    RENAME = "rename"
    UPDATE = "update"
    DESTROY = "destroy"
    HEALTH = "health_status"


class Owner(msgspec.Struct, frozen=True):
    """Which part of which compose project a container is: the service, its replica's number, a one-off run of it."""

    project: str
    service: str
    number: int = 1
    oneoff: bool = False

    @property
    def name(self) -> str:
        """Return what the part is called here: the service's name, such as `nats`, from the second replica on `nats@2`.

        Compose allows no `@` in a service's name, so that no other service can be called so.
        """
        return self.service if self.number == 1 else f"{self.service}@{self.number}"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a container; `time_nano` is the engine's stamp in nanoseconds since 1970.

    `exit_code` comes with DIE, `signal` (a number) with KILL, `health` with HEALTH.
    """

    action: Action
    id: str
    owner: Owner
    time_nano: int
    name: str = ""
    image: str = ""
    exit_code: int | None = None
    signal: int | None = None
    health: Health | None = None


class HealthCheck(msgspec.Struct, frozen=True):
    """One run of a container's own health check: when it ended, its exit code, what it printed."""

    at: datetime | None
    exit_code: int
    output: str


class Mount(msgspec.Struct, frozen=True):
    """A folder of the host that a container writes to, and where it sees it."""

    source: str
    destination: str


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """One container as the engine's inspection shows it.

    `pid` is 0 when no process runs. `restart_count` counts what the restart policy did since somebody started the
    container last, `restart_retries` is after how many of them it gives up, 0 for never. `oom_killed` may still be
    true when the container runs again. `error` is why a start failed. `addresses` are by network. `depends_on` are the
    services this one waits for, each with its condition. `cpu_limit` is how many processors it may use, None if it may
    use all. `mounts` are what it writes to on the host. `stop_grace_seconds` is how long it gets to end before the
    engine kills it. `sandbox` is the file of its network namespace, empty while it has none of its own. `extra_hosts`
    are names that it knows by its own list of hosts. `compose_files` are what it was made from. `version` is the
    image's, by its label or else by its tag; empty if neither tells one. `published` are the TCP ports of the host that
    lead to it while it runs.
    """

    id: str
    name: str
    owner: Owner
    image: str
    image_id: str
    state: ContainerState
    pid: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    restart_count: int = 0
    restart_retries: int = 0
    restart_policy: RestartPolicy = RestartPolicy.NO
    stop_signal: int = 15
    stop_grace_seconds: float = 10.0
    health: Health = Health.NONE
    health_log: tuple[HealthCheck, ...] = ()
    memory_limit_bytes: int | None = None
    cpu_limit: float | None = None
    addresses: Mapping[str, str] = {}
    mounts: tuple[Mount, ...] = ()
    sandbox: str = ""
    extra_hosts: Mapping[str, str] = {}
    environment: tuple[str, ...] = ()
    depends_on: Mapping[str, str] = {}
    compose_files: tuple[str, ...] = ()
    version: str = ""
    published: tuple[int, ...] = ()

    @property
    def folders(self) -> tuple[str, ...]:
        """Return the host's folders that it writes to."""
        return tuple(mount.source for mount in self.mounts)


class MemoryUse(msgspec.Struct, frozen=True):
    """What a container uses: its working set in bytes; processes killed for lack of memory since it was started.

    `oom_kills` is None where nobody counts them.
    """

    used_bytes: int
    oom_kills: int | None = None


class CpuUse(msgspec.Struct, frozen=True):
    """What a container has used of the processors since its start, and in how many of the periods it was held back."""

    used_seconds: float
    periods: int
    throttled_periods: int
    throttled_seconds: float


class Traffic(msgspec.Struct, frozen=True):
    """Bytes since a container's start: read or received, and written or sent."""

    in_bytes: int
    out_bytes: int


class ResourceUse(msgspec.Struct, frozen=True, kw_only=True):
    """What a container uses, and has used since its start; None where nobody counts it.

    `pids` are processes and threads. What is written goes through the file cache first: with version 1 of control
    groups it is then nobody's, so that `disk` counts only what went past the cache.
    """

    memory: MemoryUse
    cpu: CpuUse | None = None
    pids: int | None = None
    disk: Traffic | None = None
    network: Traffic | None = None


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """One engine process. `identity` differs between two processes of one boot; it is empty where unknown.

    `live_restore`: containers outlive the engine. `root_directory`: where it keeps images, volumes and logs.
    """

    version: str
    api_version: str
    root_directory: str
    live_restore: bool = False
    identity: str = ""
    started_at: datetime | None = None
