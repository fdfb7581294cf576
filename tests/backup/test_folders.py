"""A snapshot is whole or not there, and nothing but snapshots is ever touched."""

from __future__ import annotations

import hashlib
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from semsupervisor.backup.folders import (
    DOOMED_PREFIX,
    PARTIAL_PREFIX,
    RUNBOOK_ARCHIVE,
    Folders,
    NoSnapshot,
    TargetUnusable,
    Writer,
    sizes,
)
from semsupervisor.backup.manifest import FILE_NAME, FileEntry
from tests.support.disks import SmallDisk

AT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
ID = "20260301-020000"


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """Return a folder of snapshots that is not there yet."""
    return Folders(tmp_path / "backup" / "semstreams")


def begun(folders: Folders) -> str:
    """Begin a snapshot."""
    snapshot_id = folders.choose(AT)
    folders.begin(snapshot_id)
    return snapshot_id


def written(file: Path, content: bytes = b"") -> FileEntry:
    """Write one file of a snapshot."""
    writer = Writer(file)
    writer.open()
    writer.write(content)
    return writer.finish()


def taken(folders: Folders, content: bytes = b"{}") -> str:
    """Take a snapshot that holds a manifest and one file."""
    snapshot_id = begun(folders)
    for name, body in ((FILE_NAME, content), ("streams/EV/stream.tar.s2", b"data")):
        written(folders.partial(snapshot_id) / name, body)
    folders.publish(snapshot_id)
    return snapshot_id


def test_a_snapshot_gets_its_name_when_it_is_whole(folders: Folders) -> None:
    """Before that its folder is one that the runbook's `ls -td *` passes over; it is for root's eyes only."""
    assert list(folders.ids()) == []
    snapshot_id = begun(folders)
    assert snapshot_id == ID
    assert [entry.name for entry in folders.root.iterdir()] == [f"{PARTIAL_PREFIX}{ID}"]
    written(folders.partial(ID) / FILE_NAME)
    assert list(folders.ids()) == []
    folders.publish(ID)
    folders.publish(ID)
    assert list(folders.ids()) == [ID]
    assert [entry.name for entry in folders.root.iterdir()] == [ID]
    for path, mode in ((folders.root, 0o700), (folders.path(ID), 0o700), (folders.path(ID) / FILE_NAME, 0o600)):
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_two_snapshots_of_one_second_are_two(folders: Folders) -> None:
    """Also while the first one still grows, and when the clock was set back."""
    first, second = begun(folders), begun(folders)
    assert [first, second] == [ID, f"{ID}-1"]
    folders.publish(first)
    assert folders.choose(AT) == f"{ID}-2"


def test_a_snapshot_that_is_begun_again_begins_empty(folders: Folders) -> None:
    """What a writer that was killed left in it is gone."""
    snapshot_id = begun(folders)
    written(folders.partial(snapshot_id) / "half")
    folders.begin(snapshot_id)
    assert list(folders.partial(snapshot_id).iterdir()) == []


def test_what_does_not_become_a_snapshot_is_removed(folders: Folders) -> None:
    """Twice does no harm."""
    snapshot_id = begun(folders)
    written(folders.partial(snapshot_id) / "streams" / "EV" / "x")
    folders.discard(snapshot_id)
    folders.discard(snapshot_id)
    assert list(folders.root.iterdir()) == []


def test_what_is_removed_loses_its_name_first(folders: Folders) -> None:
    """A remover that is killed leaves what nobody takes for a snapshot, and the next one removes that and no more."""
    snapshot_id = taken(folders)
    left = folders.root / f"{DOOMED_PREFIX}20260201-020000"
    left.mkdir()
    (left / "half").write_text("x")
    (folders.root / f"{DOOMED_PREFIX}photos").mkdir()
    assert list(folders.remove_rest()) == [left.name]
    folders.remove(snapshot_id)
    assert [entry.name for entry in folders.root.iterdir()] == [f"{DOOMED_PREFIX}photos"]
    with pytest.raises(NoSnapshot):
        folders.remove(snapshot_id)
    assert list(Folders(folders.root / "none").remove_rest()) == []


def test_a_pin_stands_beside_the_snapshot(folders: Folders) -> None:
    """With its reason; the snapshot itself stays as it is, and pinning or unpinning again changes nothing."""
    assert folders.pins() == {}
    snapshot_id = taken(folders)
    before = sizes(folders.path(snapshot_id))
    for why in ("first", "before v2"):
        folders.pin(snapshot_id, why)
    assert (folders.pins(), sizes(folders.path(snapshot_id))) == ({snapshot_id: "before v2"}, before)
    assert list(folders.ids()) == [snapshot_id]
    for _ in range(2):
        folders.unpin(snapshot_id)
    assert folders.pins() == {}
    with pytest.raises(NoSnapshot):
        folders.pin("20260101-000000", "")
    with pytest.raises(NoSnapshot):
        folders.unpin("../x")


def test_only_what_is_a_snapshot_is_listed(folders: Folders, tmp_path: Path) -> None:
    """The runbook's own folders are; a foreign folder, a file, a link, and a folder without content are not."""
    taken(folders)
    old = folders.root / "20250101-020000"
    old.mkdir()
    (old / RUNBOOK_ARCHIVE).write_bytes(b"")
    (folders.root / "20250102-020000").mkdir()
    (folders.root / "photos").mkdir()
    (folders.root / "20250103-020000").write_text("a file")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / FILE_NAME).write_text("{}")
    (folders.root / "20250104-020000").symlink_to(elsewhere)
    assert list(folders.ids()) == ["20250101-020000", ID]


@pytest.mark.parametrize("name", ["", "..", "photos", f"{PARTIAL_PREFIX}{ID}", f"{ID}/..", "20260301-020001"])
def test_only_snapshots_are_found(folders: Folders, name: str) -> None:
    """No name leads anywhere else."""
    taken(folders)
    with pytest.raises(NoSnapshot, match="backup list"):
        folders.path(name)
    assert list(folders.ids()) == [ID]


def test_a_link_in_place_of_a_growing_snapshot_is_not_followed(folders: Folders, tmp_path: Path) -> None:
    """What it points to is not removed."""
    folders.root.mkdir(parents=True)
    (tmp_path / "precious").mkdir()
    folders.partial(ID).symlink_to(tmp_path / "precious")
    with pytest.raises(TargetUnusable, match="it is a link"):
        folders.discard(ID)
    assert (tmp_path / "precious").is_dir()


def test_a_target_that_is_in_the_way_says_so(folders: Folders) -> None:
    """Each call names what it tried on what."""
    folders.root.parent.mkdir()
    folders.root.write_text("in the way")
    for call in (lambda: folders.begin(ID), folders.ids):
        with pytest.raises(TargetUnusable, match=r"cannot (begin a snapshot in|read) .*semstreams"):
            call()


def test_room_is_known_before_the_folder_is_there(folders: Folders) -> None:
    """It is that of the file system which will carry it."""
    there = os.statvfs(folders.root.parent.parent)
    assert folders.space().size_bytes == there.f_blocks * there.f_frsize
    assert 0 < folders.space().free_bytes <= folders.space().size_bytes


def test_a_file_is_written_once_and_known(folders: Folders, tmp_path: Path) -> None:
    """Its size and checksum are those of what was written; it is never written over."""
    writer = Writer(tmp_path / "a" / "file")
    writer.close()
    writer.open()
    for piece in (b"one", b"", b"two"):
        writer.write(piece)
    assert writer.finish() == FileEntry(6, hashlib.sha256(b"onetwo").hexdigest())
    writer.close()
    assert (tmp_path / "a" / "file").read_bytes() == b"onetwo"
    with pytest.raises(TargetUnusable, match="File exists"):
        Writer(tmp_path / "a" / "file").open()


def test_a_full_disk_says_what_could_not_be_written(small_disk: SmallDisk) -> None:
    """What was written so far can still be discarded."""
    folders = Folders(small_disk.folder / "backup")
    snapshot_id = begun(folders)
    writer = Writer(folders.partial(snapshot_id) / "big")
    writer.open()
    with pytest.raises(TargetUnusable, match=r"cannot write .*big: No space left on device"):
        writer.write(b"x" * 16 * 2**20)
    writer.close()
    folders.discard(snapshot_id)
    assert list(folders.ids()) == []


def test_all_files_count_and_what_is_no_file_is_seen(folders: Folders) -> None:
    """A link in a snapshot is nothing of ours."""
    folder = folders.path(taken(folders))
    assert dict(sizes(folder)) == {"streams/EV/stream.tar.s2": 4}
    (folder / "link").symlink_to("/etc")
    (folder / "other").symlink_to("/etc/passwd")
    assert dict(sizes(folder)) == {"streams/EV/stream.tar.s2": 4, "link": -1, "other": -1}
