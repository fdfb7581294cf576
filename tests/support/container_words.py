"""What an engine says of containers, made up in few words: events and inspections of a pretended project."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from semsupervisor.health.services import Service, ServiceState
from semsupervisor.kit.clock import Instant
from semsupervisor.systems.containers import Action, Container, ContainerState, Event, Owner, RestartPolicy
from tests.support.clock import START

APP = Owner("project", "app")


def moment(seconds: float) -> datetime:
    """Return so many seconds after the beginning, by the wall clock."""
    return START + timedelta(seconds=seconds)


def instant(seconds: float) -> Instant:
    """Return so many seconds after the beginning, on both clocks."""
    return Instant(moment(seconds), 1000.0 + seconds)


def stamp(seconds: float) -> int:
    """Return so many seconds after the beginning in nanoseconds since 1970."""
    return int(START.timestamp()) * 10**9 + int(seconds * 10**9)


def event(action: Action, seconds: float = 0.0, *, of: str = "a1", owner: Owner = APP, **more: Any) -> Event:
    """Return an event of a container."""
    return Event(action=action, id=of, owner=owner, time_nano=stamp(seconds), **more)


def container(state: ContainerState = ContainerState.RUNNING, **more: Any) -> Container:
    """Return the inspection of a container: of `app`, always restarted, running since the beginning unless said so."""
    known: dict[str, Any] = {
        "id": "a1",
        "name": "project-app-1",
        "owner": APP,
        "image": "app:1",
        "image_id": "sha256:1111111111111111",
        "created_at": moment(-1),
        "started_at": moment(0),
        "restart_policy": RestartPolicy.UNLESS_STOPPED,
        "pid": 4711 if state in (ContainerState.RUNNING, ContainerState.PAUSED) else 0,
    }
    return Container(state=state, **{**known, **more})


def running(**more: Any) -> Service:
    """Return what is known of `app` while it runs and has been inspected."""
    known: dict[str, Any] = {
        "name": "app",
        "owner": APP,
        "container": "a1",
        "image": "app:1",
        "image_id": "sha256:1111111111111111",
        "state": ServiceState.RUNNING,
        "since": moment(0),
        "started_at": moment(0),
        "policy": RestartPolicy.UNLESS_STOPPED,
        "oom_kills": 0,
    }
    return Service(**{**known, **more})


def names(services: Iterable[Service]) -> list[str]:
    """Return the services' names."""
    return [service.name for service in services]
