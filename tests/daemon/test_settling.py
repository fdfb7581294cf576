"""What a daemon that does not come back has left open is settled without one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from semsupervisor.backup import hot
from semsupervisor.daemon import settling
from semsupervisor.daemon.root import MIGRATIONS
from semsupervisor.daemon.settling import settle
from semsupervisor.jobs import steps
from semsupervisor.jobs.mirror import JobsHeld, Mirror
from semsupervisor.jobs.record import JobRecord, JobState, StepPlan, StepRecord
from semsupervisor.settings.model import BackupSettings, Settings, StateSettings
from semsupervisor.store.database import StateLocked, Store
from tests.support.clock import ManualClock
from tests.support.job_world import job

pytestmark = pytest.mark.usefixtures("logs")

SNAPSHOT = "20260301-020000"
STEPS = ("begin", "streams", "buckets", "files", "manifest", "publish", "verify")


def settings(folder: Path) -> Settings:
    """Return the settings of a state and backups in a folder."""
    backup = BackupSettings(directory=str(folder / "backup"))
    return Settings(state=StateSettings(directory=str(folder / "state")), backup=backup)


def half(folder: Path) -> JobRecord:
    """Leave a hot backup in the middle of its copying, as a kill does, and return its job."""
    at = ManualClock().now()
    plans = [StepPlan(name, name, name == "publish", name == "verify", undoable=name == "begin") for name in STEPS]
    begun = JobRecord(
        id="0a",
        kind=hot.KIND,
        title="hot backup",
        asked_by="a test",
        parameters={"note": ""},
        steps=tuple(StepRecord(plan=plan) for plan in plans),
        created_at=at,
        exclusive=False,
        data={"snapshot": SNAPSHOT, "directory": str(folder / "backup"), "began_at": at.isoformat()},
    )
    begun = steps.step_done(steps.step_begun(steps.begin(begun, at), 0, at), 0, at)
    begun = steps.step_begun(begun, 1, at)
    (folder / "backup" / f".partial-{SNAPSHOT}").mkdir(parents=True)
    mirror(folder).write(begun)
    return begun


def mirror(folder: Path) -> Mirror:
    """Return the open jobs of the state in a folder."""
    return Mirror(folder / "state" / "jobs")


async def left(folder: Path) -> list[str]:
    """Return what is in the folder of the backups."""
    return await asyncio.to_thread(lambda: [file.name for file in (folder / "backup").iterdir()])


async def test_what_is_half_is_undone(tmp_path: Path) -> None:
    """It stands in the timeline, as if the daemon had done it; the second time there is nothing to do."""
    await asyncio.to_thread(half, tmp_path)
    (settled,) = await settle(settings(tmp_path), ManualClock(), ended_well=False)
    assert (settled.state, settled.cause) == (JobState.UNDONE, "interrupted in: streams")
    assert await left(tmp_path) == []
    assert list(await settle(settings(tmp_path), ManualClock(), ended_well=False)) == []
    store = Store(tmp_path / "state" / "state.db", MIGRATIONS, ManualClock())
    kinds = await store.read(lambda connection: connection.execute("SELECT kind FROM timeline").fetchall())
    await store.close()
    assert kinds == [("job.undone",)]


async def test_a_broken_database_is_no_obstacle(tmp_path: Path) -> None:
    """What is open stands beside it."""
    await asyncio.to_thread(half, tmp_path)
    await asyncio.to_thread((tmp_path / "state" / "state.db").mkdir)
    (settled,) = await settle(settings(tmp_path), ManualClock(), ended_well=False)
    assert settled.state is JobState.UNDONE
    assert await left(tmp_path) == []


async def test_what_a_daemon_left_on_purpose_is_left(tmp_path: Path) -> None:
    """After an end in order the next daemon looks after what does not hold the stack."""
    begun = await asyncio.to_thread(half, tmp_path)
    assert list(await settle(settings(tmp_path), ManualClock(), ended_well=True)) == []
    assert list(await asyncio.to_thread(mirror(tmp_path).read)) == [begun]


async def test_nothing_is_settled_beside_a_daemon(tmp_path: Path) -> None:
    """Whoever holds the database, or the open jobs while that is broken, looks after them."""
    await asyncio.to_thread(half, tmp_path)
    store = Store(tmp_path / "state" / "state.db", MIGRATIONS, ManualClock())
    await store.open()
    with pytest.raises(StateLocked):
        await settle(settings(tmp_path), ManualClock(), ended_well=False)
    await store.close()
    daemon = mirror(tmp_path)
    await asyncio.to_thread(daemon.hold)
    with pytest.raises(JobsHeld):
        await settle(settings(tmp_path), ManualClock(), ended_well=False)
    daemon.release()
    assert len(await settle(settings(tmp_path), ManualClock(), ended_well=False)) == 1


async def test_what_nobody_knows_here_is_said(tmp_path: Path) -> None:
    """A job of another version stays as it is, and so does the record of it."""
    unknown = job("0b", JobState.RUNNING, kind="from.the.future")
    await asyncio.to_thread(mirror(tmp_path).write, unknown)
    (settled,) = await settle(settings(tmp_path), ManualClock(), ended_well=False)
    assert (settled.id, settled.state) == ("0b", JobState.STUCK)
    assert list(await asyncio.to_thread(mirror(tmp_path).read)) == [unknown]


async def test_where_no_daemon_ever_ran_nothing_is_made(tmp_path: Path) -> None:
    """Not even the folder of the state."""
    assert list(await settle(settings(tmp_path), ManualClock(), ended_well=False)) == []
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []
    assert settling.LIMIT_SECONDS < 120
