"""Connections from inside another network: a container's, seen as its own programs see it.

A socket belongs to the network in which it was made. So a thread of its own enters the network, makes the sockets and
ends; the event loop then uses them as any others. Nobody has to be started in the container, whose image may hold no
program that could look.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import secrets
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from semsupervisor.errors import PermanentError, SupervisorError, TemporaryError
from semsupervisor.systems import name_lookup
from semsupervisor.systems.connecting import Refused, TimedOut, reason
from semsupervisor.systems.name_lookup import LONGEST_MESSAGE_BYTES, NotResolved

# Docker's own name server, in every network that is not the default one.
NAME_SERVER = ("127.0.0.11", 53)
ATTEMPT_SECONDS = 1.0

_NETWORK = 0x40000000  # CLONE_NEWNET of <sched.h>: entering anything else is refused
_LIBC = ctypes.CDLL(None, use_errno=True)


class NetworkForbidden(PermanentError):
    """This process may not enter other networks: it takes CAP_SYS_ADMIN."""


class NetworkGone(TemporaryError):
    """The network is not there any more: its container has ended meanwhile."""


def sockets_within(network: str, kinds: Sequence[socket.SocketKind]) -> list[socket.socket]:
    """Return sockets of these kinds, made inside the network whose namespace a file stands for.

    It blocks for a moment: call from a thread when in the event loop. The calling thread stays where it is: another
    one enters the network, and that one ends before this returns. Raises: NetworkForbidden, NetworkGone.
    """
    made: list[socket.socket] = []
    failures: list[SupervisorError] = []

    def work() -> None:
        try:
            _enter(network)
            made.extend(_socket(kind) for kind in kinds)
        except OSError as error:
            failures.append(_translated(network, error))

    thread = threading.Thread(target=work, name=f"inside {network}", daemon=True)
    thread.start()
    thread.join()
    for failure in failures:
        for one in made:
            one.close()
        raise failure
    return made


async def resolve(server: socket.socket, name: str, timeout_seconds: float) -> str:
    """Return an address of a name, asked of Docker's name server over a datagram socket made in its network.

    A question that is lost is asked again. Raises: NotResolved, when no answer came as well.
    """
    loop = asyncio.get_running_loop()
    number = secrets.randbelow(2**16)
    question = name_lookup.question(name, number)
    try:
        async with asyncio.timeout(timeout_seconds):
            await loop.sock_connect(server, NAME_SERVER)
            while True:
                await loop.sock_sendall(server, question)
                with suppress(TimeoutError):
                    async with asyncio.timeout(ATTEMPT_SECONDS):
                        answer = await loop.sock_recv(server, LONGEST_MESSAGE_BYTES)
                    return name_lookup.addresses(answer, number)[0]
    except TimeoutError as error:
        raise NotResolved(f"no answer within {timeout_seconds:g} s") from error
    except OSError as error:
        raise NotResolved(reason(error)) from error


async def connect(stream: socket.socket, address: str, port: int, timeout_seconds: float) -> None:
    """Connect a stream socket. Raises: Refused, TimedOut."""
    what = f"{address}:{port}"
    try:
        async with asyncio.timeout(timeout_seconds):
            await asyncio.get_running_loop().sock_connect(stream, (address, port))
    except TimeoutError as error:
        raise TimedOut(f"{what}: no connection within {timeout_seconds:g} s") from error
    except OSError as error:
        raise Refused(f"{what}: {reason(error)}") from error


def _enter(network: str) -> None:
    """Move the calling thread, and no other, into a network. Raises: OSError."""
    file = os.open(network, os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns: Callable[[int, int], int] = _LIBC.setns
        if setns(file, _NETWORK) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(file)


def _socket(kind: socket.SocketKind) -> socket.socket:
    return socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)


def _translated(network: str, error: OSError) -> SupervisorError:
    if isinstance(error, PermissionError):
        text = f"cannot enter the network {network}: {reason(error)}; it takes CAP_SYS_ADMIN, as the unit grants it"
        return NetworkForbidden(text)
    return NetworkGone(f"cannot enter the network {network}: {reason(error)}")
