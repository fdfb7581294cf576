"""Whether a database that is open is the one that would be found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from semsupervisor.store.presence import Presence
from tests.support.commands import run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a database with its log, in a folder of its own."""
    folder = tmp_path / "state"
    folder.mkdir()
    for name in ("state.db", "state.db-wal"):
        (folder / name).touch()
    return folder / "state.db"


@pytest.fixture
def deleted_folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder that was deleted where it comes from, while it is mounted elsewhere."""
    source, place = tmp_path / "source", tmp_path / "place"
    source.mkdir()
    place.mkdir()
    if os.geteuid() != 0 or run(["mount", "--bind", source, place], check=False).returncode != 0:
        pytest.skip("mounting needs root")
    try:
        source.rmdir()
        yield place
    finally:
        run(["umount", place])


def opened(path: Path) -> Presence:
    """Return the presence of what is there."""
    presence = Presence(path)
    presence.opened()
    return presence


def test_what_stays_is_there(path: Path) -> None:
    """Written to, it is still the same."""
    presence = opened(path)
    path.write_text("more")
    assert presence.holds()


@pytest.mark.parametrize("name", ["state.db", "state.db-wal"])
def test_what_is_deleted_or_replaced_is_not(path: Path, name: str) -> None:
    """The database and its log are both missed, and others in their place are others."""
    file = path.with_name(name)
    presence = opened(path)
    other = path.with_name("other")
    other.touch()
    file.unlink()
    assert not presence.holds()
    other.rename(file)
    assert not presence.holds()


def test_a_log_that_comes_later_is_no_other(path: Path) -> None:
    """Without a log at first, one that SQLite makes afterwards replaces nothing."""
    log = path.with_name("state.db-wal")
    log.unlink()
    presence = opened(path)
    log.touch()
    assert presence.holds()


def test_what_was_never_there_is_missed(path: Path) -> None:
    """Deleted before anybody looked, it is not taken for one that stays away."""
    path.unlink()
    assert not opened(path).holds()


def test_what_cannot_be_looked_at_stays_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that fails says nothing."""
    presence = opened(path)

    def fail(self: Path) -> os.stat_result:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", fail)
        assert presence.holds()


def test_a_folder_that_is_gone_is_lost(path: Path) -> None:
    """Neither there nor reachable: it has to be made again."""
    assert not Presence(path).folder_is_lost()
    assert Presence(path.parent / "gone" / "state.db").folder_is_lost()
    assert Presence(path / "state.db").folder_is_lost() is False  # a file in its place, which has a name


def test_a_folder_that_only_seems_to_be_there_is_lost(deleted_folder: Path) -> None:
    """Deleted where it comes from, it takes no file any more."""
    assert Presence(deleted_folder / "state.db").folder_is_lost()
