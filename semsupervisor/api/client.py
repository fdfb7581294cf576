"""Asks a running daemon over its control socket; needs little of the standard library, so as to start quickly."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from semsupervisor.api.exchange import NoAnswer, exchange
from semsupervisor.errors import PermanentError, TemporaryError

DEFAULT_SOCKET = "/run/semsupervisor/control.sock"
SOCKET_VARIABLE = "SEMSUPERVISOR_SOCKET"
READING_TIMEOUT_SECONDS = 15.0
ACTING_TIMEOUT_SECONDS = 120.0

JSON = "application/json"

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
        return self._ask("GET", _with_query(path, query), READING_TIMEOUT_SECONDS)

    def post(self, *parts: str, query: Query | None = None) -> Any:
        """Have the daemon do what stands at the path made of `parts` and return its answer.

        Raises: NotReachable, RequestRefused.
        """
        from urllib.parse import quote  # noqa: PLC0415 - `status` does without it

        path = "".join(f"/{quote(part, safe='')}" for part in parts)
        return self._ask("POST", _with_query(path, query), ACTING_TIMEOUT_SECONDS)

    def _ask(self, method: str, target: str, timeout_seconds: float) -> Any:
        try:
            status, form, body = exchange(self._path, method, target, JSON, timeout_seconds)
        except NoAnswer as error:
            raise NotReachable(_foreign(self._path, str(error))) from error
        except OSError as error:
            raise NotReachable(_unreachable(self._path, error, timeout_seconds)) from error
        if form != JSON:
            raise NotReachable(_foreign(self._path, f"{form or 'no media type'} {body[:80]!r}"))
        return _answer(status, body)


class _Part(dict[str, Any]):
    """A part of an answer: what it lacks was not known yet, or is known no more, where the daemon comes from."""

    def __missing__(self, name: str) -> Any:
        raise NotReachable(
            f"the daemon's answer has no {name!r}: it is of another version than this command; restart it "
            "(systemctl restart semsupervisor)"
        )


def _with_query(path: str, query: Query | None) -> str:
    given = {name: value for name, value in (query or {}).items() if value is not None}
    if not given:
        return path
    from urllib.parse import urlencode  # noqa: PLC0415 - `status` does without it

    return f"{path}?{urlencode(given)}"


def _answer(status: int, body: bytes) -> Any:
    try:
        answer = json.loads(body, object_hook=_Part)
    except ValueError as error:
        raise NotReachable(f"the daemon's answer ({status}) cannot be read: {body[:80]!r}") from error
    if status >= 400 and isinstance(answer, dict) and "error" in answer:
        problems = tuple(answer.get("problems", ()))
        raise RequestRefused(status, answer["error"], answer.get("what_to_do", ""), problems)
    return answer


def _foreign(path: str, said: str) -> str:
    return f"what listens on {path} does not answer as semsupervisor does: {said}"


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
        case BlockingIOError():
            return f"semsupervisor takes no more questions on {path}: too many wait for an answer already; see its log"
        case TimeoutError():
            return f"semsupervisor did not answer on {path} within {timeout_seconds:g} s; see its log"
        case _:
            return f"semsupervisor cannot be reached on {path}: {error.strerror or error}"


def _user() -> str:
    return os.environ.get("USER") or str(os.getuid())
