"""Snapshots as the API shows them."""

from __future__ import annotations

import msgspec

from semsupervisor.api import backups
from semsupervisor.backup.verdicts import Look
from tests.support.api_world import World
from tests.support.job_world import SNAPSHOT, snapshot


def test_a_snapshot_is_shown_with_the_last_look_at_it() -> None:
    """Up to which level it was looked at and when; one that was never looked at says so, and is not good."""
    world = World()
    never = msgspec.structs.replace(snapshot("20260228-120000"), look=None)
    first, second = backups.snapshots(world.readings(), [snapshot(), never]).snapshots
    assert (first.id, first.good, first.verified_level, first.verified_at) == (SNAPSHOT, True, 1, world.clock.now())
    assert (second.good, second.verified_level, second.verified_at, second.damage) == (False, None, None, ())
    assert [(left.what, left.fault) for left in first.left_out] == [("stream MEM", False)]


def test_names_and_sizes_prove_nothing() -> None:
    """Only a look that read every byte does, or one that goes deeper."""
    world = World()
    looked = [msgspec.structs.replace(snapshot(), look=Look(world.clock.now(), level)) for level in (0, 1, 2)]
    assert [one.good for one in backups.snapshots(world.readings(), looked).snapshots] == [False, True, True]


def test_what_was_found_damaged_is_not_good() -> None:
    """Nor is what is incomplete."""
    world = World()
    damaged = msgspec.structs.replace(snapshot(), look=Look(world.clock.now(), 1, ("EV is missing",)))
    shown = backups.snapshots(world.readings(), [damaged, snapshot(complete=False)]).snapshots
    assert [one.good for one in shown] == [False, False]
    assert shown[0].damage == ("EV is missing",)


def test_one_snapshot_shows_what_it_holds() -> None:
    """Its streams with their counts, its files; without a manifest nothing of that is known."""
    world = World()
    shown = backups.one(world.readings(), snapshot())
    assert shown.directory == "/backup/semstreams"
    assert shown.content is not None
    (stream,) = shown.content.streams
    assert (stream.name, stream.messages, stream.last_sequence, stream.consumers) == ("EV", 300, 300, 0)
    assert [file.path for file in shown.content.files] == ["streams/EV/stream.tar.s2"]
    bare = msgspec.structs.replace(snapshot(), manifest=None)
    assert backups.one(world.readings(), bare).content is None
