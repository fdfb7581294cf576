"""Broken databases beside the state: moved whole, read until that is done, through a kill at every instant."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from semsupervisor.kit.failpoints import VARIABLE
from semsupervisor.store.asides import KEPT, Asides
from tests.support.clock import ManualClock
from tests.support.commands import REPOSITORY
from tests.support.logs import Logs

pytestmark = pytest.mark.usefixtures("logs")

MOVE = """
import sys
from pathlib import Path
from semsupervisor.kit.clock import SystemClock
from semsupervisor.store.asides import Asides
asides = Asides(Path(sys.argv[1]), SystemClock())
asides.look()
asides.move("test")
asides.end_reading()
"""
POINTS = ["set_aside.marked:1", "set_aside.half_moved:1", "set_aside.half_moved:2", "set_aside.moved:1"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a database of one word, which is in its log alone, as a kill leaves it."""
    path = tmp_path / "state.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE words (word)")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("INSERT INTO words VALUES ('kept')")
    killed = {place: place.read_bytes() for place in (path, Path(f"{path}-wal"))}
    connection.close()
    for place, content in killed.items():
        place.write_bytes(content)
    return path


def looked(path: Path) -> Asides:
    """Return what a start finds."""
    asides = Asides(path, ManualClock())
    asides.look()
    return asides


def words(asides: Asides) -> list[str]:
    """Return what can be read of the copies."""
    return [word for (word,) in asides.rows("SELECT word FROM words", ())]


def kill_at(failpoint: str, path: Path) -> None:
    """Move the database away in a process that kills itself on the way."""
    command = [sys.executable, "-c", MOVE, str(path)]
    ended = subprocess.run(command, cwd=REPOSITORY, env={**os.environ, VARIABLE: failpoint}, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL


def test_a_moved_database_is_read_until_that_is_ended(path: Path) -> None:
    """Later starts read it as well; afterwards nobody does, and the copy stays."""
    asides = looked(path)
    target = asides.move("test")
    assert not path.exists()
    assert words(asides) == words(looked(path)) == ["kept"]
    looked(path).end_reading()
    assert words(looked(path)) == []
    assert target.exists()
    assert not path.with_name("state.db.salvage").exists()


@pytest.mark.parametrize("failpoint", POINTS)
def test_a_kill_on_the_way_loses_no_row(path: Path, failpoint: str) -> None:
    """Wherever the move is cut off, the next start has the rows: in the database still, or in a copy that is read."""
    kill_at(failpoint, path)
    asides = looked(path)
    if path.exists():
        assert words(asides) == []
        asides.move("again")
    assert words(asides) == ["kept"]
    assert list(path.parent.glob("state.db-*")) == []


def test_a_kill_before_reading_is_ended_lets_it_be_read_again(path: Path) -> None:
    """All is on the disk by then: that it is read once more must be harmless, and it can be."""
    kill_at("set_aside.saved:1", path)
    assert words(looked(path)) == ["kept"]


def test_a_marker_of_copies_that_are_gone_touches_nothing(path: Path) -> None:
    """Somebody has cleaned up: the database that is there now is not taken for the broken one."""
    asides = looked(path)
    asides.move("test").unlink()
    path.write_bytes(b"the fresh one")
    again = looked(path)
    assert (again.unread, path.read_bytes()) == ((), b"the fresh one")
    again.end_reading()
    assert not path.with_name("state.db.salvage").exists()


@pytest.mark.parametrize("content", ["", "\n\n", "../state.db.broken-1", "state.db", "\x00", "state.db.broken-1-wal"])
def test_a_marker_that_makes_no_sense_is_none(path: Path, content: str) -> None:
    """Whatever stands in it, only copies in the same folder are read."""
    path.with_name("state.db.salvage").write_text(content)
    assert looked(path).unread == ()


def test_old_copies_go(path: Path, logs: Logs) -> None:
    """The newest few are kept, with their logs, and whatever is still to be read; what goes is said."""
    content = path.read_bytes()
    asides = looked(path)
    moved = []
    for number in range(KEPT + 2):
        path.write_bytes(content)
        os.utime(path, (number, number))
        moved.append(asides.move("test"))
    assert all(place.exists() for place in moved)
    asides.end_reading()
    path.write_bytes(content)
    moved.append(asides.move("test"))
    assert [place.exists() for place in moved] == [False, False, False, True, True]
    assert [entry["path"] for entry in logs if entry["event"] == "store.copy_removed"] == [str(p) for p in moved[:3]]
