"""The engine's JSON as structs of our own. What is missing gets its default; what is of another type is refused."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from semsupervisor.systems.bodies import one_line
from semsupervisor.systems.containers import (
    Action,
    Container,
    ContainerState,
    Event,
    Health,
    HealthCheck,
    Mount,
    Owner,
    RestartPolicy,
)

E = TypeVar("E", bound=StrEnum)

_ON_DISK = ("bind", "volume")
_USUAL_PERIOD = 100_000
_USUAL_GRACE_SECONDS = 10.0

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
NUMBER_LABEL = "com.docker.compose.container-number"
ONEOFF_LABEL = "com.docker.compose.oneoff"
DEPENDS_LABEL = "com.docker.compose.depends_on"
FILES_LABEL = "com.docker.compose.project.config_files"
VERSION_LABEL = "org.opencontainers.image.version"
LONGEST_VERSION = 80

_VERSION_TAG = re.compile(r":(v?[0-9]+(?:\.[0-9]+)[^/@]*)(?:@|$)")


class _Check(msgspec.Struct, rename="pascal"):
    end: datetime | None = None
    exit_code: int = 0
    output: str = ""


class _Health(msgspec.Struct, rename="pascal"):
    status: str = ""
    failing_streak: int | None = None
    log: list[_Check] | None = None


class _State(msgspec.Struct, rename="pascal"):
    status: ContainerState
    pid: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = msgspec.field(default=False, name="OOMKilled")
    started_at: datetime | None = None
    finished_at: datetime | None = None
    health: _Health | None = None


class _Policy(msgspec.Struct, rename="pascal"):
    name: str = ""
    maximum_retry_count: int = 0


class _Binding(msgspec.Struct, rename="pascal"):
    host_port: str = ""


class _HostConfig(msgspec.Struct, rename="pascal"):
    memory: int = 0
    nano_cpus: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpuset_cpus: str = ""
    extra_hosts: list[str] | None = None
    port_bindings: dict[str, list[_Binding] | None] | None = None
    restart_policy: _Policy = msgspec.field(default_factory=_Policy)


class _Config(msgspec.Struct, rename="pascal"):
    image: str = ""
    labels: dict[str, str] | None = None
    env: list[str] | None = None
    stop_signal: str = ""
    stop_timeout: int | None = None


class _Endpoint(msgspec.Struct, rename="pascal"):
    ip_address: str = msgspec.field(default="", name="IPAddress")
    global_ipv6_address: str = msgspec.field(default="", name="GlobalIPv6Address")


class _Networks(msgspec.Struct, rename="pascal"):
    networks: dict[str, _Endpoint] | None = None
    sandbox_key: str = ""


class _Mount(msgspec.Struct, rename="pascal"):
    type: str = ""
    source: str = ""
    destination: str = ""
    rw: bool = msgspec.field(default=False, name="RW")


class _Inspection(msgspec.Struct, rename="pascal"):
    id: str
    state: _State
    name: str = ""
    image: str = ""
    created: datetime | None = None
    restart_count: int = 0
    host_config: _HostConfig = msgspec.field(default_factory=_HostConfig)
    config: _Config = msgspec.field(default_factory=_Config)
    network_settings: _Networks = msgspec.field(default_factory=_Networks)
    mounts: list[_Mount] | None = None


class _Actor(msgspec.Struct, rename="pascal"):
    id: str = msgspec.field(name="ID")
    attributes: dict[str, str] = msgspec.field(default_factory=dict)


class _Event(msgspec.Struct, rename="pascal"):
    action: str
    actor: _Actor
    time_nano: int = msgspec.field(name="timeNano")


_EVENTS = msgspec.json.Decoder(_Event)


def container(answer: Mapping[str, Any]) -> Container:
    """Return what an inspection says. Raises: msgspec.ValidationError when it is none."""
    seen = msgspec.convert(answer, _Inspection)
    labels = seen.config.labels or {}
    health = seen.state.health or _Health()
    return Container(
        id=seen.id,
        name=seen.name.removeprefix("/"),
        owner=owner(labels),
        image=seen.config.image,
        image_id=seen.image,
        state=seen.state.status,
        pid=seen.state.pid,
        exit_code=seen.state.exit_code,
        error=seen.state.error,
        oom_killed=seen.state.oom_killed,
        created_at=seen.created,
        started_at=_moment(seen.state.started_at),
        finished_at=_moment(seen.state.finished_at),
        restart_count=seen.restart_count,
        restart_retries=seen.host_config.restart_policy.maximum_retry_count,
        restart_policy=_known(RestartPolicy, seen.host_config.restart_policy.name) or RestartPolicy.NO,
        stop_signal=signal_number(seen.config.stop_signal) or int(signal.SIGTERM),
        stop_grace_seconds=_USUAL_GRACE_SECONDS if seen.config.stop_timeout is None else seen.config.stop_timeout,
        health=_healthiness(health),
        health_log=tuple(HealthCheck(_moment(one.end), one.exit_code, one.output) for one in health.log or ()),
        memory_limit_bytes=seen.host_config.memory or None,
        cpu_limit=_cpu_limit(seen.host_config),
        addresses=_addresses(seen.network_settings.networks or {}),
        mounts=tuple(
            Mount(one.source, one.destination) for one in seen.mounts or () if one.rw and one.type in _ON_DISK
        ),
        sandbox=seen.network_settings.sandbox_key,
        extra_hosts=_extra_hosts(seen.host_config.extra_hosts or ()),
        environment=tuple(seen.config.env or ()),
        depends_on=_depends_on(labels),
        compose_files=tuple(file for file in labels.get(FILES_LABEL, "").split(",") if file),
        version=_version(seen.config.image, labels),
        published=_published(seen.host_config.port_bindings or {}),
    )


def event(line: bytes) -> Event | None:
    """Return what a line of the event stream says, None for an action that is not listened to.

    Raises: msgspec.DecodeError when it is no event.
    """
    seen = _EVENTS.decode(line)
    word, _, rest = seen.action.partition(":")
    action = _known(Action, word)
    if action is None:
        return None
    attributes = seen.actor.attributes
    return Event(
        action=action,
        id=seen.actor.id,
        owner=owner(attributes),
        time_nano=seen.time_nano,
        name=attributes.get("name", ""),
        image=attributes.get("image", ""),
        exit_code=_number(attributes.get("exitCode")),
        signal=signal_number(attributes.get("signal", "")),
        health=_known(Health, rest.strip()) if action is Action.HEALTH else None,
    )


def owner(labels: Mapping[str, str]) -> Owner:
    """Return whose container it is by the labels that compose gives it."""
    return Owner(
        project=labels.get(PROJECT_LABEL, ""),
        service=labels.get(SERVICE_LABEL, ""),
        number=_number(labels.get(NUMBER_LABEL)) or 1,
        oneoff=labels.get(ONEOFF_LABEL, "").lower() == "true",
    )


def signal_number(word: str) -> int | None:
    """Return the number of a signal written as `15`, `TERM`, `SIGTERM` or `SIGRTMIN+3`; None if it is no signal."""
    if word.isdecimal():
        return int(word)
    base, plus, offset = word.upper().removeprefix("SIG").partition("+")
    try:
        number = int(signal.Signals[f"SIG{base}"])
    except KeyError:
        return None
    return number + (int(offset) if plus and offset.isdecimal() else 0)


def _healthiness(health: _Health) -> Health:
    """The engine writes unhealthy also where no check failed and none runs: of a container that is paused or ended."""
    known = _known(Health, health.status) or Health.NONE
    return Health.STARTING if known is Health.UNHEALTHY and health.failing_streak == 0 else known


def _number(word: str | None) -> int | None:
    return int(word) if word and word.isdecimal() else None


def _moment(at: datetime | None) -> datetime | None:
    """The engine writes the year 1 for what has not happened."""
    return at if at is not None and at.year > 1 else None


def _known(kind: type[E], word: str) -> E | None:
    try:
        return kind(word)
    except ValueError:
        return None


def _addresses(networks: Mapping[str, _Endpoint]) -> dict[str, str]:
    """A container on the host's own network has no address there: it is reached as the host itself."""
    known = {name: end.ip_address or end.global_ipv6_address for name, end in networks.items()}
    if "host" in known:
        known["host"] = "127.0.0.1"
    return {name: address for name, address in sorted(known.items()) if address}


def _version(image: str, labels: Mapping[str, str]) -> str:
    """Return an image's version by its label, else by its tag if that is one; `latest` is none."""
    tag = _VERSION_TAG.search(image)
    return one_line(labels.get(VERSION_LABEL, "") or (tag[1] if tag else ""))[:LONGEST_VERSION]


def _depends_on(labels: Mapping[str, str]) -> dict[str, str]:
    """Compose writes `nats:service_healthy:false,init:service_completed_successfully:false`."""
    parts = (one.split(":") for one in labels.get(DEPENDS_LABEL, "").split(",") if one)
    return {part[0]: part[1] if len(part) > 1 else "" for part in parts}


def _published(bindings: Mapping[str, Sequence[_Binding] | None]) -> tuple[int, ...]:
    """The engine writes `4222/tcp`; a port of the host that it chooses itself is empty there."""
    words = (one.host_port for inside, of in bindings.items() if inside.endswith("/tcp") for one in of or ())
    return tuple(number for word in words if (number := _number(word)) is not None)


def _cpu_limit(host: _HostConfig) -> float | None:
    """The engine is told either a number of processors, or a share of each period; beside that it may name them."""
    limits = []
    if host.nano_cpus:
        limits.append(host.nano_cpus / 1e9)
    elif host.cpu_quota > 0:
        limits.append(host.cpu_quota / (host.cpu_period or _USUAL_PERIOD))
    if host.cpuset_cpus:
        limits.append(float(sum(_count(part) for part in host.cpuset_cpus.split(","))))
    return min(limits, default=None)


def _count(part: str) -> int:
    """Return how many processors `3` or `0-2` names."""
    first, _, last = part.strip().partition("-")
    return int(last) - int(first) + 1 if last.isdecimal() and first.isdecimal() else 1


def _extra_hosts(entries: Sequence[str]) -> dict[str, str]:
    """The engine writes `name:address`; `host-gateway` stands for an address that only it knows."""
    parts = (entry.partition(":") for entry in entries)
    return {name: address for name, _, address in parts if address != "host-gateway"}
