"""The job that looks at a snapshot again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from semsupervisor.backup import manifest as manifests
from semsupervisor.backup.checking import LIMIT_SECONDS, Checking, Request
from semsupervisor.backup.proving import Room
from semsupervisor.backup.unpacking import NotPossible
from semsupervisor.backup.verify import Verdict
from semsupervisor.jobs.record import JobRecord, JobState
from semsupervisor.kit.tasks import TaskOwner
from tests.support.clock import ManualClock
from tests.support.scratch_means import without_engine
from tests.support.snapshot_folder import ID, MANIFEST, STREAM, whole
from tests.support.workshop import Workshop

pytestmark = pytest.mark.usefixtures("logs")


class Looks:
    """A workshop that knows this kind of job, and what was found."""

    def __init__(self, folder: Path, owner: TaskOwner) -> None:
        self.found: list[tuple[str, Verdict]] = []
        checking = Checking(lambda: folder, self._hear, without_engine(folder, self._room), asyncio.Lock())
        self.shop = Workshop(folder, owner, [checking.kind()])

    async def _room(self) -> Room:
        raise NotPossible("there is no room")

    async def _hear(self, snapshot_id: str, verdict: Verdict) -> None:
        self.found.append((snapshot_id, verdict))

    async def look(self, snapshot_id: str = ID, level: int = 1) -> JobRecord:
        """Look at a snapshot and return the job."""
        asked = await self.shop.runner.submit("backup.verify", Request(snapshot_id, level), "a test")
        return await self.shop.runner.wait(asked.job.id)


@pytest.fixture
async def looks(tmp_path: Path) -> AsyncIterator[Looks]:
    """Return it, with one whole snapshot."""
    await asyncio.to_thread(whole, tmp_path)
    async with asyncio.TaskGroup() as group:
        owner = TaskOwner(group, ManualClock())
        made = Looks(tmp_path, owner)
        await made.shop.runner.take_up()
        yield made
        await owner.stop()
        await made.shop.store.close()


async def test_a_whole_snapshot_is_found_so(looks: Looks) -> None:
    """Up to the level that was asked for, and whoever keeps that hears of it."""
    for level in (0, 1):
        job = await looks.look(level=level)
        assert (job.state, job.notes, job.data["verified"], job.data["snapshot"]) == (JobState.DONE, (), level, ID)
    assert [(name, verdict.level, verdict.damage) for name, verdict in looks.found] == [(ID, 0, ()), (ID, 1, ())]


async def test_damage_is_noted(looks: Looks, tmp_path: Path) -> None:
    """The look itself went well."""
    await asyncio.to_thread((tmp_path / ID / STREAM).unlink)
    job = await looks.look()
    assert (job.state, job.notes) == (JobState.DONE, (f"{STREAM} is missing",))
    assert looks.found[0][1].damage == job.notes


async def test_a_snapshot_that_went_away_is_told(looks: Looks) -> None:
    """Nothing was found then."""
    job = await looks.look("20200101-000000")
    assert (job.state, looks.found) == (JobState.UNDONE, [])
    assert "there is no snapshot 20200101-000000" in job.cause


async def test_a_scratch_server_that_cannot_be_had_is_noted(looks: Looks, tmp_path: Path) -> None:
    """The lower levels count."""
    without_streams = manifests.encode(msgspec.structs.replace(MANIFEST, streams=()))
    await asyncio.to_thread((tmp_path / ID / manifests.FILE_NAME).write_bytes, without_streams)
    job = await looks.look(level=3)
    assert (job.state, job.notes) == (JobState.DONE, ("level 3 was not tried: there is no room",))
    assert [verdict.level for _, verdict in looks.found] == [2]


async def test_waiting_for_the_turn_is_not_limited_as_the_proof_is(tmp_path: Path) -> None:
    """Of many snapshots that are verified at once the last waits for all the others; then its own limit begins."""

    async def never() -> Room:
        await asyncio.Event().wait()
        raise AssertionError

    await asyncio.to_thread(whole, tmp_path)
    without_streams = manifests.encode(msgspec.structs.replace(MANIFEST, streams=()))
    await asyncio.to_thread((tmp_path / ID / manifests.FILE_NAME).write_bytes, without_streams)

    async def hear(snapshot_id: str, verdict: Verdict) -> None:
        assert (snapshot_id, verdict.level) == (ID, 2)

    checking = Checking(lambda: tmp_path, hear, without_engine(tmp_path, never), asyncio.Lock(), limit_seconds=0.05)
    assert checking.kind().steps(Request(ID, 3))[1].limit_seconds > 10 * LIMIT_SECONDS
    async with asyncio.TaskGroup() as group:
        owner = TaskOwner(group, ManualClock())
        shop = Workshop(tmp_path, owner, [checking.kind()])
        await shop.runner.take_up()
        asked = await shop.runner.submit("backup.verify", Request(ID, 3), "a test")
        job = await shop.runner.wait(asked.job.id)
        assert "not done within 0.05 s of its turn" in job.cause
        await owner.stop()
        await shop.store.close()


async def test_what_is_damaged_is_not_given_to_a_server(looks: Looks, tmp_path: Path) -> None:
    """Nothing more would be learned."""
    await asyncio.to_thread((tmp_path / ID / STREAM).unlink)
    job = await looks.look(level=3)
    assert (job.state, job.notes) == (JobState.DONE, (f"{STREAM} is missing",))
