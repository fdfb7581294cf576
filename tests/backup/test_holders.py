"""The newest snapshot that still holds what a stream has lost is found by its manifest."""

from __future__ import annotations

import errno
from datetime import UTC, datetime
from pathlib import Path

import pytest

from semsupervisor.backup import holders, manifest
from semsupervisor.backup.folders import Folders, NoSnapshot
from semsupervisor.backup.manifest import Kind, Manifest, StreamEntry

AT = datetime(2026, 11, 24, tzinfo=UTC)


def write(directory: Path, snapshot_id: str, last: int, account: str = "$G") -> None:
    """Put a snapshot of one stream there."""
    entry = StreamEntry(account=account, name="EV", file="x", config={}, state={"last_seq": last}, blocks=1)
    whole = Manifest(
        version=manifest.VERSION,
        id=snapshot_id,
        kind=Kind.HOT,
        host="edge",
        supervisor="1",
        began_at=AT,
        ended_at=AT,
        files={},
        streams=(entry,),
    )
    (directory / snapshot_id).mkdir()
    (directory / snapshot_id / manifest.FILE_NAME).write_bytes(manifest.encode(whole))


def test_the_newest_that_goes_beyond_is_found(tmp_path: Path) -> None:
    """Newer ones that hold no more, another account's, and folders without a manifest are passed over."""
    write(tmp_path, "20261120-020000", 500)
    write(tmp_path, "20261121-020000", 500)
    write(tmp_path, "20261122-020000", 400)
    write(tmp_path, "20261123-020000", 500, account="APP")
    (tmp_path / "20261124-020000").mkdir()
    assert holders.newest(tmp_path, "$G", "EV", 400) == "20261121-020000"
    assert holders.newest(tmp_path, "$G", "EV", 500) == ""
    assert holders.newest(tmp_path, "APP", "EV", 400) == "20261123-020000"


def test_what_cannot_be_read_is_not_said_to_hold_none(tmp_path: Path) -> None:
    """A file in the folder's place, or a manifest that is none; where no folder is, none holds it."""
    (tmp_path / "file").write_text("")
    assert holders.newest(tmp_path / "file", "$G", "EV", 1) is None
    assert holders.newest(tmp_path / "none", "$G", "EV", 1) == ""
    write(tmp_path, "20261121-020000", 500)
    (tmp_path / "20261124-020000").mkdir()
    (tmp_path / "20261124-020000" / manifest.FILE_NAME).write_bytes(b"{")
    assert holders.newest(tmp_path, "$G", "EV", 400) == "20261121-020000"
    assert holders.newest(tmp_path, "$G", "EV", 500) is None


@pytest.mark.parametrize(
    ("error", "without"), [(NoSnapshot("pruned"), ""), (OSError(errno.EIO, "Input/output error"), None)]
)
def test_one_that_fails_does_not_end_the_search(
    error: Exception, without: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot that is removed meanwhile, or on a disk that dies: the older one is found all the same."""
    write(tmp_path, "20261121-020000", 500)
    write(tmp_path, "20261122-020000", 500)
    path = Folders.path

    def failing(folders: Folders, snapshot_id: str) -> Path:
        if snapshot_id == "20261122-020000":
            raise error
        return path(folders, snapshot_id)

    monkeypatch.setattr(Folders, "path", failing)
    assert holders.newest(tmp_path, "$G", "EV", 400) == "20261121-020000"
    assert holders.newest(tmp_path, "$G", "EV", 500) == without
