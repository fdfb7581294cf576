"""HTTP as a client: bounded in time and size, never led off to another host, aiohttp's own errors translated here.

Error texts name the server but no more of a POST's address: the path of a webhook is often its secret.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from io import BytesIO
from types import SimpleNamespace

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from semsupervisor import __version__
from semsupervisor.errors import PermanentError, SupervisorError
from semsupervisor.kit.clock import Clock
from semsupervisor.systems import names
from semsupervisor.systems.connecting import (
    LONGEST_REASON,
    Broken,
    Garbled,
    Refused,
    TimedOut,
    TlsFailed,
    Trust,
    Unanswered,
    reason,
)

LARGEST_BODY_BYTES = 2**20
MOST_REDIRECTS = 3
KEEP_ALIVE_SECONDS = 15.0
CHUNK_BYTES = 2**16
REDIRECTS = frozenset({301, 302, 303, 307, 308})


class BadAddress(PermanentError):
    """The URL cannot be asked at all."""


class BadRedirect(PermanentError):
    """The server sends on to another host, or in circles; `location` is where it pointed last."""

    def __init__(self, message: str, location: str) -> None:
        self.location = location
        super().__init__(message)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a server answered. Header names are in lower case; `elapsed_seconds` is up to the body's last byte."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed_seconds: float


class BodyTooLarge(PermanentError):
    """The body goes on past what may be read of it; `answer` holds what came up to there."""

    def __init__(self, message: str, answer: Answer) -> None:
        self.answer = answer
        super().__init__(message)


class HttpClient:
    """One client for all who ask by HTTP. GET takes a new connection each time, POST keeps its connections alive."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._trust = Trust()

    async def close(self) -> None:
        """Close all connections; a later request begins anew."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def get(
        self, url: str, timeout_seconds: float, largest_bytes: int = LARGEST_BODY_BYTES, *, follow: bool = True
    ) -> Answer:
        """Fetch a URL over a connection of its own, as a recreated container may now have the address of another.

        Redirects are followed on the same host, at most `MOST_REDIRECTS`, or are answers if none is to `follow`. Any
        status is an answer, and no more than `largest_bytes` of its body is read. Raises: Unanswered (temporary:
        Refused, TimedOut, TlsFailed, Broken); BadAddress, BadRedirect, BodyTooLarge (permanent).
        """
        here = _parsed(url)
        what = f"GET {here.with_user(None).with_query(None)}"
        started = self._clock.monotonic()
        async with _translated(what, timeout_seconds):
            for _ in range(MOST_REDIRECTS + 1):
                async with self._open().get(here, headers={"Connection": "close"}, allow_redirects=False) as response:
                    location = response.headers.get("Location", "")
                    if not follow or response.status not in REDIRECTS or not location:
                        answer = await self._read(response, what, started, largest_bytes)
                        response.close()
                        return answer
                    here = _redirected(what, here, location)
                    response.close()
        raise BadRedirect(f"{what}: more than {MOST_REDIRECTS} redirects, the last to {here}", str(here))

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float, ca_file: str = ""
    ) -> Answer:
        """Post a body and return the answer, a redirect as well: none is followed.

        `ca_file` names the certificates to trust in place of the system's. A kept connection that proves dead is
        replaced at once, with a time limit of its own; so the server may see the body twice.
        Raises: Unanswered (temporary: Refused, TimedOut, TlsFailed, Broken); BadAddress, BodyTooLarge (permanent).
        """
        address = _parsed(url)
        what = f"POST to {address.origin()}"
        trust = await self._trust.context(ca_file) if ca_file else True
        while True:
            taken = SimpleNamespace(reused=False)
            started = self._clock.monotonic()
            try:
                async with (
                    _translated(what, timeout_seconds),
                    self._open().post(
                        address, data=body, headers=headers, allow_redirects=False, ssl=trust, trace_request_ctx=taken
                    ) as response,
                ):
                    return await self._read(response, what, started, LARGEST_BODY_BYTES)
            except TlsFailed:
                self._trust.forget(ca_file)
                raise
            except Unanswered:
                if not taken.reused:
                    raise

    async def _read(self, response: aiohttp.ClientResponse, what: str, started: float, largest_bytes: int) -> Answer:
        body = BytesIO()  # what it has taken in becomes the answer's body without a copy
        while chunk := await response.content.read(CHUNK_BYTES):
            body.write(chunk)
            if body.tell() > largest_bytes:
                response.close()
                body.truncate(largest_bytes)
                kept = self._answer(response, body.getvalue(), started)
                raise BodyTooLarge(f"{what}: the body is larger than {largest_bytes // 1024} KiB", kept)
        return self._answer(response, body.getvalue(), started)

    def _answer(self, response: aiohttp.ClientResponse, body: bytes, started: float) -> Answer:
        return Answer(
            status=response.status,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=body,
            elapsed_seconds=self._clock.monotonic() - started,
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            watch = aiohttp.TraceConfig()
            watch.on_connection_reuseconn.append(_note_reuse)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=_Resolver(), keepalive_timeout=KEEP_ALIVE_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                headers={"User-Agent": f"semsupervisor/{__version__}", "Accept-Encoding": "identity"},
                trace_configs=[watch],
            )
        return self._session


class _Resolver(AbstractResolver):
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=one.host, port=one.port, family=one.family, proto=0, flags=0)
            for one in await names.lookup(host, port, family)
        ]

    async def close(self) -> None:
        """Nothing is kept open."""


async def _note_reuse(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    if context.trace_request_ctx is not None:
        context.trace_request_ctx.reused = True


@asynccontextmanager
async def _translated(what: str, timeout_seconds: float) -> AsyncIterator[None]:
    """Bound what is done within, and turn the library's errors into ours."""
    try:
        async with asyncio.timeout(timeout_seconds):
            yield
    except TimeoutError as error:
        raise TimedOut(f"{what}: no answer within {timeout_seconds:g} s") from error
    except (aiohttp.ClientError, OSError) as error:
        raise _translation(what, error) from error


def _translation(what: str, error: aiohttp.ClientError | OSError) -> SupervisorError:
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError() | ssl.SSLError():
            return TlsFailed(f"{what}: no trusted TLS connection: {_reason(error)}")
        case aiohttp.ClientConnectorError():
            return Refused(f"{what}: no connection: {_reason(error)}")
        case aiohttp.ServerDisconnectedError():
            return Broken(f"{what}: the server closed the connection without an answer")
        case OSError():
            return Broken(f"{what}: the connection was lost: {_reason(error)}")
        case aiohttp.ClientPayloadError():
            return Broken(f"{what}: the answer broke off before its end")
        case _:
            return Garbled(f"{what}: the answer is not HTTP: {_reason(error)}")


def _reason(error: BaseException) -> str:
    """Return the words for what went wrong without the library's wrapping, which repeats the URL."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return reason(error.certificate_error)
        case aiohttp.ClientConnectorError():
            return reason(error.os_error)
        case aiohttp.ClientResponseError():
            return " ".join(error.message.split())[:LONGEST_REASON]
        case _:
            return reason(error)


def _parsed(url: str) -> URL:
    try:
        address = URL(url)
    except ValueError as error:
        raise BadAddress(f"not a URL: {error}") from error
    if address.scheme not in {"http", "https"} or not address.host:
        raise BadAddress("not a URL with http:// or https:// and a host")
    return address


def _redirected(what: str, here: URL, location: str) -> URL:
    try:
        there = here.join(URL(location))
    except ValueError as error:
        raise BadRedirect(f"{what}: redirected to what is no address: {location}", location) from error
    if there.host != here.host:
        raise BadRedirect(f"{what}: redirected to another host: {there}", str(there))
    return there
