"""Sockets made inside another network, and what is said over them; the caller itself never leaves its own."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from semsupervisor.systems import netns
from semsupervisor.systems.connecting import Refused, TimedOut
from semsupervisor.systems.name_lookup import NotResolved
from semsupervisor.systems.netns import NetworkForbidden, NetworkGone
from tests.support.waiting import eventually, eventually_sync

OWN = Path("/proc/self/ns/net")
STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM


@pytest.fixture
def other_network() -> Iterator[str]:
    """Return the file of a network of a process of its own, in which not even the loopback is up."""
    if os.geteuid() != 0:
        pytest.skip("to make a network needs root")
    process = subprocess.Popen(["unshare", "--net", "sleep", "1000"])
    file = Path(f"/proc/{process.pid}/ns/net")
    try:
        eventually_sync(lambda: file.readlink() != OWN.readlink())
        yield str(file)
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Return a server's socket on the loopback of the test's own network."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def port_of(server: socket.socket) -> int:
    """Return the port that a server listens on."""
    return int(server.getsockname()[1])


def networks_of_threads() -> set[Path]:
    """Return the networks in which threads of this process are; a thread that ends meanwhile is in none."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            found.add((task / "ns" / "net").readlink())
    return found


async def test_sockets_are_in_the_other_network(other_network: str, listener: socket.socket) -> None:
    """What is reached from here is not reached by a socket made there, and the threads of this process stay here."""
    (there,) = await asyncio.to_thread(netns.sockets_within, other_network, [STREAM])
    (here,) = await asyncio.to_thread(netns.sockets_within, str(OWN), [STREAM])
    with there, here:
        await netns.connect(here, "127.0.0.1", port_of(listener), 5.0)
        with pytest.raises(Refused, match="Network is unreachable"):
            await netns.connect(there, "127.0.0.1", port_of(listener), 5.0)
    assert not [one for one in threading.enumerate() if one.name.startswith("inside")]
    await eventually(lambda: networks_of_threads() == {OWN.readlink()})


def test_a_network_that_is_gone() -> None:
    """A file that is not there, or stands for no network, says so."""
    with pytest.raises(NetworkGone, match="No such file or directory"):
        netns.sockets_within("/run/nowhere", [STREAM])
    with pytest.raises(NetworkGone, match="Invalid argument"):
        netns.sockets_within("/proc/self/ns/uts", [STREAM])


def test_without_the_right_no_network_is_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which right is missing."""

    class Refusing:
        def setns(self, file: int, kind: int) -> int:
            ctypes.set_errno(errno.EPERM)
            return -1

    monkeypatch.setattr(netns, "_LIBC", Refusing())
    with pytest.raises(NetworkForbidden, match="Operation not permitted; it takes CAP_SYS_ADMIN"):
        netns.sockets_within(str(OWN), [STREAM])


def test_sockets_that_cannot_all_be_made_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several sockets none is left open when one cannot be made."""
    made: list[socket.socket] = []

    def make(kind: socket.SocketKind) -> socket.socket:
        if made:
            raise OSError(errno.EMFILE, "Too many open files")
        made.append(socket.socket(socket.AF_INET, kind))
        return made[0]

    monkeypatch.setattr(netns, "_socket", make)
    with pytest.raises(NetworkGone, match="Too many open files"):
        netns.sockets_within(str(OWN), [STREAM, STREAM])
    assert made[0].fileno() == -1


async def test_a_port_that_answers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that does not come about in time is not waited for."""

    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", hang)
    with netns._socket(STREAM) as stream, pytest.raises(TimedOut, match=re.escape("10.0.0.1:4222: no connection")):
        await netns.connect(stream, "10.0.0.1", 4222, 0.02)


@pytest.mark.parametrize("unanswered", [0, 2])
async def test_a_question_that_is_lost_is_asked_again(monkeypatch: pytest.MonkeyPatch, unanswered: int) -> None:
    """The address comes, at once or after some questions were lost."""
    lost: list[bytes] = []
    with socket.socket(socket.AF_INET, DATAGRAM) as server, netns._socket(DATAGRAM) as asking:

        def answer() -> None:
            question, sender = server.recvfrom(512)
            if len(lost) < unanswered:
                lost.append(question)
                return
            head = question[:2] + bytes.fromhex("8180 0001 0001 0000 0000")
            record = bytes.fromhex("c00c 0001 0001 00000258 0004 0a000005")
            server.sendto(head + question[12:] + record, sender)

        server.bind(("127.0.0.1", 0))
        asyncio.get_running_loop().add_reader(server, answer)
        monkeypatch.setattr(netns, "NAME_SERVER", server.getsockname())
        monkeypatch.setattr(netns, "ATTEMPT_SECONDS", 0.05)
        try:
            assert await netns.resolve(asking, "nats", 5.0) == "10.0.0.5"
        finally:
            asyncio.get_running_loop().remove_reader(server)
    assert len(lost) == unanswered


async def test_a_name_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an answer the name is not resolved, and the reason is said."""
    monkeypatch.setattr(netns, "NAME_SERVER", ("127.0.0.1", 1))
    with netns._socket(DATAGRAM) as server, pytest.raises(NotResolved, match="Connection refused"):
        await netns.resolve(server, "nats", 5.0)
    with socket.socket(socket.AF_INET, DATAGRAM) as silent, netns._socket(DATAGRAM) as server:
        silent.bind(("127.0.0.1", 0))
        monkeypatch.setattr(netns, "NAME_SERVER", silent.getsockname())
        with pytest.raises(NotResolved, match=re.escape("no answer within 0.05 s")):
            await netns.resolve(server, "nats", 0.05)
