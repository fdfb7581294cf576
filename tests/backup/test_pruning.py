"""Old snapshots are removed, and never one that somebody may need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from semsupervisor.backup.folders import RUNBOOK_ARCHIVE, Folders
from semsupervisor.backup.manifest import LeftOut
from semsupervisor.backup.pruning import KIND, Pruning, Request, Rule
from semsupervisor.backup.retention import Policy
from semsupervisor.backup.verdicts import Look
from semsupervisor.errors import PermanentError, StoreError
from semsupervisor.jobs.record import OUTCOME, JobRecord, JobState
from semsupervisor.kit.tasks import TaskOwner
from tests.support.clock import ManualClock
from tests.support.snapshot_folder import taken
from tests.support.workshop import Workshop

pytestmark = pytest.mark.usefixtures("logs")

NOW = ManualClock().now()
DAY = timedelta(days=1)


class Shelf:
    """Snapshots in a folder, one a day, and what decides about them; `use` are those that a job reads."""

    def __init__(self, folder: Path, policy: Policy) -> None:
        self.folder = folder / "backup"
        self.folder.mkdir(exist_ok=True)
        self.clock = ManualClock()
        self.looks: dict[str, Look] = {}
        self.use: Collection[str] = ()
        self.fails = False
        self._policy = policy
        self.pruning = Pruning(
            self.clock, lambda: self.folder, lambda: Rule(self._policy, UTC, "edge7"), self._looked, lambda: self.use
        )

    async def _looked(self) -> dict[str, Look]:
        if self.fails:
            raise StoreError("the database is broken")
        return self.looks

    def take(self, days_ago: float = 0, **changed: object) -> str:
        """Make a snapshot of so many days ago, which was read back."""
        at = self.clock.now() - days_ago * DAY
        snapshot_id = taken(self.folder, at, **changed)
        self.looks[snapshot_id] = Look(at, 1)
        return snapshot_id

    def left(self) -> list[str]:
        """Return the names of all that is in the folder."""
        return sorted(entry.name for entry in self.folder.iterdir())


@asynccontextmanager
async def a_workshop(folder: Path, shelf: Shelf) -> AsyncIterator[Workshop]:
    """Run a runner that knows how to prune."""
    async with asyncio.TaskGroup() as group:
        owner = TaskOwner(group, ManualClock())
        shop = Workshop(folder, owner, [shelf.pruning.kind()])
        await shop.runner.take_up()
        yield shop
        await owner.stop()
        await shop.store.close()


async def pruned(folder: Path, shelf: Shelf) -> JobRecord:
    """Have the job done and return it."""
    async with a_workshop(folder, shelf) as shop:
        return await shop.runner.wait((await shop.runner.submit(KIND, Request(), "a test")).job.id)


async def test_what_is_not_kept_goes(tmp_path: Path) -> None:
    """It is said which and why, in the plan before and in the job after; nothing else of them stays."""
    shelf = Shelf(tmp_path, Policy(daily=2))
    ids = [await asyncio.to_thread(shelf.take, day) for day in range(4)]
    planned = await shelf.pruning.plan()
    assert [(one.id, one.keep) for one in planned] == list(zip(ids, (True, True, False, False), strict=True))
    assert all(one.reasons for one in planned)
    job = await pruned(tmp_path, shelf)
    assert (job.state, job.notes) == (JobState.DONE, ())
    assert f"{ids[3]} (no place of the policy is left for it)" in str(job.data[OUTCOME])
    assert await asyncio.to_thread(shelf.left) == sorted(ids[:2])
    job = await pruned(tmp_path, shelf)
    assert job.data[OUTCOME] == "nothing had to go"


async def test_what_somebody_needs_stays(tmp_path: Path) -> None:
    """What is pinned, what a job works with, what is not ours, and the last that was read back."""
    shelf = Shelf(tmp_path, Policy(last=1))
    await asyncio.to_thread(shelf.take, 0)
    pinned, used, foreign, verified = [await asyncio.to_thread(shelf.take, day) for day in (3, 4, 5, 6)]
    gone = await asyncio.to_thread(shelf.take, 7)
    shelf.looks = {verified: Look(NOW, 1), gone: Look(NOW, 1)}
    shelf.use = (used,)
    await asyncio.to_thread(Folders(shelf.folder).pin, pinned, "before v2")
    await asyncio.to_thread(Folders(shelf.folder).remove, foreign)
    await asyncio.to_thread(taken, shelf.folder, NOW - 5 * DAY, host="another")
    runbook = shelf.folder / "20250101-020000"
    await asyncio.to_thread(runbook.mkdir)
    await asyncio.to_thread((runbook / RUNBOOK_ARCHIVE).write_bytes, b"")
    reasons = {one.id: one.reasons for one in await shelf.pruning.plan() if one.keep}
    assert reasons[pinned] == ("pinned: before v2",)
    assert reasons[used] == ("a job works with it",)
    assert "taken on the host another" in reasons[foreign][0]
    assert reasons[verified] == ("the newest that was verified",)
    assert "not taken by the supervisor" in reasons[runbook.name][0]
    await pruned(tmp_path, shelf)
    there = await asyncio.to_thread(shelf.left)
    assert (gone in there, {pinned, used, foreign, verified, runbook.name} <= set(there)) == (False, True)


async def test_what_was_pinned_after_the_decision_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked at again right before each removal."""
    shelf = Shelf(tmp_path, Policy(last=1))
    newest, pinned, gone = [await asyncio.to_thread(shelf.take, day) for day in (0, 1, 2)]
    plan = shelf.pruning.plan

    async def late() -> object:
        decisions = await plan()
        await asyncio.to_thread(Folders(shelf.folder).pin, pinned, "")
        return decisions

    monkeypatch.setattr(shelf.pruning, "plan", late)
    job = await pruned(tmp_path, shelf)
    assert (job.state, pinned in str(job.data[OUTCOME]), gone in str(job.data[OUTCOME])) == (JobState.DONE, False, True)
    assert {newest, pinned} <= set(await asyncio.to_thread(shelf.left))


async def test_a_clock_that_is_not_set_removes_nothing(tmp_path: Path) -> None:
    """Nor does a database that cannot be read, since nobody knows then which snapshots were read back."""
    shelf = Shelf(tmp_path, Policy(last=1))
    for day in range(3):
        await asyncio.to_thread(shelf.take, day)
    shelf.clock.jump((datetime(1970, 1, 1, tzinfo=UTC) - NOW).total_seconds())
    with pytest.raises(PermanentError, match="the clock says 1970-01-01"):
        await shelf.pruning.plan()
    job = await pruned(tmp_path, shelf)
    assert (job.state, "set the clock" in job.cause) == (JobState.UNDONE, True)
    shelf.clock.jump((NOW - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    shelf.fails = True
    job = await pruned(tmp_path, shelf)
    assert (job.state, len(await asyncio.to_thread(shelf.left))) == (JobState.UNDONE, 3)


async def test_thirty_days_of_failures_leave_what_is_good(tmp_path: Path) -> None:
    """Each day an incomplete backup and a removal: the seven good days before them, and the newest, are there."""
    shelf = Shelf(tmp_path, Policy(daily=7))
    good = [await asyncio.to_thread(shelf.take, day) for day in range(9)]
    fault = (LeftOut("stream EV", "the disk is broken", is_fault=True),)
    newest = ""
    for _ in range(30):
        shelf.clock.advance(DAY.total_seconds())
        newest = await asyncio.to_thread(shelf.take, left_out=fault)
        assert (await pruned(tmp_path, shelf)).state is JobState.DONE
    assert await asyncio.to_thread(shelf.left) == sorted([*good[:7], newest])
