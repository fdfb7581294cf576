"""The certificate that a TLS server shows: read whether it is trusted or not, and then what is wrong with it.

The standard library hands out a certificate's contents only of a connection that it trusts. So a server that is not
trusted is asked again with its own certificate as the one to trust, and whatever the time: nothing but the names and
dates in it follow from that.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.kit.text import shortened
from semsupervisor.settings.allowed import is_ip
from semsupervisor.systems import nats_greeting
from semsupervisor.systems.bodies import one_line
from semsupervisor.systems.client_certificate import ClientCertificate
from semsupervisor.systems.connecting import (
    TRUST_SECONDS,
    Broken,
    Refused,
    TimedOut,
    TlsFailed,
    reason,
    trusted,
)
from semsupervisor.systems.names import lookup

# OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which the standard library takes but has no name for.
IGNORE_TIME = 0x200000
OUT_OF_DATE = frozenset({9, 10})  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED

_Contents = Mapping[str, Any]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where to connect, the name to ask for and to look for, and whom to trust (the system's if empty).

    With `starttls` "nats" TLS begins after the greeting of a NATS server. `shown` is for a server that wants to see a
    certificate of its clients.
    """

    host: str
    port: int
    name: str
    ca_file: str = ""
    starttls: str = ""
    shown: ClientCertificate = ClientCertificate()

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What a server's certificate says, and what is to be said of it.

    `chain_problem` is why its chain is not trusted, its own dates aside; empty when it is.
    """

    subject: str
    issuer: str
    starts: datetime
    ends: datetime
    names: tuple[str, ...]
    chain_problem: str

    def is_for(self, name: str) -> bool:
        """Tell whether it is for a host name or IP address, by its alternative names alone, as clients have it."""
        return any(_matches(pattern, name) for pattern in self.names)


async def certificate_of(
    endpoint: Endpoint, now: datetime | None, timeout_seconds: float, files: BlockingCalls
) -> Certificate:
    """Fetch a server's certificate. Without a time that can be believed (None) no date in the chain is checked.

    `files` read what is trusted, which does not count for the server's time.
    Raises: Refused, TimedOut, Broken, Garbled; TlsFailed (also for a `ca_file` that cannot be read); Hanging when that
    file does not come; CertificateUnusable.
    """
    trusting = await _trusting(endpoint, files)
    await _dress(endpoint, trusting, files)
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _fetched(endpoint, now, trusting, files)
    except TimeoutError as error:
        raise TimedOut(f"TLS to {endpoint}: no answer within {timeout_seconds:g} s") from error


async def _fetched(
    endpoint: Endpoint, now: datetime | None, trusting: ssl.SSLContext, files: BlockingCalls
) -> Certificate:
    distrust: ssl.SSLCertVerificationError | None = None
    if now is not None:
        try:
            return _read(await _contents(endpoint, trusting))
        except ssl.SSLCertVerificationError as error:
            distrust = error
    trusting.verify_flags |= ssl.VerifyFlags(IGNORE_TIME)
    try:
        found = _read(await _contents(endpoint, trusting))
    except ssl.SSLCertVerificationError as error:
        only = _trusting_only(await _shown(endpoint, files))
        await _dress(endpoint, only, files)
        return _read(await _contents(endpoint, only), reason(error))
    if now is None or distrust is None or _is_about_itself(distrust, found, now):
        return found
    return msgspec.structs.replace(found, chain_problem=reason(distrust))


def _is_about_itself(distrust: ssl.SSLCertVerificationError, found: Certificate, now: datetime) -> bool:
    """Tell whether a chain was not trusted for the dates of the server's own certificate alone."""
    return distrust.verify_code in OUT_OF_DATE and not found.starts <= now <= found.ends


async def _trusting(endpoint: Endpoint, files: BlockingCalls) -> ssl.SSLContext:
    """Return what checks the chain; the name is looked at apart, to tell the two faults from each other."""
    file = endpoint.ca_file
    read = partial(ssl.create_default_context, cafile=file or None)
    try:
        context = await files.run_in_turn(trusted(file), read, TRUST_SECONDS)
    except OSError as error:
        raise TlsFailed(f"cannot read the certificates to trust in {file}: {reason(error)}") from error
    context.check_hostname = False
    return context


def _trusting_only(shown: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=shown)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(IGNORE_TIME)
    return context


async def _dress(endpoint: Endpoint, context: ssl.SSLContext, files: BlockingCalls) -> None:
    if endpoint.shown:
        await endpoint.shown.load_into(context, files)


async def _shown(endpoint: Endpoint, files: BlockingCalls) -> bytes:
    """Return the server's certificate, unchecked."""
    context = nats_greeting.unchecked()
    await _dress(endpoint, context, files)
    async with _connected(endpoint, context) as connection:
        return connection.getpeercert(binary_form=True) or b""


async def _contents(endpoint: Endpoint, context: ssl.SSLContext) -> _Contents:
    """Return what is in the server's certificate. Raises: ssl.SSLCertVerificationError if it is not trusted."""
    async with _connected(endpoint, context) as connection:
        return connection.getpeercert() or {}


@asynccontextmanager
async def _connected(endpoint: Endpoint, context: ssl.SSLContext) -> AsyncIterator[ssl.SSLObject]:
    what = f"TLS to {endpoint}"
    try:
        address = (await lookup(endpoint.host, endpoint.port))[0]
        reader, writer = await asyncio.open_connection(address.host, endpoint.port, limit=nats_greeting.LONGEST_BYTES)
    except OSError as error:
        raise Refused(f"{what}: no connection: {reason(error)}") from error
    try:
        if endpoint.starttls:
            await _greeted(what, reader)
        await writer.start_tls(context, server_hostname=endpoint.name)
        yield writer.get_extra_info("ssl_object")
        await nats_greeting.leave(writer)
    except ssl.SSLCertVerificationError:
        raise
    except ssl.SSLError as error:
        raise TlsFailed(f"{what}: no TLS connection: {reason(error)}") from error
    except OSError as error:
        raise Broken(f"{what}: the connection was lost: {reason(error)}") from error
    finally:
        writer.transport.abort()


async def _greeted(what: str, reader: asyncio.StreamReader) -> None:
    """Read the greeting with which NATS begins, before TLS."""
    try:
        greeting = await nats_greeting.hear(reader)
    except Broken as error:
        raise type(error)(f"{what}: {error}") from error
    if not greeting.offers_tls:
        raise TlsFailed(f"{what}: the server does not offer TLS")


def _read(contents: _Contents, chain_problem: str = "") -> Certificate:
    return Certificate(
        subject=_common_name(contents.get("subject", ())),
        issuer=_common_name(contents.get("issuer", ())),
        starts=_moment(contents["notBefore"]),
        ends=_moment(contents["notAfter"]),
        names=tuple(name for kind, name in contents.get("subjectAltName", ()) if kind in {"DNS", "IP Address"}),
        chain_problem=chain_problem,
    )


def _common_name(parts: Iterable[Iterable[tuple[str, str]]]) -> str:
    """Return the common name in a distinguished name, or else all of it."""
    pairs = [pair for part in parts for pair in part]
    common = [one_line(value) for name, value in pairs if name == "commonName"]
    return shortened(common[0] if common else ", ".join(f"{name}={one_line(value)}" for name, value in pairs))


def _moment(text: str) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC)


def _matches(pattern: str, name: str) -> bool:
    """Tell whether a name in a certificate covers a host (RFC 6125: a star is one whole label, the first)."""
    if is_ip(pattern) or is_ip(name):
        return is_ip(pattern) and is_ip(name) and ipaddress.ip_address(pattern) == ipaddress.ip_address(name)
    wanted, given = pattern.lower().rstrip("."), name.lower().rstrip(".")
    if not wanted.startswith("*."):
        return wanted == given
    first, _, rest = given.partition(".")
    return bool(first) and rest == wanted[2:]
