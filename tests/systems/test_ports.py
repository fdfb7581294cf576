"""Ports on loopback that take connections, refuse them, or do nothing."""

from __future__ import annotations

import asyncio
import socket

import pytest

from semsupervisor.systems.connecting import Refused, TimedOut
from semsupervisor.systems.ports import connect
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
