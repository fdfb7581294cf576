"""The control socket's file."""

from __future__ import annotations

import grp
import os
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from semsupervisor.api.sockets import group_id, open_control_socket
from semsupervisor.errors import PermanentError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


NOBODY = 65534


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder in which any user may write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


def as_nobody(question: Callable[[], bool]) -> bool:
    """Return the answer of a forked process that has given up root."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os._exit(0 if question() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def mode_of(path: Path) -> int:
    """Return the permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_without_a_group_the_socket_is_its_owners(tmp_path: Path) -> None:
    """Nobody but the owner may open a socket that has no group."""
    path = tmp_path / "control.sock"
    opened = open_control_socket(path, None)
    assert mode_of(path) == 0o600
    opened.close()
    assert not path.exists()


@as_root
def test_with_a_group_the_socket_is_the_groups_too(tmp_path: Path) -> None:
    """The file belongs to the group, with mode 0660."""
    path = tmp_path / "control.sock"
    opened = open_control_socket(path, group_id("daemon"))
    assert mode_of(path) == 0o660
    assert path.stat().st_gid == grp.getgrnam("daemon").gr_gid
    opened.close()


@as_root
def test_a_user_who_cannot_give_it_to_the_group_keeps_it(open_folder: Path) -> None:
    """An ordinary user's daemon listens all the same, for that user alone."""
    path = open_folder / "control.sock"

    def listen() -> bool:
        opened = open_control_socket(path, 1)
        return opened.listening.fileno() >= 0 and mode_of(path) == 0o600

    assert as_nobody(listen)


def test_a_group_that_is_not_there_has_no_number() -> None:
    """An unknown group, and no group, is no error."""
    assert group_id("no-such-group-here") is None
    assert group_id("") is None


def test_what_a_dead_daemon_left_is_removed(tmp_path: Path) -> None:
    """A socket file on which nobody listens is replaced."""
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    opened = open_control_socket(path, None)
    with socket.socket(socket.AF_UNIX) as calling:
        calling.connect(str(path))
    opened.close()


def test_a_running_daemons_socket_is_left_alone(tmp_path: Path) -> None:
    """While another daemon listens there, the second one is refused and the first goes on listening."""
    path = tmp_path / "control.sock"
    first = open_control_socket(path, None)
    with pytest.raises(PermanentError, match=r"another semsupervisor listens on .*stop it"):
        open_control_socket(path, None)
    with socket.socket(socket.AF_UNIX) as calling:
        calling.connect(str(path))
    first.close()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    """A file of somebody else at that path is not removed."""
    path = tmp_path / "control.sock"
    path.write_text("precious")
    with pytest.raises(PermanentError, match="is no socket"):
        open_control_socket(path, None)
    assert path.read_text() == "precious"


def test_a_successors_socket_is_left_alone(tmp_path: Path) -> None:
    """A daemon that ends late does not remove the socket of the one that took its place."""
    path = tmp_path / "control.sock"
    first = open_control_socket(path, None)
    first.listening.close()
    second = open_control_socket(path, None)
    first.close()
    assert path.exists()
    second.close()
    second.close()
    assert not path.exists()


def test_a_missing_folder_is_named_with_its_remedy(tmp_path: Path) -> None:
    """The message names the socket, the reason and what to do."""
    with pytest.raises(PermanentError, match=r"nowhere/control\.sock: No such file.*make its folder.*api\.socket"):
        open_control_socket(tmp_path / "nowhere" / "control.sock", None)


def test_a_path_longer_than_the_kernel_takes_is_named(tmp_path: Path) -> None:
    """A path that no socket can have is refused with the limit."""
    with pytest.raises(PermanentError, match="at most 107 bytes"):
        open_control_socket(tmp_path / ("x" * 120), None)


@as_root
def test_a_forbidden_folder_is_named_with_its_remedy(open_folder: Path) -> None:
    """A user who may not write to the folder is told so."""
    open_folder.chmod(0o755)

    def refused() -> bool:
        try:
            open_control_socket(open_folder / "control.sock", None)
        except PermanentError as error:
            return "Permission denied; run the daemon as root" in str(error)
        return False

    assert as_nobody(refused)
