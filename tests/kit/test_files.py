"""Writing files whole, on a real file system."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from semsupervisor.kit.files import Owner, remove_unfinished, sync_folder, write_atomically
from tests.support.commands import REPOSITORY

WRITER = """
import sys
from pathlib import Path
from semsupervisor.kit.files import write_atomically
target = Path(sys.argv[1])
print("started", flush=True)
while True:
    for letter in (b"a", b"b"):
        write_atomically(target, letter * 300_000)
"""


def test_the_content_is_replaced(tmp_path: Path) -> None:
    """The new content stands under the name, and nothing else is left in the folder."""
    target = tmp_path / "state.json"
    target.write_bytes(b"old and longer")
    write_atomically(target, b"new")
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_the_mode_is_exact_whatever_the_umask(tmp_path: Path, mode: int) -> None:
    """The file has the mode that was asked for, under a strict umask as well."""
    before = os.umask(0o077)
    try:
        write_atomically(tmp_path / "file", b"x", mode=mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_is_set(tmp_path: Path) -> None:
    """The file belongs to the user and the group that were named."""
    write_atomically(tmp_path / "file", b"x", owner=Owner(4711, 4712))
    status = (tmp_path / "file").stat()
    assert (status.st_uid, status.st_gid) == (4711, 4712)


def test_a_failure_leaves_the_old_file_alone(tmp_path: Path) -> None:
    """When the file cannot be replaced, what was there stays and nothing is left behind."""
    target = tmp_path / "taken"
    (target / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"):
        write_atomically(target, b"new")
    assert (target / "inside").is_dir()
    assert list(tmp_path.iterdir()) == [target]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    """Neither the file nor its folder is invented."""
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "nowhere" / "file", b"x")
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "nowhere")


def test_a_symbolic_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """The file that a link points to keeps its content."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious")
    link = tmp_path / "link"
    link.symlink_to(elsewhere)
    write_atomically(link, b"new")
    assert elsewhere.read_bytes() == b"precious"
    assert not link.is_symlink()


def test_a_killed_writer_leaves_a_whole_file(tmp_path: Path) -> None:
    """Whenever the writer is killed, the file holds all of one version, and leftovers can be swept away."""
    target = tmp_path / "file"
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(target)], cwd=REPOSITORY, stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
        if target.exists():
            assert target.read_bytes() in {b"a" * 300_000, b"b" * 300_000}
    remove_unfinished(tmp_path)
    assert set(tmp_path.iterdir()) <= {target}


def test_only_leftovers_are_swept_away(tmp_path: Path) -> None:
    """What is swept away is named, and files of any other name stay."""
    (tmp_path / ".state.json.0123abcd.unfinished").write_bytes(b"half")
    (tmp_path / "state.json").write_bytes(b"whole")
    (tmp_path / "mine.unfinished").write_bytes(b"mine")
    assert remove_unfinished(tmp_path) == (tmp_path / ".state.json.0123abcd.unfinished",)
    assert {path.name for path in tmp_path.iterdir()} == {"state.json", "mine.unfinished"}
