"""How the backups stand is told by facts, and nothing is told of backups that nobody takes."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from semsupervisor.backup.standing import Taken, cramped, standing
from semsupervisor.health.observation import Unknown
from tests.support.snapshot_folder import AT

GIB = 2**30
GOOD = Taken(
    id="20260301-020000",
    taken_at=AT,
    took_seconds=61.5,
    size_bytes=300,
    content_bytes=GIB,
    complete=True,
    good=True,
)
BAD = Taken(
    id="20260302-020000",
    taken_at=AT + timedelta(days=1),
    took_seconds=2.0,
    size_bytes=100,
    content_bytes=0,
    complete=False,
    good=False,
    left_out=("stream EV: it fell silent",),
    suspicions=("stream OLD is gone",),
)


def test_without_a_backup_only_that_is_told() -> None:
    """No age, no size: nothing that a rule could fire on."""
    found = standing([], 5 * GIB, same_disk=True, now=AT)
    assert (found.facts, found.evidence) == ({"snapshots": 0, "same_disk": True}, {})


def test_a_good_backup_is_told() -> None:
    """With its age, its size, how long it took, and the room for another."""
    found = standing([GOOD], 3 * GIB, same_disk=False, now=AT + timedelta(hours=3))
    assert found.facts == {
        "snapshots": 1,
        "same_disk": False,
        "last_complete": True,
        "last_size_bytes": 300,
        "last_took_seconds": 61.5,
        "last_suspicions": 0,
        "damaged_snapshots": 0,
        "room_left_bytes": 3 * GIB - int(GIB * 1.1) - 64 * 2**20,
        "good_age_seconds": 3 * 3600.0,
        "last_good_at": AT.isoformat(),
    }
    assert found.evidence == {"snapshot": GOOD.id, "newest_good": GOOD.id}


def test_a_disk_without_room_for_another_is_told() -> None:
    """As none, however much is missing."""
    assert standing([GOOD], GIB, same_disk=False, now=AT).facts["room_left_bytes"] == 0


def test_what_is_wrong_with_the_newest_is_told() -> None:
    """The age stays that of the newest good one."""
    found = standing([BAD, GOOD], GIB, same_disk=False, now=AT + timedelta(days=2))
    assert (found.facts["last_complete"], found.facts["last_suspicions"]) == (False, 1)
    assert found.facts["good_age_seconds"] == 2 * 86_400.0
    assert found.evidence["left_out"] == "stream EV: it fell silent"
    assert found.evidence["suspicions"] == "stream OLD is gone"


def test_damage_is_told_of_each() -> None:
    """By the snapshot's name; without a good one the age is that of the oldest."""
    damaged = msgspec.structs.replace(GOOD, good=False, damage=(".env is missing", "x" * 1000))
    found = standing([BAD, damaged], GIB, same_disk=False, now=AT + timedelta(days=2))
    assert (found.facts["damaged_snapshots"], found.facts["good_age_seconds"]) == (1, 2 * 86_400.0)
    assert "last_good_at" not in found.facts
    assert found.evidence["newest_good"] == "none"
    assert found.evidence["damage"].startswith(f"{GOOD.id}: .env is missing, xxx")
    assert len(found.evidence["damage"]) == 500


def test_a_clock_that_was_not_set_tells_no_age() -> None:
    """A little before the newest is rounding, much before it is no time at all."""
    early = standing([GOOD], GIB, same_disk=False, now=AT - timedelta(seconds=5))
    assert early.facts["good_age_seconds"] == 0.0
    unset = standing([GOOD], GIB, same_disk=False, now=AT - timedelta(days=20_000))
    assert isinstance(unset.facts["good_age_seconds"], Unknown)


def test_a_disk_of_the_data_is_not_filled() -> None:
    """A tenth of it stays free beside what the next backup may take."""
    assert cramped(GIB, 22 * GIB, 200 * GIB) == ""
    assert cramped(GIB, 21 * GIB, 200 * GIB).startswith(
        "the disk that the data is on too would have less than 10% free"
    )
    assert cramped(0, 0, 0)
