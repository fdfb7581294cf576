"""JetStream's limits held against the room that there is."""

from __future__ import annotations

import pytest

from semsupervisor.health.headroom import Overcommitted, Store, overcommitted
from semsupervisor.health.observation import FactValue, Observation, Subject, SubjectKind, Unknown
from semsupervisor.systems.containers import Mount
from tests.support.alerting import AT
from tests.support.container_words import container

GIB = 2**30
NATS = Subject(SubjectKind.NATS, "nats")
SERVICE = Subject(SubjectKind.SERVICE, "nats")
ROOT = Subject(SubjectKind.FILESYSTEM, "/")
DATA = Subject(SubjectKind.FILESYSTEM, "/data")
VOLUME = {"nats": container(mounts=(Mount("/data/volumes/nats/_data", "/data"),))}


def seen(*facts: tuple[Subject, str, FactValue]) -> list[Observation]:
    """Return observations of these facts, each by a source of its own."""
    return [Observation(f"source {number}", one, AT, {fact: value}) for number, (one, fact, value) in enumerate(facts)]


def stores(
    memory: FactValue, room: FactValue, storage: FactValue = GIB, free: FactValue = 9 * GIB
) -> list[Observation]:
    """Return what is known of a server whose data is on a disk of its own."""
    return seen(
        (NATS, "jetstream_memory_limit_bytes", memory),
        (SERVICE, "memory_limit_bytes", room),
        (NATS, "jetstream_storage_limit_bytes", storage),
        (NATS, "jetstream_storage_used_bytes", GIB),
        (ROOT, "free_bytes", 0),
        (DATA, "free_bytes", free),
    )


def test_limits_with_room_are_fine() -> None:
    """As much as there is room for is not too much."""
    assert overcommitted(stores(GIB, GIB, 10 * GIB), "nats", VOLUME) == ()


def test_more_memory_than_the_container_has_is_too_much() -> None:
    """The container is killed before JetStream comes to its limit."""
    found = Overcommitted(Store.MEMORY, 18 * GIB, GIB, "the container of nats")
    assert overcommitted(stores(18 * GIB, GIB), "nats", VOLUME) == (found,)


def test_more_storage_than_the_disk_has_is_too_much() -> None:
    """What is stored already counts as room; the disk is that of the volume."""
    found = Overcommitted(Store.STORAGE, 11 * GIB, 10 * GIB, "/data")
    assert overcommitted(stores(GIB, GIB, 11 * GIB), "nats", VOLUME) == (found,)


@pytest.mark.parametrize("folders", [(), ("/data/a", "/b")])
def test_a_disk_that_is_not_known_has_no_room_to_speak_of(folders: tuple[str, ...]) -> None:
    """Without folders, or with some on several disks, nothing is said of storage."""
    assert (
        overcommitted(
            stores(GIB, GIB, 99 * GIB), "nats", {"nats": container(mounts=tuple(Mount(one, one) for one in folders))}
        )
        == ()
    )
    assert overcommitted(stores(GIB, GIB, 99 * GIB), "nats", {}) == ()


@pytest.mark.parametrize("unread", [Unknown("no"), "much", True])
def test_what_is_not_known_is_not_too_much(unread: FactValue) -> None:
    """A figure that could not be read leaves the question open."""
    assert overcommitted(stores(unread, GIB), "nats", VOLUME) == ()
    assert overcommitted(stores(99 * GIB, unread), "nats", VOLUME) == ()
    assert overcommitted(stores(GIB, GIB, 99 * GIB, unread), "nats", VOLUME) == ()
    assert overcommitted([], "nats", VOLUME) == ()
