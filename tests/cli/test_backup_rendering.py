"""How snapshots look."""

from __future__ import annotations

import io
from typing import Any

import msgspec

from semsupervisor.api import backups
from semsupervisor.api.readings import SnapshotReading
from semsupervisor.backup.manifest import LeftOut
from semsupervisor.backup.verdicts import Look
from semsupervisor.cli import backup_rendering
from semsupervisor.cli.rendering import Paper
from tests.support.api_world import World
from tests.support.job_world import SNAPSHOT, a_schedule, snapshot


def listed(*found: SnapshotReading) -> list[str]:
    """Return the lines of a list."""
    stream = io.StringIO()
    answer = backups.snapshots(World().readings(), found)
    backup_rendering.show_list(msgspec.to_builtins(answer), Paper(stream))
    return stream.getvalue().splitlines()


def shown(found: SnapshotReading, **content: Any) -> list[str]:
    """Return the lines about one."""
    stream = io.StringIO()
    answer = msgspec.to_builtins(backups.one(World().readings(), found))
    if content:
        answer["content"].update(content)
    backup_rendering.show_one(answer, Paper(stream))
    return stream.getvalue().splitlines()


def test_a_list() -> None:
    """Id, kind, age, size, what it is worth, and what is in it."""
    looked = snapshot(note="before v2")
    old = snapshot(
        "20250101-020000", kind="runbook", taken_at=None, complete=False, streams=0, problem="never verified"
    )
    assert "suspicious" in " ".join(listed(snapshot(suspicions=("stream EV is gone",))))
    unread = msgspec.structs.replace(snapshot("20250102-020000"), look=None)
    lines = listed(looked, unread, old)
    assert any("not verified" in line for line in lines)
    assert lines[0].startswith(f"{SNAPSHOT}  hot      0 s ago  3.0 MiB  good")
    assert "1 stream, 300+ messages" in " ".join(lines)
    assert 'verified 0 s ago (level 1), "before v2"' in " ".join(" ".join(lines).split())
    assert any(line.startswith("20250101-020000  runbook") and "unknown" in line for line in lines)
    assert listed() == ["there is no snapshot in /backup/semstreams; take one with: semsupervisor backup now"]


def test_the_schedules_stand_below_the_list() -> None:
    """Those that take snapshots and look at them."""
    stream = io.StringIO()
    world = World()
    world.work.schedules = [a_schedule()]
    answer = backups.snapshots(world.readings(), [snapshot()])
    backup_rendering.show_list(msgspec.to_builtins(answer), Paper(stream))
    assert stream.getvalue().splitlines()[-1].split()[:4] == ["schedules", "backup", "next", "in"]


def test_one_with_all_that_it_holds() -> None:
    """Its streams, and what is not in it."""
    lines = shown(snapshot(note="before v2", suspicions=("stream EV is gone",)))
    assert "  - suspicious: stream EV is gone" in lines
    assert lines[0] == f"{SNAPSHOT} in /backup/semstreams: good"
    assert "  note: before v2" in lines
    assert "  - not in it: stream MEM: it is kept in memory" in lines
    assert any(line.startswith("  EV  300+ messages  1.0 MiB") for line in lines)


def test_one_that_is_not_good() -> None:
    """What it lacks, what is damaged, or why nothing is known of it."""
    left_out = (LeftOut("stream EV", "it fell silent", is_fault=True),)
    lines = shown(snapshot(complete=False, left_out=left_out))
    assert lines[0].endswith(": incomplete")
    assert "  - not in it and missed: stream EV: it fell silent" in lines
    damaged = msgspec.structs.replace(snapshot(), look=Look(World().clock.now(), 1, ("EV is missing",)))
    assert "  - damaged: EV is missing" in shown(damaged)
    bare = msgspec.structs.replace(snapshot(complete=False, problem="no manifest", taken_at=None), manifest=None)
    assert shown(bare)[1] == "  no manifest"


def test_what_is_pinned_says_so() -> None:
    """With the reason, where somebody gave one."""
    assert "  pinned: before v2" in shown(snapshot(pinned="before v2"))
    assert "  pinned" in shown(snapshot(pinned=""))
    assert " ".join(listed(snapshot(pinned="", note="mine"))).endswith('pinned, "mine"')


def test_very_many_streams_are_cut() -> None:
    """And it is said how many there are."""
    stream = msgspec.to_builtins(backups.one(World().readings(), snapshot()))["content"]["streams"][0]
    assert shown(snapshot(), streams=[stream] * 60, nats_version="")[-1] == "  (10 more: --json)"
