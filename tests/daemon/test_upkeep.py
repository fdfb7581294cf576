"""The supervisor looking after its own database and its watchdog."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from semsupervisor.daemon import upkeep
from semsupervisor.daemon.predecessors import Predecessors
from semsupervisor.daemon.upkeep import REMOVED_SECONDS, STALLED_INTERVALS, Folders, StoreWatch, works
from semsupervisor.errors import StoreError
from semsupervisor.health.observation import FactValue, Subject
from semsupervisor.health.probing import ProbeReport
from semsupervisor.kit.clock import Clock, Instant, SystemClock
from semsupervisor.store import journal as journal_module
from semsupervisor.store.database import Migration, Store
from semsupervisor.store.journal import Change, Journal
from tests.support.clock import ManualClock

MIGRATIONS = (Migration(1, "CREATE TABLE words (word TEXT PRIMARY KEY)"),)
CLOCK = SystemClock()


class Known:
    """What a chapter knows, and how often it was written again; also the timeline's stand-in."""

    def __init__(self, journal: Journal) -> None:
        self.times = 0
        self.notes: list[str] = []
        journal.keeps(self.whole)

    def whole(self, _others_end: bool) -> Change:
        """Write a word, and count it."""

        def write(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR IGNORE INTO words VALUES ('known')")
            self.times += 1

        return write

    async def note(self, kind: str, subject: Subject, text: str, facts: Mapping[str, FactValue]) -> None:
        """Take a note."""
        self.notes.append(kind)


async def nothing_to_load() -> None:
    """Load, in pretence."""


def watch(path: Path, clock: Clock = CLOCK) -> tuple[Store, Journal, Known, StoreWatch]:
    """Make a store and its watch."""
    store = Store(path, MIGRATIONS, clock)
    journal = Journal(store)
    known = Known(journal)
    return store, journal, known, StoreWatch(store, journal, clock, nothing_to_load, known.note)


async def words(store: Store) -> list[str]:
    """Return what is on the disk."""
    return [row[0] for row in await store.read(lambda db: db.execute("SELECT word FROM words").fetchall())]


async def test_healthy_store_is_writable_and_left_alone(tmp_path: Path) -> None:
    """A database that works is said to be writable, and nothing is written again."""
    store, _, known, watching = watch(tmp_path / "state.db")
    (seen,) = await watching.observe()
    await store.close()
    assert seen.facts == {"writable": True, "set_aside": False, "removed": False}
    assert seen.evidence == {"path": str(tmp_path / "state.db")}
    assert (known.times, known.notes) == (0, [])


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
    kept = await words(store)
    await store.close()
    assert seen.facts["writable"] is True
    assert kept == ["kept"]


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
    store, journal, known, watching = watch(path)
    await watching.observe()

    def break_it(db: sqlite3.Connection) -> None:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    with pytest.raises(StoreError):
        await store.write(break_it)
    seen = [*await watching.observe(), *await watching.observe()]
    kept = await words(store)
    await store.close()
    assert [one.facts["set_aside"] for one in seen] == [True, True]
    assert seen[1].evidence["moved_to"].startswith(f"{path}.broken-")
    assert (known.times, kept) == (1, ["known"])
    assert journal.settled
    assert not path.with_name("state.db.salvage").exists()


async def test_a_state_that_is_taken_away_is_begun_anew_and_told(tmp_path: Path) -> None:
    """With its folder removed, what is known is in a new file at the next look, noted once, and told for a while."""
    path, clock = tmp_path / "state" / "state.db", ManualClock()
    store, journal, known, watching = watch(path, clock)
    await journal.commit(lambda db: db.execute("INSERT OR IGNORE INTO words VALUES ('old')"))
    before = await watching.observe()
    await asyncio.to_thread(shutil.rmtree, path.parent)
    seen = [*before, *await watching.observe(), *await watching.observe()]
    clock.advance(REMOVED_SECONDS)
    seen += await watching.observe()
    kept = await words(store)
    await store.close()
    assert [one.facts["removed"] for one in seen] == [False, True, True, False]
    assert (known.times, known.notes, kept) == (1, ["daemon.state_removed"], ["known"])
    assert path.is_file()


async def test_a_folder_that_cannot_be_made_again_says_what_to_do(tmp_path: Path) -> None:
    """While the removed folder cannot be made, the state is not writable, and restarting the service is the advice."""
    path = tmp_path / "there" / "state" / "state.db"
    store, _, known, watching = watch(path)
    await watching.observe()
    await asyncio.to_thread(shutil.rmtree, path.parent.parent)
    path.parent.parent.write_text("in the way")
    (seen,) = await watching.observe()
    assert (seen.facts["writable"], seen.facts["removed"], known.notes) == (False, False, [])
    assert "systemctl restart semsupervisor" in seen.evidence["error"]
    path.parent.parent.unlink()
    (seen,) = await watching.observe()
    await store.close()
    assert (seen.facts["writable"], seen.facts["removed"]) == (True, True)


async def test_what_was_forgotten_is_written_again_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When changes were too many to wait for the disk, everything is written after it works, and not before."""
    monkeypatch.setattr(journal_module, "MOST_WAITING", 1)
    blocker = tmp_path / "state"
    blocker.write_text("")
    store, journal, known, watching = watch(blocker / "state.db")
    for _ in range(3):
        await journal.commit(lambda db: db.execute("INSERT OR IGNORE INTO words VALUES ('kept')"))
    await watching.observe()
    before = known.times
    blocker.unlink()
    await watching.observe()
    await watching.observe()
    kept = await words(store)
    await store.close()
    assert (before, known.times) == (0, 1)
    assert sorted(kept) == ["kept", "known"]


async def test_folders_on_a_hung_disk_hold_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a hanging disk does not tell stays as it was, and the look ends in time."""
    monkeypatch.setattr(upkeep, "LOOK_SECONDS", 0.05)
    folders = Folders(tmp_path / "state.db", tmp_path, Predecessors(str(tmp_path)))
    await asyncio.to_thread((tmp_path / "state.db").write_bytes, b"12345")
    await folders.look()
    free = threading.Event()
    monkeypatch.setattr(folders, "_size", lambda: free.wait(30))
    await folders.look()
    await folders.look()
    free.set()
    assert (folders.state_bytes, folders.stack_exists) == (5, True)


def test_watchdog_is_fed_while_probes_end() -> None:
    """One probe that ended lately is enough; when none did for several intervals the schedule stands still."""
    now = CLOCK.instant()
    long_ago = Instant(now.wall - timedelta(hours=1), now.monotonic - 10 * STALLED_INTERVALS - 1)
    stuck = ProbeReport(name="stuck", interval_seconds=10.0, timeout_seconds=5.0, added=long_ago)
    running = msgspec.structs.replace(stuck, name="running", last_ended=now)
    assert works({}, CLOCK)
    assert works({"stuck": stuck, "running": running}, CLOCK)
    assert not works({"stuck": stuck}, CLOCK)
