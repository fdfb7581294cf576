"""Mail by SMTP: one message to one recipient, aiosmtplib's own errors translated here.

One recipient a transaction makes each outcome plain: taken, refused for now (4xx), or refused for good (5xx).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import aiosmtplib
import msgspec

from semsupervisor.errors import PermanentError, TemporaryError
from semsupervisor.settings.forms import Secret
from semsupervisor.systems import names
from semsupervisor.systems.connecting import (
    LONGEST_REASON,
    Broken,
    Refused,
    TimedOut,
    TlsFailed,
    Trust,
    Unanswered,
    reason,
)

USUAL_PORTS = {"starttls": 587, "tls": 465, "none": 25}
FAREWELL_SECONDS = 2.0

_FULL_NAME = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


class MailDeferred(TemporaryError):
    """The mail server said no for now (4xx): greylisting, a full mailbox, too many messages."""


class MailRefused(PermanentError):
    """The mail server said no for good (5xx), or does not offer what the settings ask for."""


class SmtpServer(msgspec.Struct, frozen=True, kw_only=True):
    """A mail server and how to speak to it. Port 0 means the usual one; the timeout bounds connecting and talking each.

    `security`: starttls (refused if the server does not offer it), tls from the first byte, or none.
    """

    host: str
    port: int = 0
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: Secret | None = None
    ca_file: str = ""
    timeout_seconds: float = 30.0

    def __str__(self) -> str:
        return f"{self.host}:{self.port or USUAL_PORTS[self.security]}"


class SmtpClient:
    """Sends through one mail server, with a connection of its own for each message.

    Clients may share their trust: the system's certificates take a megabyte of memory each time they are read.
    """

    def __init__(self, server: SmtpServer, trust: Trust | None = None) -> None:
        self._server = server
        self._trust = trust or Trust()

    async def send(self, sender: str, recipient: str, message: bytes) -> None:
        """Hand one message over; on return the server has taken the responsibility for it.

        `message` is 7-bit clean with CRLF. Raises: Unanswered (temporary: Refused, TimedOut, TlsFailed, Broken),
        MailDeferred (temporary), MailRefused (permanent).
        """
        what = f"mail to {recipient} by {self._server}"
        try:
            await self._send(what, sender, recipient, message)
        except TlsFailed:
            self._trust.forget(self._server.ca_file)
            raise

    async def _send(self, what: str, sender: str, recipient: str, message: bytes) -> None:
        server = self._server
        trusted = None if server.security == "none" else await self._trust.context(server.ca_file)
        connection = await self._connect(what)
        client = aiosmtplib.SMTP(
            hostname=server.host,
            sock=connection,
            use_tls=server.security == "tls",
            start_tls=False,
            tls_context=trusted,
            local_hostname=_own_name(connection),
            timeout=None,
        )
        try:
            async with _translated(what, server.timeout_seconds):
                await client.connect()
                if server.security == "starttls":
                    await client.starttls()
                if server.username:
                    await client.login(server.username, server.password.value if server.password else "")
                await client.sendmail(sender, [recipient], message)
            await _take_leave(client)
        finally:
            client.close()

    async def _connect(self, what: str) -> socket.socket:
        """Try the server's addresses in turn, each for its share of the time."""
        addresses = await self._addresses(what)
        share_seconds = self._server.timeout_seconds / len(addresses)
        failures: list[OSError] = []
        for address in addresses:
            connection = socket.socket(address.family, socket.SOCK_STREAM)
            try:
                connection.setblocking(False)
                async with asyncio.timeout(share_seconds):
                    await asyncio.get_running_loop().sock_connect(connection, (address.host, address.port))
            except OSError as error:
                connection.close()
                failures.append(error)
            except asyncio.CancelledError:
                connection.close()
                raise
            else:
                return connection
        if isinstance(failures[-1], TimeoutError):
            raise TimedOut(f"{what}: no connection within {share_seconds:g} s") from failures[-1]
        raise Refused(f"{what}: no connection: {reason(failures[-1])}") from failures[-1]

    async def _addresses(self, what: str) -> list[names.Address]:
        server = self._server
        try:
            async with asyncio.timeout(server.timeout_seconds):
                return await names.lookup(server.host, server.port or USUAL_PORTS[server.security])
        except TimeoutError as error:
            raise TimedOut(f"{what}: host name not found within {server.timeout_seconds:g} s") from error
        except OSError as error:
            raise Refused(f"{what}: no connection: {reason(error)}") from error


@asynccontextmanager
async def _translated(what: str, timeout_seconds: float) -> AsyncIterator[None]:
    """Bound what is done within, and turn the library's errors into ours."""
    try:
        async with asyncio.timeout(timeout_seconds):
            yield
    except aiosmtplib.SMTPRecipientsRefused as error:
        raise _judged(what, error.recipients[0]) from error
    except aiosmtplib.SMTPResponseException as error:
        raise _judged(what, error) from error
    except TimeoutError as error:
        raise TimedOut(f"{what}: not taken within {timeout_seconds:g} s") from error
    except OSError as error:
        raise _lost(what, error) from error
    except aiosmtplib.SMTPException as error:
        raise MailRefused(f"{what}: {reason(error)}") from error


def _judged(what: str, error: aiosmtplib.SMTPResponseException) -> TemporaryError | PermanentError:
    words = " ".join(error.message.encode(errors="replace").decode().split())[:LONGEST_REASON]
    if error.code < 0:
        return Broken(f"{what}: the answer is not SMTP: {words}")
    return (MailRefused if error.code // 100 == 5 else MailDeferred)(f"{what}: {error.code} {words}")


def _lost(what: str, error: OSError) -> Unanswered:
    within = error.__cause__
    if isinstance(error, ssl.SSLError) or isinstance(within, ssl.SSLError):
        return TlsFailed(f"{what}: no trusted TLS connection: {reason(within or error)}")
    return Broken(f"{what}: the connection was lost: {reason(error)}")


async def _take_leave(client: aiosmtplib.SMTP) -> None:
    """Say goodbye; the message is taken, so that what goes wrong now is of no account."""
    with contextlib.suppress(aiosmtplib.SMTPException, OSError):
        await client.quit(timeout=FAREWELL_SECONDS)


def _own_name(connection: socket.socket) -> str:
    """Return what to call ourselves: the host's full name, or its address in brackets (RFC 5321, 4.1.4)."""
    name = socket.gethostname()
    if _FULL_NAME.fullmatch(name):
        return name
    address = connection.getsockname()[0]
    return f"[IPv6:{address}]" if connection.family == socket.AF_INET6 else f"[{address}]"
