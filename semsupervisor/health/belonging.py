"""Which container is a service's present one, and which services have to be there at all. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from semsupervisor.health.services import Ending, Service
from semsupervisor.kit.clock import Instant
from semsupervisor.systems.containers import Container, ContainerState

FORGET_REMOVED_SECONDS = 86400.0
LIVING = (ContainerState.RUNNING, ContainerState.PAUSED)
REMOVABLE = (Ending.REQUESTED, Ending.COMPLETED, Ending.VANISHED)


def by_name(listed: Sequence[Container]) -> dict[str, list[Container]]:
    """Return the containers of each service by its name; those of nobody, and of runs by hand, are left out."""
    found: dict[str, list[Container]] = {}
    for container in listed:
        if container.owner.service and not container.owner.oneoff:
            found.setdefault(container.owner.name, []).append(container)
    return found


def present_one(known: Service | None, found: Sequence[Container]) -> Container:
    """While a service is recreated it has two: the one that runs is its present one, else the one that was."""

    def rank(container: Container) -> tuple[bool, bool, datetime | float]:
        made = container.created_at.timestamp() if container.created_at else 0.0
        return (container.state in LIVING, known is not None and container.id == known.container, made)

    return max(found, key=rank)


def needed(containers: Iterable[Container]) -> Mapping[str, str]:
    """Return the compose services that a running one depends on, each with the name of one that does."""
    return {
        service: container.owner.name
        for container in containers
        if container.state in LIVING
        for service in container.depends_on
    }


def is_long_gone(known: Service, at: Instant) -> bool:
    """Tell whether a service has been without a container for so long that it is no part of the project any more."""
    long_ago = at.monotonic - (known.ended_monotonic or 0.0) > FORGET_REMOVED_SECONDS
    return known.ending in REMOVABLE and long_ago
