"""What a NATS server says first, and how to take leave of one that wants TLS so that it finds nothing to complain of.

Whoever leaves before the handshake is an error in the server's log, as is a client without the certificate that a
server wants to see, and one that comes with words before it logs in.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress

import msgspec

from semsupervisor.errors import TemporaryError
from semsupervisor.systems.bodies import Unreadable, excerpt, json_object
from semsupervisor.systems.connecting import Broken, Garbled, TimedOut, reason

BEGINNING = b"INFO "
LONGEST_BYTES = 64 * 1024
LEAVE_SECONDS = 0.5
NO_TLS = "it greets, and no TLS comes about"
WHAT_TO_SET = "set checks.nats.client_certificate and checks.nats.client_key"


class Locked(TemporaryError):
    """The server is there, and is not to be greeted again soon: each such visit is an error in its log."""


class Greeting(msgspec.Struct, frozen=True):
    """Whether a server wants TLS, offers it at least, and wants a certificate of its clients as well."""

    wants_tls: bool
    offers_tls: bool
    wants_certificate: bool


def parse(line: bytes) -> Greeting:
    """Read a server's first line. Raises: Garbled when it is none of NATS."""
    if not line.startswith(BEGINNING):
        raise Garbled(f"what came first is no greeting of NATS: {excerpt(line)}")
    try:
        told = json_object(line.removeprefix(BEGINNING))
    except Unreadable as error:
        raise Garbled(f"what came first is no greeting of NATS: {error}") from error
    wants = bool(told.get("tls_required"))
    return Greeting(wants, wants or bool(told.get("tls_available")), wants and bool(told.get("tls_verify")))


async def visit(stream: socket.socket, shown: ssl.SSLContext | None, timeout_seconds: float) -> None:
    """Hear a server's greeting on a connected socket, and leave; whoever shows the server's certificate is believed.

    `shown` has the certificate to show to a server that wants one. Raises: Broken, Garbled, TimedOut; Locked.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            await _visit(stream, shown)
    except TimeoutError as error:
        raise TimedOut(f"it takes connections and says nothing within {timeout_seconds:g} s") from error


async def _visit(stream: socket.socket, shown: ssl.SSLContext | None) -> None:
    reader, writer = await asyncio.open_connection(sock=stream.dup(), limit=LONGEST_BYTES)
    try:
        greeting = await hear(reader)
        if greeting.wants_certificate and shown is None:
            raise Locked(f"it wants a certificate of its clients: {WHAT_TO_SET}")
        if greeting.wants_tls:
            await _shake_hands(writer, shown or unchecked())
        if greeting.wants_certificate:
            await _hear_objection(reader)
        if greeting.wants_tls:
            await leave(writer)
    finally:
        writer.transport.abort()


async def hear(reader: asyncio.StreamReader) -> Greeting:
    """Read a server's greeting. Raises: Broken, Garbled."""
    try:
        line = await reader.readline()
    except ValueError as error:
        raise Garbled("what came first is no greeting of NATS") from error
    except OSError as error:
        raise Broken(reason(error)) from error
    if not line:
        raise Broken("it closes connections at once")
    return parse(line)


def unchecked() -> ssl.SSLContext:
    """Return what takes any certificate of a server, and shows none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def leave(writer: asyncio.StreamWriter) -> None:
    """End a TLS connection in words: cut off, what the server has not read yet would be lost to it."""
    writer.close()
    with suppress(OSError):
        async with asyncio.timeout(LEAVE_SECONDS):
            await writer.wait_closed()


async def _shake_hands(writer: asyncio.StreamWriter, context: ssl.SSLContext) -> None:
    try:
        await writer.start_tls(context)
    except OSError as error:
        raise Locked(f"{NO_TLS}: {reason(error)}") from error


async def _hear_objection(reader: asyncio.StreamReader) -> None:
    """Wait whether a server minds the certificate that it was shown, which it says after the handshake only."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LEAVE_SECONDS):
            try:
                await reader.read(1)
            except ssl.SSLError as error:
                raise Locked(f"{NO_TLS}: {reason(error)}") from error
