"""Whether JetStream may hold more than there is room for, so that the room ends before its own limit. Pure.

A limit that nobody set is three quarters of the host's memory, whatever the container may use, and three quarters of
what the disk had free when the server started.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import PurePosixPath

import msgspec

from semsupervisor.health.observation import FactValue, Observation, Subject, SubjectKind
from semsupervisor.systems.containers import Container

_KINDS = frozenset({SubjectKind.NATS, SubjectKind.SERVICE, SubjectKind.FILESYSTEM})


class Store(StrEnum):
    """The two places where JetStream holds messages."""

    MEMORY = "memory"
    STORAGE = "storage"


class Overcommitted(msgspec.Struct, frozen=True):
    """One store whose limit is larger than the room, both in bytes; `where` is what has the room, for people."""

    store: Store
    limit_bytes: float
    room_bytes: float
    where: str


def overcommitted(
    latest: Iterable[Observation], service: str, containers: Mapping[str, Container]
) -> tuple[Overcommitted, ...]:
    """Return the stores of the NATS service that are; none while one of the figures is not known."""
    known: dict[tuple[Subject, str], FactValue] = {
        (one.subject, fact): value for one in latest if one.subject.kind in _KINDS for fact, value in one.facts.items()
    }

    def number(kind: SubjectKind, name: str, fact: str) -> float | None:
        value = known.get((Subject(kind, name), fact))
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    found = []
    limit = number(SubjectKind.NATS, service, "jetstream_memory_limit_bytes")
    room = number(SubjectKind.SERVICE, service, "memory_limit_bytes")
    if limit is not None and room is not None and limit > room:
        found.append(Overcommitted(Store.MEMORY, limit, room, f"the container of {service}"))
    limit = number(SubjectKind.NATS, service, "jetstream_storage_limit_bytes")
    used = number(SubjectKind.NATS, service, "jetstream_storage_used_bytes")
    mounts = {subject.name for subject, _ in known if subject.kind is SubjectKind.FILESYSTEM}
    mount = _carrying(containers[service].folders if service in containers else (), mounts)
    free = number(SubjectKind.FILESYSTEM, mount, "free_bytes")
    if limit is not None and used is not None and free is not None and limit > used + free:
        found.append(Overcommitted(Store.STORAGE, limit, used + free, mount))
    return tuple(found)


def _carrying(folders: Sequence[str], mounts: Iterable[str]) -> str:
    """Return the file system that carries the folders, empty if that is not one and the same of those known."""
    every = sorted(mounts, key=len, reverse=True)
    found = {next((mount for mount in every if PurePosixPath(one).is_relative_to(mount)), "") for one in folders}
    return found.pop() if len(found) == 1 else ""
