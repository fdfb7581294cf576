"""Writing files whole, on a real file system."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from semsupervisor.kit.files import sync_folder, write_atomically
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


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    """Whatever the umask is, the file is for its user alone."""
    before = os.umask(0)
    try:
        write_atomically(tmp_path / "file", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


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
    """Whenever the writer is killed, the file holds all of one version, and the next writer tidies up."""
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
    write_atomically(target, b"c")
    assert list(tmp_path.iterdir()) == [target]
