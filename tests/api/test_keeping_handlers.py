"""What the routes about which snapshots are kept do."""

from __future__ import annotations

from typing import Any

import pytest

from semsupervisor.api import keeping_handlers
from semsupervisor.api.asking import Ask, Params, Refused
from semsupervisor.api.backup_handlers import SnapshotParams
from semsupervisor.api.jobs import AskedAnswer
from semsupervisor.api.keeping_handlers import KeepingAnswer, PinParams
from semsupervisor.api.metrics import MetricsPage
from semsupervisor.errors import PermanentError, StoreError, SupervisorError, TemporaryError
from tests.support.api_world import World
from tests.support.job_world import SNAPSHOT, snapshot


def ask(world: World, params: Params | None = None) -> Ask[Any]:
    """Return root's request to a world."""
    readings = world.readings()
    return Ask(params=params, accept="", readings=readings, metrics=MetricsPage(readings), sender="root")


async def test_what_would_go_is_said() -> None:
    """With the reasons, and nothing goes."""
    world = World()
    world.work.snapshots = [snapshot(), snapshot("20260201-020000", complete=False)]
    answer = (await keeping_handlers.plan(ask(world))).body
    assert isinstance(answer, KeepingAnswer)
    assert [(one.keep, one.reasons) for one in answer.snapshots] == [(True, ("it is good",)), (False, ("damaged",))]
    assert world.work.asked == []


async def test_removal_pin_and_unpin_are_asked_for() -> None:
    """By whom, and why; a snapshot that is not there is a 404."""
    world = World()
    world.work.snapshots = [snapshot()]
    assert isinstance((await keeping_handlers.prune(ask(world))).body, AskedAnswer)
    await keeping_handlers.pin(ask(world, PinParams(id=SNAPSHOT, note="v2")))
    await keeping_handlers.unpin(ask(world, SnapshotParams(id=SNAPSHOT)))
    assert world.work.asked == ["prune by root", f"pin {SNAPSHOT}: v2", f"unpin {SNAPSHOT}"]
    for act in (keeping_handlers.pin, keeping_handlers.unpin):
        with pytest.raises(Refused, match="there is no snapshot x") as refused:
            await act(ask(world, PinParams(id="x")))
        assert refused.value.status == 404


@pytest.mark.parametrize(
    ("trouble", "status"), [(TemporaryError("the disk hangs"), 503), (PermanentError("set the clock"), 409)]
)
async def test_what_stands_in_the_way_is_said(trouble: SupervisorError, status: int) -> None:
    """The disk for a while, the clock until somebody sets it."""
    world = World()
    world.work.undecided = trouble
    with pytest.raises(Refused, match=str(trouble)) as refused:
        await keeping_handlers.plan(ask(world))
    assert refused.value.status == status


async def test_a_store_that_fails_is_told_as_everywhere() -> None:
    """It is not the folder's fault."""
    world = World()
    world.work.undecided = StoreError("cannot use the state database")
    with pytest.raises(StoreError):
        await keeping_handlers.plan(ask(world))
