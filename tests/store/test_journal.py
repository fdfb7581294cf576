"""Changes reach the database in order and once, through a full disk, a missing folder and a cancelled caller."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from semsupervisor.store import journal as journal_module
from semsupervisor.store.database import Migration, Store
from semsupervisor.store.journal import Change, Journal
from tests.support.clock import ManualClock
from tests.support.disks import SmallDisk
from tests.support.logs import Logs

pytestmark = pytest.mark.usefixtures("logs")

LINES = Migration(1, "CREATE TABLE lines (number INTEGER PRIMARY KEY, line TEXT NOT NULL)")


def adding(line: str) -> Change:
    """Return a change that adds a line."""
    return lambda connection: connection.execute("INSERT INTO lines (line) VALUES (?)", (line,))


class Kept:
    """A journal on a database whose folder can be taken away and given back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "state"
        self.store = Store(self._folder / "state.db", (LINES,), ManualClock())
        self.journal = Journal(self.store)

    def refuse(self) -> None:
        """Let the store fail, from before its first use, by a file where its folder should be."""
        self._folder.write_text("in the way")

    def allow(self) -> None:
        """Let the store work again."""
        self._folder.unlink()

    async def lines(self) -> list[str]:
        """Return what is on the disk, in the order in which it was written."""
        rows = await self.store.read(lambda db: db.execute("SELECT line FROM lines ORDER BY number").fetchall())
        return [row[0] for row in rows]


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    """Return a journal in the test's folder and close its store after the test."""
    kept = Kept(tmp_path)
    yield kept
    await kept.store.close()


async def test_a_commit_is_on_the_disk_when_it_returns(kept: Kept) -> None:
    """While the store works nothing waits, and what follows in memory follows at once."""
    followed: list[str] = []
    assert await kept.journal.commit(adding("one"), lambda: followed.append("one"))
    assert (await kept.lines(), followed, kept.journal.waiting) == (["one"], ["one"], 0)


async def test_changes_wait_for_the_store_in_their_order(kept: Kept, logs: Logs) -> None:
    """While the store fails all goes on from memory; the first commit that works takes along what waits, in order."""
    kept.refuse()
    followed: list[str] = []
    for line in ("one", "two"):
        assert not await kept.journal.commit(adding(line), partial(followed.append, line))
    assert (followed, kept.journal.waiting) == (["one", "two"], 2)
    kept.allow()
    assert await kept.journal.commit(adding("three"))
    assert (await kept.lines(), kept.journal.waiting) == (["one", "two", "three"], 0)
    assert [entry["event"] for entry in logs] == ["journal.waiting", "journal.caught_up"]


async def test_catching_up_needs_no_new_change(kept: Kept) -> None:
    """What waits is written as soon as somebody tries; before that, and with nothing waiting, trying harms nothing."""
    assert await kept.journal.catch_up()
    kept.refuse()
    await kept.journal.commit(adding("one"))
    assert not await kept.journal.catch_up()
    kept.allow()
    assert await kept.journal.catch_up()
    assert await kept.journal.catch_up()
    assert (await kept.lines(), kept.journal.waiting) == (["one"], 0)


async def test_a_full_disk_loses_nothing_and_repeats_nothing(small_disk: SmallDisk) -> None:
    """Over the time in which a disk is full, every line is written once and in order."""
    kept = Kept(small_disk.folder)
    large = "x" * 50_000
    lines = [f"{number} {large}" for number in range(12)]
    on_disk = [await kept.journal.commit(adding(line)) for line in lines[:2]]
    small_disk.fill()
    on_disk += [await kept.journal.commit(adding(line)) for line in lines[2:10]]
    small_disk.free()
    on_disk += [await kept.journal.commit(adding(line)) for line in lines[10:]]
    assert on_disk[:2] + on_disk[10:] == [True] * 4
    assert not all(on_disk)
    assert await kept.lines() == lines
    await kept.store.close()


async def test_a_database_that_breaks_takes_no_change_along(kept: Kept) -> None:
    """The change that meets a broken database is written into the fresh one."""
    many = [("x" * 3500,)] * 400
    await kept.journal.commit(lambda db: db.executemany("INSERT INTO lines (line) VALUES (?)", many))
    await kept.journal.commit(lambda db: db.execute("PRAGMA cache_size=-8").fetchall())
    with kept.store.path.open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\xff" * 4096 * 100)
    outcomes = [await kept.journal.commit(adding(f"after {number}")) for number in range(3)]
    outcomes.append(await kept.journal.catch_up())
    assert outcomes[-1]
    assert (await kept.lines())[-3:] == ["after 0", "after 1", "after 2"]


async def test_many_at_once_are_written_one_after_the_other(kept: Kept) -> None:
    """Changes of many tasks arrive in the order in which they asked."""
    async with asyncio.TaskGroup() as group:
        for number in range(30):
            group.create_task(kept.journal.commit(adding(str(number))))
    assert await kept.lines() == [str(number) for number in range(30)]


async def test_a_cancelled_caller_leaves_memory_and_disk_the_same(kept: Kept) -> None:
    """Cancelled while the disk writes, a commit is finished, in memory as well, before the caller ends."""
    followed: list[str] = []
    await kept.store.open()
    for number in range(20):
        line = str(number)
        call = asyncio.get_running_loop().create_task(kept.journal.commit(adding(line), partial(followed.append, line)))
        for _ in range(number % 5):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([call])
    assert await kept.lines() == followed
    assert len(followed) > 10


async def test_a_faulty_change_is_its_callers_fault(kept: Kept) -> None:
    """A change that fails by itself is raised, does not wait, and nothing follows from it."""
    followed: list[str] = []
    with pytest.raises(sqlite3.OperationalError):
        await kept.journal.commit(lambda db: db.execute("INSERT INTO nowhere VALUES (1)"), lambda: followed.append("x"))
    assert (followed, kept.journal.waiting) == ([], 0)


async def test_memory_holds_only_so_many(kept: Kept, monkeypatch: pytest.MonkeyPatch, logs: Logs) -> None:
    """When too many wait, the oldest are forgotten, and that is counted, and said once."""
    monkeypatch.setattr(journal_module, "MOST_WAITING", 3)
    kept.refuse()
    for number in range(5):
        await kept.journal.commit(adding(str(number)))
    assert (kept.journal.waiting, kept.journal.forgotten_total) == (3, 2)
    kept.allow()
    await kept.journal.catch_up()
    assert await kept.lines() == ["2", "3", "4"]
    assert [entry["event"] for entry in logs] == ["journal.waiting", "journal.forgetting", "journal.caught_up"]


class Chapter:
    """A chapter that knows lines, and writes them again when asked; `asked` says for what."""

    def __init__(self, journal: Journal, *known: str) -> None:
        self.known = known
        self.asked: list[bool] = []
        journal.keeps(self.whole)

    def whole(self, others_end: bool) -> Change:
        """Write all lines known."""
        known = self.known

        def write(connection: sqlite3.Connection) -> None:
            self.asked.append(others_end)
            if others_end:
                connection.execute("DELETE FROM lines")
            connection.executemany("INSERT INTO lines (line) VALUES (?)", [(line,) for line in known])

        return write


async def test_what_is_known_goes_in_front_of_the_first_change_in_a_new_file(kept: Kept) -> None:
    """With the file taken away, the very change that finds it gone is written together with all that was lost."""
    chapter = Chapter(kept.journal, "known")
    assert await kept.journal.commit(adding("one"))
    kept.store.path.unlink()
    assert await kept.journal.commit(adding("two"))
    assert await kept.lines() == ["known", "two"]
    assert (chapter.asked, kept.journal.settled) == ([False], True)


async def test_what_was_forgotten_is_written_from_memory(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """After too many waited, what is known replaces what is on the disk, in front of those that waited still."""
    monkeypatch.setattr(journal_module, "MOST_WAITING", 1)
    await kept.journal.commit(adding("old"))
    chapter = Chapter(kept.journal, "known")
    await kept.store.close()
    kept.store = Store(kept.store.path, (LINES,), ManualClock())
    kept.store.path.rename(kept.store.path.with_name("hidden"))
    kept.store.path.mkdir()
    kept.journal = Journal(kept.store)
    chapter = Chapter(kept.journal, "known")
    for line in ("forgotten", "waiting"):
        assert not await kept.journal.commit(adding(line))
    kept.store.path.rmdir()
    kept.store.path.with_name("hidden").rename(kept.store.path)
    assert await kept.journal.catch_up()
    assert await kept.lines() == ["known", "waiting"]
    assert (chapter.asked, kept.journal.settled) == ([True], True)


async def test_a_file_that_never_stays_is_not_written_for_ever(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody takes every new file away at once changes wait, and nobody is held up; later all is written."""
    Chapter(kept.journal, "known")
    assert await kept.journal.commit(adding("one"))
    with monkeypatch.context() as patch:
        patch.setattr(kept.store._presence, "holds", lambda: False)
        assert not await kept.journal.commit(adding("two"))
    assert kept.journal.waiting == 1
    assert await kept.journal.commit(adding("three"))
    assert await kept.lines() == ["one", "known", "two", "three"]
