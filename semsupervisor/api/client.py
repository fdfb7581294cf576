"""Asks a running daemon over its control socket. Needs little of the standard library: a command starts quickly.

One request, one answer, and the connection is closed: that much of HTTP/1.0 is spoken here, since importing http.client
takes longer than all the rest of a command.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from semsupervisor.errors import PermanentError, TemporaryError

DEFAULT_SOCKET = "/run/semsupervisor/control.sock"
SOCKET_VARIABLE = "SEMSUPERVISOR_SOCKET"
READING_TIMEOUT_SECONDS = 15.0
ACTING_TIMEOUT_SECONDS = 120.0

LARGEST_PIECE_BYTES = 65536

# An answer's head: the status and the length, which tells an answer that was cut off.
_ANSWER = re.compile(
    rb"HTTP/1\.[01] (?P<status>[0-9]{3}) [^\r\n]*\r\n(?:[^\r\n]+\r\n)*?"
    rb"(?i:content-length): (?P<length>[0-9]{1,12})\r\n(?:[^\r\n]+\r\n)*\r\n"
)

Query = Mapping[str, str | int | None]


class NotReachable(TemporaryError):
    """Nobody answers on the control socket, or it may not be opened; the text says what to do."""


class RequestRefused(PermanentError):
    """The daemon answered that it does not do this; `status` is HTTP's, `problems` are there if there are several."""

    def __init__(self, status: int, error: str, what_to_do: str, problems: tuple[str, ...]) -> None:
        self.status = status
        self.what_to_do = what_to_do
        self.problems = problems
        super().__init__(error)


def default_socket() -> str:
    """Return where the daemon listens unless told otherwise."""
    return os.environ.get(SOCKET_VARIABLE) or DEFAULT_SOCKET


class Client:
    """One daemon, asked over its control socket; a connection for each question."""

    def __init__(self, socket_path: str) -> None:
        self._path = socket_path

    def get(self, path: str, query: Query | None = None) -> Any:
        """Return the JSON body at `path`, also that of a verdict that is not good.

        Raises: NotReachable, RequestRefused.
        """
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return self._ask("GET", f"{path}?{urlencode(given)}" if given else path, READING_TIMEOUT_SECONDS)

    def post(self, *parts: str) -> Any:
        """Have the daemon do what stands at the path made of `parts` and return its answer.

        Raises: NotReachable, RequestRefused.
        """
        path = "".join(f"/{quote(part, safe='')}" for part in parts)
        return self._ask("POST", path, ACTING_TIMEOUT_SECONDS)

    def _ask(self, method: str, target: str, timeout_seconds: float) -> Any:
        request = f"{method} {target} HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n\r\n"
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(timeout_seconds)
                connection.connect(self._path)
                connection.sendall(request.encode())
                said = _until_closed(connection)
        except OSError as error:
            raise NotReachable(_unreachable(self._path, error, timeout_seconds)) from error
        found = _ANSWER.match(said)
        if found is None or len(said) - found.end() != int(found["length"]):
            raise NotReachable(f"what listens on {self._path} does not answer as semsupervisor does: {said[:80]!r}")
        return _answer(int(found["status"]), said[found.end() :])


def _until_closed(connection: socket.socket) -> bytes:
    pieces = []
    while piece := connection.recv(LARGEST_PIECE_BYTES):
        pieces.append(piece)
    return b"".join(pieces)


def _answer(status: int, body: bytes) -> Any:
    try:
        answer = json.loads(body)
    except ValueError as error:
        raise NotReachable(f"the daemon's answer ({status}) cannot be read: {body[:80]!r}") from error
    if status >= 400 and isinstance(answer, dict) and "error" in answer:
        problems = tuple(answer.get("problems", ()))
        raise RequestRefused(status, answer["error"], answer.get("what_to_do", ""), problems)
    return answer


def _unreachable(path: str, error: OSError, timeout_seconds: float) -> str:
    match error:
        case FileNotFoundError():
            return (
                f"semsupervisor does not run here: there is no {path}; start it (systemctl start semsupervisor), "
                f"or name its control socket with --socket or ${SOCKET_VARIABLE}"
            )
        case PermissionError():
            return (
                f"you may not use {path}: run the command as root, or join its group "
                f"(usermod -aG semsupervisor {_user()}) and log in again"
            )
        case ConnectionRefusedError():
            return (
                f"semsupervisor is not running: nobody listens on {path}; start it (systemctl start semsupervisor) "
                "and see its log (journalctl -u semsupervisor)"
            )
        case TimeoutError():
            return f"semsupervisor did not answer on {path} within {timeout_seconds:g} s; see its log"
        case _:
            return f"semsupervisor cannot be reached on {path}: {error.strerror or error}"


def _user() -> str:
    return os.environ.get("USER") or str(os.getuid())
