"""The catalogue lists what the folder holds: ours, the runbook's, and what is broken, each for what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from semsupervisor.backup.catalogue import entries, find
from semsupervisor.backup.folders import RUNBOOK_ARCHIVE, Folders, NoSnapshot
from semsupervisor.backup.manifest import FILE_NAME, encode
from tests.support.snapshot_folder import AT, ID, MANIFEST, whole


def test_everything_is_listed_for_what_it_is(tmp_path: Path) -> None:
    """Newest first; what cannot be read says why."""
    folders = Folders(tmp_path / "backup")
    assert list(entries(folders)) == []
    for name, file, content in (
        (ID, FILE_NAME, encode(MANIFEST)),
        ("20250101-020000", RUNBOOK_ARCHIVE, b"12345"),
        ("20250601-020000", FILE_NAME, b"{"),
    ):
        (folders.root / name).mkdir(parents=True)
        (folders.root / name / file).write_bytes(content)
    ours, broken, old = entries(folders)
    assert (ours.id, ours.kind, ours.taken_at, ours.complete, ours.streams) == (ID, "hot", AT, True, 1)
    assert (broken.kind, broken.complete) == ("", False)
    assert broken.problem.startswith("manifest.json cannot be read")
    assert (old.kind, old.size_bytes, old.complete) == ("runbook", 5, False)
    assert find(folders, ID) == (ours, MANIFEST)
    assert find(folders, "20250101-020000") == (old, None)
    with pytest.raises(NoSnapshot):
        find(folders, "20200101-000000")


def test_what_is_pinned_is_listed_as_such(tmp_path: Path) -> None:
    """With the reason, in the list and by itself."""
    whole(tmp_path)
    folders = Folders(tmp_path)
    assert [one.pinned for one in entries(folders)] == [None]
    folders.pin(ID, "before v2")
    assert [(one.pinned, one.host) for one in (*entries(folders), find(folders, ID)[0])] == [("before v2", "edge7")] * 2
