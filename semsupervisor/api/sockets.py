"""The control socket's file: made for its group alone from the first moment on, and taken from nobody who uses it."""

from __future__ import annotations

import grp
import os
import socket
import stat
from pathlib import Path

import structlog

from semsupervisor.errors import PermanentError

log = structlog.get_logger(__name__)

BACKLOG = 64
LONGEST_PATH_BYTES = 107
_TRY_SECONDS = 1.0


class ControlSocket:
    """The listening control socket and its file."""

    def __init__(self, listening: socket.socket, path: Path) -> None:
        self.listening = listening
        self._path = path

    def close(self) -> None:
        """Listen no more and remove the file, unless somebody else listens there by now. Blocks for up to a second."""
        self.listening.close()
        if not _answers(self._path):
            self._path.unlink(missing_ok=True)


def group_id(name: str) -> int | None:
    """Return the number of a group, None if there is no such group (or no name)."""
    try:
        return grp.getgrnam(name).gr_gid if name else None
    except KeyError:
        return None


def open_control_socket(path: Path, gid: int | None) -> ControlSocket:
    """Listen at `path`: for the owner alone, and for the group if its number is given.

    What a daemon that died left there is removed. Blocks for up to a second.
    Raises: PermanentError with what to do.
    """
    if len(os.fsencode(path)) > LONGEST_PATH_BYTES:
        raise PermanentError(
            f"the control socket's path {path} is too long; set api.socket to one of at most {LONGEST_PATH_BYTES} bytes"
        )
    _clear(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        os.fchmod(listening.fileno(), 0o600)  # bind makes the file with the mode of the socket: never open to all
        listening.bind(str(path))
        _give_to_group(path, gid)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise PermanentError(
            f"cannot listen on the control socket {path}: {error.strerror}; {_advice(error)}"
        ) from error
    return ControlSocket(listening, path)


def _clear(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise PermanentError(f"{path} exists and is no socket; move it away, or set api.socket to another path")
    if _answers(path):
        raise PermanentError(
            f"another semsupervisor listens on {path}; stop it, or set api.socket to another path for this one"
        )
    path.unlink()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as attempt:
        attempt.settimeout(_TRY_SECONDS)
        try:
            attempt.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
        return True


def _give_to_group(path: Path, gid: int | None) -> None:
    if gid is None:
        return
    try:
        os.chown(path, -1, gid)
    except PermissionError:
        log.warning(
            "control_socket.without_group", path=str(path), gid=gid, fix="run the daemon as root or in the group"
        )
        return
    path.chmod(0o660)


def _advice(error: OSError) -> str:
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return "make its folder (the systemd unit does it by RuntimeDirectory=), or set api.socket to another path"
        case PermissionError():
            return "run the daemon as root, or set api.socket to a path in a folder of its own user"
        case _:
            return "set api.socket to another path"
