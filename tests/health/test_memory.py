"""What is known of the services survives, and reaches the disk with what follows from it or after that."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from semsupervisor.errors import StoreError
from semsupervisor.health.engines import Bookmark
from semsupervisor.health.memory import MIGRATIONS, Memory, Remembered
from semsupervisor.health.services import Ending, Service, ServiceState
from semsupervisor.store import journal as journal_module
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Journal
from semsupervisor.systems.containers import Owner
from tests.support.clock import ManualClock

MARK = Bookmark(last_event_nano=1, boot_id="boot", engine="engine")
ALIVE = Service(name="nats", owner=Owner("project", "nats"), container="c1", state=ServiceState.RUNNING)
DEAD = msgspec.structs.replace(ALIVE, state=ServiceState.EXITED, ending=Ending.DIED, exit_code=137)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Return an empty state database."""
    store = Store(tmp_path / "state.db", MIGRATIONS, ManualClock())
    yield store
    await store.close()


@pytest.fixture
def memory(store: Store) -> Memory:
    """Return the memory of one run."""
    return Memory(store, Journal(store), "project")


async def kept(store: Store) -> Remembered:
    """Return what another run finds."""
    return await Memory(store, Journal(store), "project").load()


async def test_another_run_finds_what_was_kept(memory: Memory, store: Store) -> None:
    """Services and bookmark come back as they were; of another project nothing is found."""
    await memory.save(MARK, {"nats": DEAD})
    assert await kept(store) == Remembered(MARK, {"nats": DEAD})
    assert await Memory(store, Journal(store), "other").load() == Remembered(None, {})


async def test_what_did_not_change_is_not_written(memory: Memory, store: Store) -> None:
    """A later stamp alone moves no bookmark; a change of a service does, and what is gone is forgotten."""
    await memory.save(MARK, {"nats": ALIVE})
    later = msgspec.structs.replace(MARK, last_event_nano=2)
    assert memory.companion(later, {"nats": ALIVE}) is None
    await memory.save(later, {})
    assert await kept(store) == Remembered(later, {})


async def test_a_companion_that_goes_to_the_disk_leaves_nothing_to_keep(memory: Memory, store: Store) -> None:
    """What was written in the transaction of something else is kept, and needs no second writing."""
    companion = memory.companion(MARK, {"nats": DEAD})
    assert companion is not None
    await Journal(store).commit(companion.change, companion.then)
    assert await kept(store) == Remembered(MARK, {"nats": DEAD})
    assert memory.companion(MARK, {"nats": DEAD}) is None


async def test_a_companion_that_is_not_used_changes_nothing(memory: Memory, store: Store) -> None:
    """What nobody wrote is still to be kept."""
    assert memory.companion(MARK, {"nats": DEAD}) is not None
    assert await kept(store) == Remembered(None, {})
    assert memory.companion(MARK, {"nats": DEAD}) is not None


async def test_a_row_of_another_version_counts_as_not_kept(memory: Memory, store: Store) -> None:
    """A service that cannot be read is looked at as if for the first time; the others come back."""
    await memory.save(MARK, {"nats": DEAD, "other": msgspec.structs.replace(ALIVE, name="other")})
    await store.write(lambda db: db.execute("UPDATE services SET body = '{}' WHERE name = 'nats'"))
    assert (await kept(store)).services.keys() == {"other"}


async def test_a_database_begun_afresh_is_told_everything(memory: Memory, store: Store) -> None:
    """What was kept in a database that broke is not kept any more, and is written again though nothing changed."""
    await memory.save(MARK, {"nats": DEAD})

    def break_it(connection: sqlite3.Connection) -> None:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    with pytest.raises(StoreError):
        await store.write(break_it)
    await store.end_salvage()
    assert await kept(store) == Remembered(None, {})
    await memory.save(MARK, {"nats": DEAD})
    assert await kept(store) == Remembered(MARK, {"nats": DEAD})
    assert memory.companion(MARK, {"nats": DEAD}) is None


async def test_what_was_forgotten_while_it_waited_is_written_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the disk works again everything is written, and no row stays that should have gone."""
    monkeypatch.setattr(journal_module, "MOST_WAITING", 1)
    journal = Journal(store)
    memory = Memory(store, journal, "project")
    await memory.save(MARK, {"nats": DEAD})
    full = True

    def full_for_a_while(connection: sqlite3.Connection) -> None:
        if full:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error

    await memory.save(MARK, {"nats": ALIVE})
    await store.write(lambda db: db.execute("UPDATE services SET name = 'gone'"))
    await journal.commit(full_for_a_while)
    await journal.commit(full_for_a_while)
    assert (journal.waiting, journal.forgotten_total) == (1, 1)
    assert memory.companion(MARK, {"nats": ALIVE}) is None
    full = False
    assert await journal.catch_up()
    await memory.save(MARK, {"nats": ALIVE})
    assert await kept(store) == Remembered(MARK, {"nats": ALIVE})
    assert memory.companion(MARK, {"nats": ALIVE}) is None


async def test_what_a_broken_database_kept_is_known_and_kept_again(tmp_path: Path) -> None:
    """Set aside at a start, it is read from the copy, and written into the new database before anything changes."""
    broken = Store(tmp_path / "state.db", MIGRATIONS, ManualClock())
    await Memory(broken, Journal(broken), "project").save(MARK, {"nats": DEAD})

    def break_it(connection: sqlite3.Connection) -> None:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    with pytest.raises(StoreError):
        await broken.write(break_it)
    assert await kept(broken) == Remembered(MARK, {"nats": DEAD})
    await broken.end_salvage()
    assert await kept(broken) == Remembered(MARK, {"nats": DEAD})
    await broken.close()
