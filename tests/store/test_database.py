"""The state database on real files and disks: durable, exclusive, migrated; broken, full and read-only survived."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from semsupervisor.errors import StoreError
from semsupervisor.store import worker
from semsupervisor.store.database import Migration, StateLocked, StateTooNew, Store
from tests.support.clock import ManualClock
from tests.support.commands import REPOSITORY, run
from tests.support.disks import SmallDisk
from tests.support.logs import Logs
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("logs")

WORDS = Migration(1, "CREATE TABLE words (number INTEGER PRIMARY KEY, word TEXT NOT NULL)")
OPEN_AND_WAIT = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA locking_mode=EXCLUSIVE")
connection.execute("BEGIN IMMEDIATE")
print("open", flush=True)
sys.stdin.read()
"""


def inserting(word: str) -> Callable[[sqlite3.Connection], object]:
    """Return a change that adds a word."""
    return lambda connection: connection.execute("INSERT INTO words (word) VALUES (?)", (word,))


def words(connection: sqlite3.Connection) -> list[str]:
    """Return all words, in the order in which they were written."""
    return [row[0] for row in connection.execute("SELECT word FROM words ORDER BY number")]


def overwrite(path: Path, offset: int, garbage: bytes) -> None:
    """Damage a file in place."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(garbage)


def garbage_file(path: Path) -> None:
    """Leave nothing of a database."""
    path.write_bytes(os.urandom(8192))


def cut_short(path: Path) -> None:
    """Lose the last third, as after a file system check."""
    os.truncate(path, path.stat().st_size // 3 * 2)


def flipped_pages(path: Path) -> None:
    """Overwrite one page in the middle; the header stays whole."""
    overwrite(path, 4096 * 8, os.urandom(4096))


DAMAGES = [garbage_file, cut_short, flipped_pages]


class Stores:
    """Opens stores and closes them after the test."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state" / "state.db"
        self.clock = ManualClock()
        self._stores: list[Store] = []

    def new(self, *migrations: Migration) -> Store:
        """Return a store on the test's file, with the table of words unless others are given."""
        store = Store(self.path, migrations or (WORDS,), self.clock)
        self._stores.append(store)
        return store

    async def filled(self, *kept: str) -> None:
        """Write a database of some twenty pages that begins with the given words, and close it."""
        store = self.new()
        for word in kept:
            await store.write(inserting(word))
        for number in range(20):
            await store.write(inserting(f"{number} " + "x" * 3500))
        await self.close()

    async def close_oldest(self) -> None:
        """Close the store that was opened first."""
        await self._stores.pop(0).close()

    async def close(self) -> None:
        """Close all that is open."""
        while self._stores:
            await self._stores.pop().close()


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    """Return what opens stores in the test's folder."""
    stores = Stores(tmp_path)
    yield stores
    await stores.close()


@pytest.fixture
async def on_small_disk(small_disk: SmallDisk) -> AsyncIterator[Stores]:
    """Return what opens stores on a disk that can be filled."""
    stores = Stores(small_disk.folder)
    yield stores
    await stores.close()


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[Path]:
    """Return a folder in which the test may not write."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    if os.geteuid() != 0:
        yield folder
        return
    os.seteuid(65534)
    try:
        yield folder
    finally:
        os.seteuid(0)


def pragma(name: str) -> Callable[[sqlite3.Connection], object]:
    """Return a query for one setting of the connection."""
    return lambda connection: connection.execute(f"PRAGMA {name}").fetchone()[0]


async def test_a_commit_is_on_the_disk(stores: Stores) -> None:
    """Write-ahead log, synced at every commit, one holder: the settings that durability rests on are in force."""
    store = stores.new()
    await store.open()
    names = ("journal_mode", "synchronous", "locking_mode", "wal_autocheckpoint", "journal_size_limit")
    assert [await store.read(pragma(name)) for name in names] == ["wal", 2, "exclusive", 200, 1048576]


async def test_the_state_is_for_the_daemon_alone(stores: Stores) -> None:
    """The missing folder is made; nobody else may look into it or into the file; no shared memory is needed."""
    await stores.new().open()
    assert stores.path.parent.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in stores.path.parent.iterdir()} == {
        "state.db": 0o600,
        "state.db-wal": 0o600,
    }


async def test_what_is_written_is_read_after_a_restart(stores: Stores) -> None:
    """A write returns what the change returns; closing folds the log in; the next store reads all."""
    store = stores.new()
    number = await store.write(lambda db: db.execute("INSERT INTO words (word) VALUES ('one')").lastrowid)
    assert number == 1
    await stores.close()
    assert [path.name for path in stores.path.parent.iterdir()] == ["state.db"]
    assert await stores.new().read(words) == ["one"]


async def test_a_failing_change_leaves_nothing(stores: Stores) -> None:
    """A change is kept whole or not at all; its error reaches the caller as it is, and the store goes on."""
    store = stores.new()

    def change(connection: sqlite3.Connection) -> None:
        inserting("half")(connection)
        raise KeyError("second half")

    with pytest.raises(KeyError):
        await store.write(change)
    await store.write(inserting("whole"))
    assert await store.read(words) == ["whole"]


@pytest.mark.parametrize("statement", ["INSERT INTO nowhere VALUES (1)", "INSERT INTO words VALUES (1, NULL)"])
async def test_a_faulty_statement_is_no_trouble_of_the_disk(stores: Stores, statement: str) -> None:
    """What no later try would mend is not called temporary, and does not say that the disk fails."""
    store = stores.new()
    with pytest.raises(sqlite3.Error):
        await store.write(lambda connection: connection.execute(statement))
    assert store.problem == ""
    await store.write(inserting("next"))


async def test_a_second_daemon_is_refused(stores: Stores) -> None:
    """Who opens a state that another store holds is told so, and by what to end it; nothing is damaged."""
    first, second = stores.new(), stores.new()
    await first.write(inserting("mine"))
    with pytest.raises(StateLocked, match=r"state\.db is in use: another semsupervisor .* stop it"):
        await second.open()
    assert await first.read(words) == ["mine"]
    await stores.close()
    assert await stores.new().read(words) == ["mine"]


async def test_a_lock_of_another_process_is_respected(stores: Stores) -> None:
    """Another process that holds the database keeps the daemon out until it ends."""
    await stores.filled("kept")
    command = [sys.executable, "-c", OPEN_AND_WAIT, str(stores.path)]
    with subprocess.Popen(  # noqa: ASYNC220 - the other process has to be there before anything else happens
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        store = stores.new()
        with pytest.raises(StateLocked):
            await store.open()
        other.communicate()
    assert (await store.read(words))[0] == "kept"


async def test_a_state_held_by_another_is_waited_for_at_run_time(stores: Stores) -> None:
    """A daemon that runs already does not give up when it cannot get its state back: that is temporary by then."""
    first, second = stores.new(), stores.new()
    await first.open()
    with pytest.raises(StoreError, match="in use"):
        await second.write(inserting("later"))
    assert "in use" in second.problem
    await stores.close_oldest()
    await second.write(inserting("later"))
    assert second.problem == ""


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_broken_database_is_set_aside_at_the_start(
    stores: Stores, damage: Callable[[Path], None], logs: Logs
) -> None:
    """Whatever is broken about the file, it is moved away whole, that is said, and a fresh one is begun."""
    await stores.filled("old")
    damage(stores.path)
    broken = stores.path.read_bytes()
    store = stores.new()
    await store.open()
    await store.write(inserting("new"))
    assert await store.read(words) == ["new"]
    assert store.set_aside == stores.path.with_name("state.db.broken-20260301-120000")
    assert store.set_aside.read_bytes() == broken
    assert [entry["event"] for entry in logs] == ["store.set_aside"]
    assert logs[0]["moved_to"] == str(store.set_aside)


async def test_what_was_in_the_log_only_is_salvaged_too(stores: Stores) -> None:
    """Rows that a crash left in the write-ahead log alone are in the copy, and not in the fresh database."""
    await stores.filled("old")
    store = stores.new()
    await store.write(inserting("newest"))
    crashed = {path: path.read_bytes() for path in stores.path.parent.iterdir()}
    await stores.close()
    for path, content in crashed.items():
        path.write_bytes(content)
    flipped_pages(stores.path)
    store = stores.new()
    assert await store.salvage("SELECT word FROM words WHERE number > 21") == [("newest",)]
    assert await store.read(words) == []


async def test_a_database_that_breaks_while_it_is_used_is_set_aside(stores: Stores) -> None:
    """The call that meets the damage says that it is temporary; the next one works, on a fresh database."""
    store = stores.new()
    many = [("x" * 3500,)] * 400  # more than the connection keeps in memory
    await store.write(lambda connection: connection.executemany("INSERT INTO words (word) VALUES (?)", many))
    await stores.close()
    store = stores.new()
    await store.open()
    for page in range(2, stores.path.stat().st_size // 4096):
        overwrite(stores.path, page * 4096, os.urandom(4096))
    with pytest.raises(StoreError, match="malformed"):
        await store.read(words)
    assert "malformed" in store.problem
    assert store.set_aside is not None
    await store.write(inserting("new"))
    assert await store.read(words) == ["new"]
    assert store.problem == ""


async def test_two_broken_databases_in_one_second_are_both_kept(stores: Stores) -> None:
    """The second is not moved onto the first, also where the clock stands still."""
    stores.path.parent.mkdir()
    asides = []
    for number in range(3):
        stores.path.write_bytes(b"no database %d" % number * 500)
        store = stores.new()
        await store.open()
        await stores.close()
        assert store.set_aside is not None
        asides.append(store.set_aside)
    assert [path.read_bytes()[:13] for path in asides] == [b"no database 0", b"no database 1", b"no database 2"]


async def test_an_empty_file_is_a_new_database(stores: Stores) -> None:
    """A file that a power cut left empty is no damage."""
    stores.path.parent.mkdir()
    stores.path.touch()
    store = stores.new()
    await store.write(inserting("new"))
    assert store.set_aside is None


async def test_what_can_still_be_read_is_salvaged(stores: Stores, logs: Logs) -> None:
    """Rows before the damage come out of the copy, which stays as it is; what could not be read is said."""
    await stores.filled("first", "second")
    flipped_pages(stores.path)
    store = stores.new()
    await store.open()
    assert store.set_aside is not None
    broken = store.set_aside.read_bytes()
    rows = await store.salvage("SELECT word FROM words WHERE number <= ? ORDER BY number", (2,))
    assert rows == [("first",), ("second",)]
    some = await store.salvage("SELECT word FROM words ORDER BY number")
    assert some[:2] == [("first",), ("second",)]
    assert len(some) < 22
    assert logs[-1]["event"] == "store.salvage_incomplete"
    assert logs[-1]["rows"] == len(some)
    assert store.set_aside.read_bytes() == broken


async def test_nothing_is_salvaged_of_nothing(stores: Stores) -> None:
    """Without a broken database, and from one of which nothing is left, no rows come and nothing fails."""
    store = stores.new()
    await store.open()
    assert await store.salvage("SELECT word FROM words") == []
    await stores.close()
    garbage_file(stores.path)
    store = stores.new()
    await store.open()
    assert await store.salvage("SELECT word FROM words") == []


async def test_a_newer_schema_is_refused(stores: Stores) -> None:
    """A downgraded program does not touch what it does not understand, and says what to do."""
    await stores.new(WORDS, Migration(7, "CREATE TABLE later (x)")).open()
    await stores.close()
    before = stores.path.read_bytes()
    with pytest.raises(StateTooNew, match=r"newer version.*schema 7.*install the newer semsupervisor"):
        await stores.new().open()
    assert stores.path.read_bytes() == before


SCHEMA = (
    WORDS,
    Migration(2, "ALTER TABLE words ADD COLUMN length INTEGER; UPDATE words SET length = length(word)"),
    Migration(5, "CREATE TABLE other (x)"),
    Migration(9, "CREATE INDEX words_by_length ON words (length);"),
)


@pytest.mark.parametrize("known", range(1, len(SCHEMA)))
async def test_every_earlier_schema_is_migrated(stores: Stores, known: int) -> None:
    """From whatever version the state comes, its rows are there afterwards, in the newest schema."""
    earlier = stores.new(*SCHEMA[:known])
    await earlier.write(inserting("four"))
    await stores.close()
    store = stores.new(*reversed(SCHEMA))
    rows = await store.read(
        lambda db: db.execute("SELECT word, length FROM words INDEXED BY words_by_length").fetchall()
    )
    assert rows == [("four", 4 if known < 2 else None)]
    numbers = await store.read(lambda db: db.execute("SELECT number FROM migrations ORDER BY number").fetchall())
    assert [row[0] for row in numbers] == [1, 2, 5, 9]


async def test_a_chapter_that_migrates_later_is_not_passed_over(stores: Stores) -> None:
    """A step whose number lies below one that was applied already is applied all the same."""
    await stores.new(SCHEMA[0], SCHEMA[2]).open()
    await stores.close()
    store = stores.new(*SCHEMA)
    assert await store.read(lambda db: db.execute("SELECT length FROM words").fetchall()) == []


async def test_a_migration_is_made_whole_or_not_at_all(stores: Stores) -> None:
    """A step that fails half way leaves the schema of before, and the corrected step starts from there."""
    await stores.filled("kept")
    faulty = Migration(2, "CREATE TABLE half (x); CREATE TABLE words (x)")
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        await stores.new(WORDS, faulty).open()
    store = stores.new(WORDS, Migration(2, "CREATE TABLE half (x)"))
    assert (await store.read(words))[0] == "kept"


async def test_a_state_that_cannot_be_begun_on_a_full_disk_is_begun_later(
    on_small_disk: Stores, small_disk: SmallDisk
) -> None:
    """The first start on a full disk says what to do, and works by itself once there is space."""
    small_disk.fill()
    store = on_small_disk.new()
    with pytest.raises(StoreError, match=r"free space on its disk"):
        await store.open()
    assert store.problem
    small_disk.free()
    await store.write(inserting("first"))
    assert (await store.read(words), store.problem, store.set_aside) == (["first"], "", None)


async def test_a_state_is_opened_and_read_on_a_full_disk(on_small_disk: Stores, small_disk: SmallDisk) -> None:
    """A daemon that starts on a full disk knows what it knew."""
    await on_small_disk.filled("kept")
    small_disk.fill()
    store = on_small_disk.new()
    await store.open()
    assert (await store.read(words))[0] == "kept"


async def test_writes_on_a_full_disk_fail_whole_and_work_again(on_small_disk: Stores, small_disk: SmallDisk) -> None:
    """While the disk is full each write says so and leaves nothing; reads go on; freed, it works without a restart."""
    store = on_small_disk.new()
    await store.write(inserting("before"))
    small_disk.fill()
    large = "x" * 200_000
    for _ in range(3):
        with pytest.raises(StoreError, match=r"full; free space on its disk"):
            await store.write(inserting(large))
    assert "full" in store.problem
    assert await store.read(words) == ["before"]
    assert "full" in store.problem
    small_disk.free()
    await store.write(inserting("after"))
    assert (await store.read(words), store.problem, store.set_aside) == (["before", "after"], "", None)
    await on_small_disk.close()
    assert await on_small_disk.new().read(words) == ["before", "after"]


async def test_a_read_only_file_system_is_named_and_survived(on_small_disk: Stores, small_disk: SmallDisk) -> None:
    """On a file system that turned read-only the cause is said; mounted for writing again, all is there."""
    await on_small_disk.filled("kept")
    small_disk.remount("ro")
    store = on_small_disk.new()
    with pytest.raises(StoreError, match=r"read-only: check its disk"):
        await store.open()
    small_disk.remount("rw")
    assert (await store.read(words))[0] == "kept"


async def test_a_disk_that_fails_under_the_daemon_is_survived(on_small_disk: Stores, small_disk: SmallDisk) -> None:
    """When the kernel turns the disk read-only in mid-work, writes say so; after its repair nothing is lost."""
    store = on_small_disk.new()
    await store.write(inserting("before"))
    small_disk.fail()
    for _ in range(2):
        with pytest.raises(StoreError, match=r"check its disk \(dmesg\)|read-only"):
            await store.write(inserting("lost"))
    small_disk.repair()
    await store.write(inserting("after"))
    assert (await store.read(words), store.set_aside) == (["before", "after"], None)


async def test_a_broken_database_that_cannot_be_moved_is_temporary_trouble(
    on_small_disk: Stores, small_disk: SmallDisk
) -> None:
    """Broken and on a read-only file system: nothing is overwritten, and it is set aside when that can be done."""
    await on_small_disk.filled("kept")
    garbage_file(on_small_disk.path)
    small_disk.remount("ro")
    store = on_small_disk.new()
    for _ in range(2):
        with pytest.raises(StoreError):
            await store.write(inserting("new"))
    small_disk.remount("rw")
    await store.write(inserting("new"))
    assert store.set_aside is not None


async def test_a_folder_that_may_not_be_written_is_named(unprivileged: Path) -> None:
    """Without the right to write, the error names the path and says what to do."""
    store = Store(unprivileged / "state.db", (WORDS,), ManualClock())
    with pytest.raises(StoreError, match=rf"{unprivileged}.*let the daemon's user write to its folder"):
        await store.open()
    await store.close()


async def test_a_folder_that_is_none_is_named(stores: Stores) -> None:
    """With a file in the folder's place it is said, and works once that file is gone."""
    stores.path.parent.write_text("in the way")
    store = stores.new()
    with pytest.raises(StoreError, match="state"):
        await store.open()
    stores.path.parent.unlink()
    await store.open()


async def test_a_disk_that_hangs_is_trouble_that_ends(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that gets no answer fails, those behind it at once; when the disk answers again, all goes on."""
    monkeypatch.setattr(worker, "ANSWER_SECONDS", 0.05)
    store = stores.new()
    await store.write(inserting("before"))
    answers = threading.Event()

    def hanging(connection: sqlite3.Connection) -> None:
        answers.wait(30)
        inserting("late")(connection)

    with pytest.raises(StoreError, match="does not answer"):
        await store.write(hanging)
    monkeypatch.setattr(worker, "ANSWER_SECONDS", 30.0)
    for call in (store.read(words), store.write(inserting("never"))):
        with pytest.raises(StoreError, match="does not answer"):
            await asyncio.wait_for(call, 5)
    assert "does not answer" in store.problem
    answers.set()
    await eventually(lambda: works(store))
    await store.write(inserting("after"))
    assert (await store.read(words), store.problem) == (["before", "late", "after"], "")


async def works(store: Store) -> bool:
    """Tell whether the store answers."""
    try:
        await store.read(words)
    except StoreError:
        return False
    return True


async def test_a_hanging_disk_does_not_hold_up_the_end(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing does not wait for a disk that hangs, and says that it could not close."""
    monkeypatch.setattr(worker, "ANSWER_SECONDS", 0.05)
    store, answers = stores.new(), threading.Event()
    with pytest.raises(StoreError, match="does not answer"):
        await store.write(lambda _: answers.wait(30))
    await stores.close()
    answers.set()


async def test_a_write_waits_for_one_read_at_most(stores: Stores) -> None:
    """However many read at the same time, what is to be written goes in between."""
    store, order = stores.new(), list[str]()
    await store.open()
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(store.read(lambda _: order.append("read")))
        group.create_task(store.write(lambda _: order.append("write")))
    assert order == ["read", "write", "read", "read", "read", "read"]


async def removed(stores: Stores) -> Store:
    """Return a store whose folder was removed after it had been written to."""
    store = stores.new()
    await store.write(inserting("old"))
    await asyncio.to_thread(shutil.rmtree, stores.path.parent)
    return store


async def test_a_folder_that_is_removed_is_begun_anew(stores: Stores, logs: Logs) -> None:
    """The next write goes to a new file that a later start finds, and not to one that has no name any more."""
    store = await removed(stores)
    await store.write(inserting("new"))
    assert (store.removed_total, store.generation, store.problem) == (1, 1, "")
    assert [entry["event"] for entry in logs] == ["store.removed"]
    await stores.close()
    assert await stores.new().read(words) == ["new"]


async def test_a_read_notices_a_removed_folder_too(stores: Stores) -> None:
    """What nobody writes to is looked at all the same."""
    store = await removed(stores)
    assert await store.read(words) == []
    assert store.removed_total == 1


async def test_a_file_that_is_replaced_is_opened(stores: Stores) -> None:
    """Moved away, the old file keeps all that it had; another in its place is the one that counts."""
    store = stores.new()
    await store.write(inserting("old"))
    elsewhere = stores.path.parent.with_name("elsewhere")
    stores.path.parent.rename(elsewhere)
    await store.write(inserting("new"))
    await stores.close()
    assert await stores.new().read(words) == ["new"]
    await stores.close()
    other = Store(elsewhere / "state.db", (WORDS,), stores.clock)
    assert await other.read(words) == ["old"]
    await other.close()


async def test_a_log_that_is_removed_loses_nothing(stores: Stores) -> None:
    """With only the write-ahead log deleted, what it held is in the database all the same."""
    store = stores.new()
    await store.write(inserting("old"))
    Path(f"{stores.path}-wal").unlink()
    await store.write(inserting("new"))
    await stores.close()
    assert await stores.new().read(words) == ["old", "new"]


async def test_a_disk_that_is_mounted_anew_is_written_to(on_small_disk: Stores, small_disk: SmallDisk) -> None:
    """With another file system under its name, the state is begun on that one."""
    store = on_small_disk.new()
    await store.write(inserting("below"))
    run(["mount", "-t", "tmpfs", "tmpfs", on_small_disk.path.parent])
    try:
        await store.write(inserting("above"))
        assert on_small_disk.path.exists()
        assert (await store.read(words), store.removed_total) == (["above"], 1)
        await on_small_disk.close()
    finally:
        run(["umount", on_small_disk.path.parent])
    assert await on_small_disk.new().read(words) == ["below"]


async def test_salvage_goes_on_at_a_later_start(stores: Stores) -> None:
    """A run that ends before all that was salvaged is on the disk leaves it to the next, and that to none."""
    await stores.filled("first")
    flipped_pages(stores.path)
    await stores.new().open()
    await stores.close()
    store = stores.new()
    assert (await store.salvage("SELECT word FROM words WHERE number = 1"), await store.read(words)) == (
        [("first",)],
        [],
    )
    assert store.set_aside is not None
    await store.end_salvage()
    assert await store.salvage("SELECT word FROM words WHERE number = 1") == []
    await stores.close()
    assert await stores.new().salvage("SELECT word FROM words WHERE number = 1") == []
