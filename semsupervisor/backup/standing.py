"""How the backups of a host stand, as facts: the newest one, the newest good one, the room for another. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from semsupervisor.health.observation import FactValue, Unknown
from semsupervisor.kit import amounts
from semsupervisor.kit.text import shortened

# What a backup asks for beside the bytes that the streams take: see `hot.ROOM_RATIO` and `hot.ROOM_BYTES`.
ROOM_RATIO = 1.1
ROOM_BYTES = 64 * 2**20
# What a backup that nobody asked for leaves of a disk that the data is on too.
LEAST_FREE_SHARE = 0.1
LONGEST_WORDS = 500
CLOCK_SECONDS = 60.0


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot that the supervisor took.

    `content_bytes` is what its streams take in the server's store. `left_out` says in words what is missed in it,
    `suspicions` what may be damage of the source, `damage` what a look at it found.
    """

    id: str
    taken_at: datetime
    took_seconds: float
    size_bytes: int
    content_bytes: int
    complete: bool
    good: bool
    left_out: tuple[str, ...] = ()
    suspicions: tuple[str, ...] = ()
    damage: tuple[str, ...] = ()


class Standing(msgspec.Struct, frozen=True):
    """The facts, and the texts that go with them."""

    facts: Mapping[str, FactValue]
    evidence: Mapping[str, str]


def standing(taken: Sequence[Taken], free_bytes: int, *, same_disk: bool, now: datetime) -> Standing:
    """Return how the backups stand; `taken` are the newest first.

    Of a host where none was taken yet only that is told: whether there should be one is for whoever sets it up.
    """
    facts: dict[str, FactValue] = {"snapshots": len(taken), "same_disk": same_disk}
    if not taken:
        return Standing(facts, {})
    newest = taken[0]
    good = next((one for one in taken if one.good), None)
    damaged = [one for one in taken if one.damage]
    facts |= {
        "last_complete": newest.complete,
        "last_size_bytes": newest.size_bytes,
        "last_took_seconds": round(newest.took_seconds, 3),
        "last_suspicions": len(newest.suspicions),
        "damaged_snapshots": len(damaged),
        "room_left_bytes": max(0, free_bytes - int(newest.content_bytes * ROOM_RATIO) - ROOM_BYTES),
        # Without a good one the oldest of the others tells since when there should be one.
        "good_age_seconds": _age(taken, (good or taken[-1]).taken_at, now),
    }
    if good is not None:
        facts["last_good_at"] = good.taken_at.isoformat()
    evidence = {
        "snapshot": newest.id,
        "left_out": "; ".join(newest.left_out),
        "suspicions": "; ".join(newest.suspicions),
        "damage": "; ".join(f"{one.id}: {', '.join(one.damage)}" for one in damaged),
        "newest_good": good.id if good else "none",
    }
    return Standing(facts, {name: shortened(text, LONGEST_WORDS) for name, text in evidence.items() if text})


def cramped(content_bytes: float, free_bytes: int, size_bytes: int) -> str:
    """Return why a backup of so much would leave the data's own disk too little room, empty where it leaves enough."""
    left = free_bytes - content_bytes * ROOM_RATIO - ROOM_BYTES
    if left >= size_bytes * LEAST_FREE_SHARE:
        return ""
    free = (
        f"{amounts.size(free_bytes)} of {amounts.size(size_bytes)} are, the streams hold {amounts.size(content_bytes)}"
    )
    return f"the disk that the data is on too would have less than {LEAST_FREE_SHARE:.0%} free: {free}"


def _age(taken: Sequence[Taken], since: datetime, now: datetime) -> FactValue:
    """Return an age, unknown while the clock shows a time before the newest snapshot: it was not set yet."""
    if (taken[0].taken_at - now).total_seconds() > CLOCK_SECONDS:
        return Unknown("the clock shows a time before that of the newest snapshot")
    return max(0.0, (now - since).total_seconds())
