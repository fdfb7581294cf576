"""Ports on loopback that take connections, refuse them, or do nothing."""

from __future__ import annotations

import asyncio
import socket

import psutil
import pytest

from semsupervisor.systems.connecting import Refused, TimedOut
from semsupervisor.systems.ports import connect, is_here
from tests.support.talking import free_port


async def test_a_port_that_takes_connections() -> None:
    """It is connected to and hung up at once."""
    ended = asyncio.Event()

    async def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        ended.set()

    server = await asyncio.start_server(taken, "127.0.0.1", 0)
    try:
        await connect("localhost", server.sockets[0].getsockname()[1], 5.0)
        async with asyncio.timeout(5.0):
            await ended.wait()
    finally:
        server.close()


async def test_a_port_that_does_not() -> None:
    """Refused is told apart from silence."""
    with pytest.raises(Refused, match="refused"):
        await connect("127.0.0.1", free_port(), 5.0)
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        with pytest.raises(TimedOut, match="no connection within"):
            await connect("127.0.0.1", full.getsockname()[1], 0.3)


def test_this_host_knows_its_own_addresses() -> None:
    """Loopback, its own name and the addresses of its interfaces are its own; what it would have to ask for is not."""
    own = [one.address.partition("%")[0] for ends in psutil.net_if_addrs().values() for one in ends]
    assert all(map(is_here, ["localhost", "127.0.0.1", "127.8.8.8", "::1", socket.gethostname()]))
    assert all(is_here(address) for address in own if "." in address)
    assert not any(map(is_here, ["192.0.2.1", "elsewhere.example", "2001:db8::1", ""]))
