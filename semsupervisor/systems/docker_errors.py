"""The engine's failures in our own words: what was asked, what came back, and what to do about it."""

from __future__ import annotations

import asyncio
import errno
import grp
import os
import pwd
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import aiohttp
import msgspec
from aiodocker.exceptions import DockerError

from semsupervisor.errors import EngineError, EngineForbidden, SocketMissing, SupervisorError
from semsupervisor.kit.blocking import BlockingCalls, Hanging

SERVICE = "semsupervisor.service"
LONGEST_ANSWER = 500
NAMES_SECONDS = 2.0

T = TypeVar("T")


class ContainerGone(EngineError):
    """The engine knows no container of that id (any more)."""


@asynccontextmanager
async def translated(what: str, socket: str, timeout_seconds: float) -> AsyncIterator[None]:
    """Bound what is done within, and turn the vendor's errors into ours; `what` says what was asked.

    Raises: EngineForbidden when the socket is missing or may not be opened; ContainerGone; EngineError otherwise.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            yield
    except TimeoutError as error:
        raise EngineError(
            f"the Docker engine at {socket} did not answer within {timeout_seconds:g} s ({what}); "
            "if `docker info` hangs too, restart it: systemctl restart docker"
        ) from error
    except DockerError as error:
        raise await _of_answer(what, socket, error) from error
    except (aiohttp.ClientError, OSError) as error:
        raise await _of_connection(what, socket, error) from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise EngineError(f"{what}: the answer from {socket} is none of a Docker engine: {error}") from error


def decoded(what: str, answer: bytes, kind: type[T]) -> T:
    """Return what an engine answered when it was asked `what`. Raises: EngineError."""
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.DecodeError as error:
        raise EngineError(f"{what}: the answer is none of a Docker engine: {error}") from error


async def _of_connection(what: str, socket: str, error: BaseException) -> SupervisorError:
    """Return why there was no connection; what was to be asked matters only for one that came about."""
    cause: BaseException = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    code = cause.errno if isinstance(cause, OSError) else None
    match code:
        case errno.ENOENT | errno.ENOTDIR:
            return _missing(socket)
        case errno.EACCES | errno.EPERM:
            return await _forbidden(socket)
        case errno.ECONNREFUSED:
            return EngineError(f"nobody listens on {socket}; the Docker engine is not running: systemctl start docker")
        case _:
            return EngineError(f"the connection to {socket} broke off ({what}): {str(cause) or type(cause).__name__}")


async def _of_answer(what: str, socket: str, error: DockerError) -> SupervisorError:
    if isinstance(error.__context__, aiohttp.ClientError):
        return await _of_connection(what, socket, error.__context__)
    return of_status(what, socket, error.status, error.message)


def of_status(what: str, socket: str, status: int, answer: str) -> SupervisorError:
    """Return what an HTTP status of 400 and above means."""
    said = " ".join(answer.split())[:LONGEST_ANSWER]
    match status:
        case 404:
            return ContainerGone(f"{what}: {said}")
        case 401 | 403:
            return EngineForbidden(
                f"{socket} refuses to {what}: {said}",
                "if a proxy stands before the engine, "
                "let it pass GET on /_ping, /containers, /events, /info, /networks and /version",
            )
        case _:
            return EngineError(f"{what}: the Docker engine answered {status}: {said}")


def _missing(socket: str) -> EngineForbidden:
    return SocketMissing(
        f"there is no socket {socket}",
        "start Docker (systemctl start docker), or install it, "
        'or name the socket it listens on in the settings: [docker] socket = "/path"; '
        "if it is there for other users, give the service the path: "
        f"systemctl edit {SERVICE}, [Service] BindPaths={socket}",
    )


async def _forbidden(socket: str) -> EngineForbidden:
    user, group = await _who(socket)
    if group is None:
        return EngineForbidden(
            f"user {user} may not open {socket}",
            f"grant it to one group (chgrp docker {socket}; chmod 660 {socket}), "
            f"then: usermod --append --groups docker {user}, and systemctl restart {SERVICE}",
        )
    return EngineForbidden(
        f"user {user} may not open {socket}, and its group is {group}",
        f"grant access to the service: systemctl edit {SERVICE}, [Service] SupplementaryGroups={group}; "
        f"or to the user: usermod --append --groups {group} {user}; then systemctl restart {SERVICE}",
    )


async def _who(socket: str) -> tuple[str, str | None]:
    """Return who we are, and the group that may use the socket: names may be kept elsewhere, by who does not answer."""
    uid = os.geteuid()
    try:
        return await BlockingCalls().run("names", lambda: (_user_name(uid), _group_of(socket)), NAMES_SECONDS)
    except Hanging:
        return str(uid), None


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_of(socket: str) -> str | None:
    """Return the group whose members may use the socket; None if it has none that helps."""
    try:
        seen = Path(socket).stat()
    except OSError:
        return None
    if not seen.st_mode & stat.S_IWGRP or seen.st_gid == 0:
        return None
    try:
        return grp.getgrgid(seen.st_gid).gr_name
    except KeyError:
        return str(seen.st_gid)
