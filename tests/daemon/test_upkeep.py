"""The supervisor looking after its own database and its watchdog."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from semsupervisor.daemon.upkeep import STALLED_INTERVALS, StoreWatch, works
from semsupervisor.health.probing import ProbeReport
from semsupervisor.kit.clock import Instant, SystemClock
from semsupervisor.store import journal as journal_module
from semsupervisor.store.database import Migration, Store
from semsupervisor.store.journal import Journal

MIGRATIONS = (Migration(1, "CREATE TABLE words (word TEXT PRIMARY KEY)"),)
CLOCK = SystemClock()


class Saved:
    """Counts how often it was asked to load, or to write everything again."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self) -> None:
        """Save, in pretence."""
        self.times += 1


def watch(path: Path) -> tuple[Store, Journal, Saved, StoreWatch]:
    """Make a store and its watch."""
    store = Store(path, MIGRATIONS, CLOCK)
    journal, saved = Journal(store), Saved()
    return store, journal, saved, StoreWatch(store, journal, CLOCK, Saved(), saved)


async def test_healthy_store_is_writable_and_left_alone(tmp_path: Path) -> None:
    """A database that works is said to be writable, and nothing is written again."""
    store, _, saved, watching = watch(tmp_path / "state.db")
    (seen,) = await watching.observe()
    await store.close()
    assert seen.facts == {"writable": True, "set_aside": False}
    assert not seen.evidence
    assert saved.times == 0


async def test_store_that_cannot_be_used_is_said_with_its_reason_and_recovers(tmp_path: Path) -> None:
    """While the folder cannot be made changes wait; once it can they reach the disk by themselves."""
    blocker = tmp_path / "state"
    blocker.write_text("")
    store, journal, _, watching = watch(blocker / "state.db")
    assert not await journal.commit(lambda db: db.execute("INSERT OR IGNORE INTO words VALUES ('kept')"))
    (seen,) = await watching.observe()
    assert seen.facts["writable"] is False
    assert str(blocker) in seen.evidence["error"]
    blocker.unlink()
    (seen,) = await watching.observe()
    rows = await store.read(lambda db: db.execute("SELECT word FROM words").fetchall())
    await store.close()
    assert seen.facts["writable"] is True
    assert rows == [("kept",)]


async def test_a_full_disk_is_the_reason_although_the_database_can_be_read(tmp_path: Path) -> None:
    """That reading goes well does not hide why what waits cannot be written."""
    store, journal, _, watching = watch(tmp_path / "state.db")
    await watching.observe()

    def write_on_a_full_disk(db: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    assert not await journal.commit(write_on_a_full_disk)
    (seen,) = await watching.observe()
    await store.close()
    assert seen.facts["writable"] is False
    assert "disk is full" in seen.evidence["error"]


async def test_database_broken_while_running_is_written_again_once(tmp_path: Path) -> None:
    """After a database was set aside at run time everything that is open goes into the fresh one, one time."""
    path = tmp_path / "state.db"
    store, journal, saved, watching = watch(path)
    await watching.observe()

    def break_it(db: sqlite3.Connection) -> None:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    assert not await journal.commit(break_it)
    broken_twice = await watching.observe()
    again = await watching.observe()
    await store.close()
    assert broken_twice[0].facts["set_aside"] is True
    assert again[0].evidence["moved_to"].startswith(f"{path}.broken-")
    assert saved.times >= 1


async def test_what_was_forgotten_is_written_again_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When changes were too many to wait for the disk, everything is written after it works, and not before."""
    monkeypatch.setattr(journal_module, "MOST_WAITING", 1)
    blocker = tmp_path / "state"
    blocker.write_text("")
    store, journal, saved, watching = watch(blocker / "state.db")
    for _ in range(3):
        await journal.commit(lambda db: db.execute("INSERT OR IGNORE INTO words VALUES ('kept')"))
    await watching.observe()
    before = saved.times
    blocker.unlink()
    await watching.observe()
    await watching.observe()
    await store.close()
    assert (before, saved.times) == (0, 1)


def test_watchdog_is_fed_while_probes_end() -> None:
    """One probe that ended lately is enough; when none did for several intervals the schedule stands still."""
    now = CLOCK.instant()
    long_ago = Instant(now.wall - timedelta(hours=1), now.monotonic - 10 * STALLED_INTERVALS - 1)
    stuck = ProbeReport(name="stuck", interval_seconds=10.0, timeout_seconds=5.0, added=long_ago)
    running = msgspec.structs.replace(stuck, name="running", last_ended=now)
    assert works({}, CLOCK)
    assert works({"stuck": stuck, "running": running}, CLOCK)
    assert not works({"stuck": stuck}, CLOCK)
