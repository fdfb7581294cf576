"""What the routes about backups do."""

from __future__ import annotations

from typing import Any

import pytest

from semsupervisor.api import backup_handlers
from semsupervisor.api.asking import Ask, Params, Refused
from semsupervisor.api.backup_handlers import BackUpParams, SnapshotParams, VerifyParams
from semsupervisor.api.backups import OneSnapshotAnswer, SnapshotsAnswer
from semsupervisor.api.jobs import AskedAnswer
from semsupervisor.api.metrics import MetricsPage
from semsupervisor.errors import StoreError, TemporaryError
from tests.support.api_world import World
from tests.support.job_world import SNAPSHOT, snapshot


def ask(world: World, params: Params | None = None) -> Ask[Any]:
    """Return root's request to a world."""
    readings = world.readings()
    return Ask(params=params, accept="", readings=readings, metrics=MetricsPage(readings), sender="root")


async def test_snapshots_are_listed_and_found() -> None:
    """One that is not there is a 404."""
    world = World()
    world.work.snapshots = [snapshot()]
    listed = (await backup_handlers.backups(ask(world))).body
    assert isinstance(listed, SnapshotsAnswer)
    assert [one.id for one in listed.snapshots] == [SNAPSHOT]
    found = (await backup_handlers.backup(ask(world, SnapshotParams(id=SNAPSHOT)))).body
    assert isinstance(found, OneSnapshotAnswer)
    assert found.snapshot.id == SNAPSHOT
    with pytest.raises(Refused, match="no snapshot x") as refused:
        await backup_handlers.backup(ask(world, SnapshotParams(id="x")))
    assert refused.value.status == 404


async def test_a_backup_is_asked_for() -> None:
    """With its note and by whom; the answer says whether one was under way already."""
    world = World()
    world.work.joins = True
    asked = (await backup_handlers.back_up(ask(world, BackUpParams(note="before v2")))).body
    assert isinstance(asked, AskedAnswer)
    assert (asked.job.id, asked.joined) == ("j1", True)
    assert world.work.asked == ["back up hot 'before v2' by root"]


async def test_a_snapshot_is_verified() -> None:
    """What the runbook's script wrote has nothing to be verified against."""
    world = World()
    world.work.snapshots = [snapshot(), snapshot("20260101-020000", kind="runbook")]
    asked = (await backup_handlers.verify(ask(world, VerifyParams(id=SNAPSHOT, level=0)))).body
    assert isinstance(asked, AskedAnswer)
    assert world.work.asked == [f"verify {SNAPSHOT} up to 0 by root"]
    with pytest.raises(Refused, match="without a manifest") as refused:
        await backup_handlers.verify(ask(world, VerifyParams(id="20260101-020000")))
    assert refused.value.status == 409


async def test_what_stands_in_the_way_is_said() -> None:
    """A folder that does not answer is a 503; a state database that fails is told as everywhere else."""
    world = World()
    world.work.trouble = TemporaryError("/backup: no answer within 8 s")
    for act in (backup_handlers.backups(ask(world)), backup_handlers.back_up(ask(world, BackUpParams()))):
        with pytest.raises(Refused, match="no answer within 8 s") as refused:
            await act
        assert refused.value.status == 503
    world.work.trouble = StoreError("the disk is full")
    with pytest.raises(StoreError):
        await backup_handlers.back_up(ask(world, BackUpParams()))
