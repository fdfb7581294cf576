"""A client of NATS, as the stack's own are: logs in, measures the way there and back, asks JetStream.

The library is imported when the first connection is made, and its errors are translated here. It connects once each
time it is told to and does not come back by itself: who looks again and again connects again.
"""

from __future__ import annotations

import asyncio
import importlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from semsupervisor.errors import TemporaryError
from semsupervisor.kit.blocking import BlockingCalls, Hanging
from semsupervisor.kit.clock import Clock
from semsupervisor.settings.forms import Secret
from semsupervisor.systems import names
from semsupervisor.systems.client_certificate import ClientCertificate
from semsupervisor.systems.connecting import Broken, Refused, TimedOut, TlsFailed, Trust, Unanswered, reason

if TYPE_CHECKING:
    from nats.aio.client import Client

NAME = "semsupervisor"
CLOSE_SECONDS = 1.0
LIBRARY_SECONDS = 30.0
CREDENTIALS_SECONDS = 2.0
# A server writes each login that it refuses into its log.
FIRST_PAUSE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 600.0
LARGEST_CREDENTIALS_BYTES = 64 * 1024


class LoginRefused(TemporaryError):
    """The server answers and does not let this login in; `given` tells whether a login was given at all."""

    def __init__(self, message: str, *, given: bool) -> None:
        self.given = given
        super().__init__(message)


class CertificateWanted(TlsFailed):
    """The server wants a certificate of its clients, and there is none to show."""


class LoginUnusable(TemporaryError):
    """What the login needs is not there: its file cannot be read, or it needs a package that is not installed."""


class NobodyResponds(TemporaryError):
    """Nothing in this account takes requests for the subject."""


class Address(msgspec.Struct, frozen=True):
    """Where a server takes clients."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"nats://[{self.host}]:{self.port}" if ":" in self.host else f"nats://{self.host}:{self.port}"


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """Who the client is: user and password, a token, or a file of credentials (a JWT with its seed); or nobody.

    `server_name` is what the server's certificate has to be for, its address if empty.

    `ca_file` holds the certificates to trust in place of the system's, for a server that wants TLS, and `certificate`
    is for one that wants to see a certificate of its clients.
    """

    username: str = ""
    password: Secret | None = None
    token: Secret | None = None
    credentials_file: str = ""
    server_name: str = ""
    ca_file: str = ""
    certificate: ClientCertificate = ClientCertificate()

    @property
    def given(self) -> bool:
        """Tell whether there is anything to log in with."""
        return bool(self.username or self.token or self.credentials_file or self.certificate)


class _Refusal(msgspec.Struct, frozen=True):
    """The last login that was refused, and until when it is not tried again."""

    to: tuple[Address, Login]
    error: LoginRefused | TlsFailed
    until: float
    pause_seconds: float


class NatsClient:
    """One connection at most, to the server and with the login that were asked for last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._trust = Trust()
        self._files = BlockingCalls()
        self._client: Client | None = None
        self._made_for: tuple[Address, Login] | None = None
        self._trouble: Exception | None = None
        self._refusal: _Refusal | None = None
        self._connecting = asyncio.Lock()

    async def connect(self, address: Address, login: Login, timeout_seconds: float) -> None:
        """Connect unless that connection is there and alive; of two who ask at once the second waits for the first.

        A login that was refused is tried again after a pause, and in it refused as it was.
        Raises: Unanswered (Refused, TimedOut, TlsFailed, Broken); LoginRefused; LoginUnusable; CertificateUnusable;
        Hanging.
        """
        async with self._connecting:
            if self._made_for == (address, login) and self._client is not None and self._client.is_connected:
                return
            past = self._refusal if self._refusal and self._refusal.to == (address, login) else None
            if past is not None and self._clock.monotonic() < past.until:
                raise past.error.with_traceback(None)
            try:
                await self._connect(address, login, timeout_seconds)
            except (LoginRefused, TlsFailed) as error:
                pause_seconds = min(2 * past.pause_seconds, LONGEST_PAUSE_SECONDS) if past else FIRST_PAUSE_SECONDS
                until = self._clock.monotonic() + pause_seconds
                self._refusal = _Refusal((address, login), error, until, pause_seconds)
                raise
            self._refusal = None

    async def _connect(self, address: Address, login: Login, timeout_seconds: float) -> None:
        await self.close()
        library: Any = await self._files.run_in_turn("the client of NATS", _library, LIBRARY_SECONDS)
        options = await self._options(library, login, timeout_seconds)
        async with self._translated(f"connecting to {address}", timeout_seconds, login):
            host = (await names.lookup(address.host, address.port))[0].host
            self._client, self._trouble = library.Client(), None
            await self._client.connect(
                str(Address(host, address.port)),
                name=NAME,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                error_cb=self._note,
                tls_hostname=login.server_name or address.host,
                **options,
            )
        self._made_for = (address, login)

    async def round_trip(self, timeout_seconds: float) -> None:
        """Wait until a word to the server has come back. Raises: Unanswered."""
        async with self._translated("asking NATS for a sign of life", timeout_seconds):
            await self._open.flush(max(1, round(timeout_seconds)))

    async def request(self, subject: str, timeout_seconds: float, payload: bytes = b"") -> bytes:
        """Return what answers a request. Raises: NobodyResponds; Unanswered, also when it is not allowed."""
        self._trouble = None
        async with self._translated(f"asking {subject}", timeout_seconds, ends=False):
            answer = await self._open.request(subject, payload, timeout=timeout_seconds)
            return bytes(answer.data)

    async def close(self) -> None:
        """End the connection, if there is one; a later `connect` begins anew."""
        client, self._client, self._made_for = self._client, None, None
        if client is None:
            return
        with suppress(Exception):
            async with asyncio.timeout(CLOSE_SECONDS):
                await client.close()

    @property
    def library(self) -> Client:
        """Return the library's own client, for what is asked of it below this floor. Raises: Broken without one."""
        return self._open

    @property
    def _open(self) -> Client:
        if self._client is None:
            raise Broken("there is no connection to NATS")
        return self._client

    async def _options(self, library: Any, login: Login, timeout_seconds: float) -> dict[str, Any]:
        options: dict[str, Any] = {"connect_timeout": max(1, round(timeout_seconds))}
        options["tls"] = await self._trust.context(login.ca_file)
        if login.certificate:
            await login.certificate.load_into(options["tls"], self._files)
        if login.credentials_file:
            text = await self._credentials(login.credentials_file)
            options["user_credentials"] = library.RawCredentials(text)
        if login.username:
            options |= {"user": login.username, "password": login.password.value if login.password else ""}
        if login.token:
            options["token"] = login.token.value
        return options

    async def _credentials(self, file: str) -> str:
        """Read the file anew for each connection: credentials are renewed."""

        def read() -> str:
            with Path(file).open("rb") as opened:
                return opened.read(LARGEST_CREDENTIALS_BYTES).decode()

        try:
            return await self._files.run(f"the credentials in {file}", read, CREDENTIALS_SECONDS)
        except Hanging as error:
            raise LoginUnusable(f"cannot read {error}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise LoginUnusable(f"cannot read the credentials in {file}: {reason(error)}") from error

    async def _note(self, error: Exception) -> None:
        """Keep what the library says of a connection; the last of it tells why nothing came of it."""
        self._trouble = error

    @asynccontextmanager
    async def _translated(
        self, what: str, timeout_seconds: float, login: Login | None = None, *, ends: bool = True
    ) -> AsyncIterator[None]:
        """Bound what is done within, and turn the library's errors into ours.

        `ends` tells whether a failure ends the connection; an answer that does not come may be one that is not allowed.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                yield
        except (Unanswered, LoginUnusable):
            raise
        except Exception as error:
            found = self._translation(what, error, timeout_seconds, login)
            if ends:
                await self.close()
            raise found from error

    def _translation(self, what: str, error: Exception, timeout_seconds: float, login: Login | None) -> TemporaryError:
        cause = self._trouble if type(error).__name__ == "NoServersError" and self._trouble else error
        words = reason(cause).removeprefix("nats: ").strip("'")
        lacks = login is not None and not login.certificate and self._is_asked_for_certificate()
        match cause:
            case _ if lacks and not isinstance(cause, ssl.SSLCertVerificationError):
                return CertificateWanted(f"{what}: it wants a certificate of its clients")
            case ssl.SSLError():
                self._trust.forget(login.ca_file if login else "")
                return TlsFailed(f"{what}: no trusted TLS connection: {words}")
            case TimeoutError():
                return TimedOut(f"{what}: no answer within {timeout_seconds:g} s{self._denied()}")
            case OSError():
                return Refused(f"{what}: no connection: {words}")
            case ImportError():
                return LoginUnusable(f"{what}: a file of credentials needs the Python package nkeys ({words})")
            case _ if type(cause).__name__ == "NoRespondersError":
                return NobodyResponds(f"{what}: nothing responds")
            case _ if "authoriz" in words.lower() or "authentic" in words.lower():
                return LoginRefused(f"{what}: {words}", given=login is not None and login.given)
            case _:
                return Broken(f"{what}: {words}")

    def _is_asked_for_certificate(self) -> bool:
        """Tell what the server greeted with; how it ends a connection without one depends on its age and on chance."""
        greeting = vars(self._client).get("_server_info") if self._client else None
        return isinstance(greeting, dict) and bool(greeting.get("tls_verify"))

    def _denied(self) -> str:
        """Return what the server said if it did not allow something: the request itself is never answered then."""
        trouble = str(self._trouble or "")
        return f": {trouble.removeprefix('nats: ')}" if "permission" in trouble.lower() else ""


def _library() -> Any:
    """Return the library, which is not wanted in the memory before there is something to do."""
    return importlib.import_module("nats.aio.client")
