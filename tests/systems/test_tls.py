"""Certificates of real TLS servers on loopback, trusted or not, in date or not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from semsupervisor.kit.blocking import BlockingCalls, Hanging
from semsupervisor.systems.connecting import Garbled, Refused, TimedOut, TlsFailed
from semsupervisor.systems.tls import Certificate, Endpoint, certificate_of
from tests.support.authority import Authority, serving
from tests.support.certificates import self_signed
from tests.support.pipes import pipe
from tests.support.talking import free_port

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
TIMEOUT_SECONDS = 10.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return an authority that the tests trust."""
    return Authority(tmp_path_factory.mktemp("authority"))


@asynccontextmanager
async def server(context: ssl.SSLContext | None, greeting: bytes = b"") -> AsyncIterator[int]:
    """Yield the port of a server that speaks TLS, after a greeting in the clear if there is one."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if greeting:
                writer.write(greeting)
                await writer.drain()
                if context is not None:
                    await writer.start_tls(context)
            if await reader.read(1) and context is None:
                writer.write(b"-ERR 'Unknown Protocol Operation'\r\n" * 10)
        except OSError:
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=None if greeting else context)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


async def seen(
    context: ssl.SSLContext | None,
    ca_file: Path | str,
    *,
    now: datetime | None = NOW,
    starttls: str = "",
    greeting: bytes = b"",
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Certificate:
    """Return what is seen of a server's certificate."""
    async with server(context, greeting) as port:
        endpoint = Endpoint(host="127.0.0.1", port=port, name="localhost", ca_file=str(ca_file), starttls=starttls)
        return await certificate_of(endpoint, now, timeout_seconds, BlockingCalls())


async def test_a_trusted_certificate_is_read(authority: Authority) -> None:
    """Its names, its dates and who made it."""
    found = await seen(serving(authority.issue(NOW - HOUR, NOW + 23 * HOUR)), authority.file)
    assert (found.starts, found.ends) == (NOW - HOUR, NOW + 23 * HOUR)
    assert found.names == ("localhost", "127.0.0.1")
    assert (found.issuer, found.chain_problem) == ("Test authority", "")


async def test_an_expired_certificate_is_read_and_its_chain_is_fine(authority: Authority) -> None:
    """That its own time is over is said by its dates, not by its chain."""
    found = await seen(serving(authority.issue(NOW - 25 * HOUR, NOW - HOUR)), authority.file)
    assert (found.ends, found.chain_problem) == (NOW - HOUR, "")


async def test_an_untrusted_certificate_is_read(authority: Authority) -> None:
    """The system trusts neither it nor itself: its contents are there all the same, in date or not."""
    for ends in (NOW + HOUR, NOW - HOUR):
        found = await seen(serving(authority.issue(NOW - 25 * HOUR, ends)), "")
        assert found.ends == ends
        assert "issuer" in found.chain_problem


async def test_a_self_signed_certificate_is_read(tmp_path: Path) -> None:
    """It is not trusted, unless the settings name it as what to trust."""
    made = self_signed(tmp_path)
    assert "self-signed" in (await seen(made.server_context(), "")).chain_problem
    assert (await seen(made.server_context(), made.file)).chain_problem == ""


async def test_an_authority_between_that_expired_breaks_the_chain(tmp_path: Path) -> None:
    """The server's own certificate is in date; what vouches for it is not."""
    root = Authority(tmp_path / "root")
    between = root.below(NOW - 25 * HOUR, NOW - HOUR)
    leaf = between.issue(NOW - HOUR, NOW + HOUR)
    found = await seen(serving(leaf, between.file), root.file)
    assert found.ends == NOW + HOUR
    assert "expired" in found.chain_problem


async def test_without_a_time_no_date_counts(authority: Authority) -> None:
    """On a host whose clock is wrong nothing is said of dates, and the chain is what it is."""
    context = serving(authority.issue(NOW - 25 * HOUR, NOW - HOUR))
    assert (await seen(context, authority.file, now=None)).chain_problem == ""
    assert (await seen(context, "", now=None)).chain_problem != ""


async def test_tls_begins_after_the_greeting_of_nats(authority: Authority) -> None:
    """The greeting is read in the clear; what is no such greeting is not NATS."""
    context = serving(authority.issue(NOW - HOUR, NOW + HOUR))
    greeting = b'INFO {"tls_required":true}\r\n'
    assert (await seen(context, authority.file, starttls="nats", greeting=greeting)).ends == NOW + HOUR
    for strange in (b"220 mail.example.org\r\n", b"x" * 200_000):
        with pytest.raises(Garbled, match="greeting"):
            await seen(context, authority.file, starttls="nats", greeting=strange)


async def test_what_is_no_tls_is_told(tmp_path: Path, authority: Authority) -> None:
    """Refused, silent, another protocol, an unreadable file of certificates: each has its error."""
    endpoint = Endpoint(host="127.0.0.1", port=free_port(), name="localhost")
    with pytest.raises(Refused, match="refused"):
        await certificate_of(endpoint, NOW, TIMEOUT_SECONDS, BlockingCalls())
    with pytest.raises(TimedOut, match="no answer within"):
        await seen(None, authority.file, starttls="nats", greeting=b"INFO", timeout_seconds=0.3)
    with pytest.raises(TlsFailed, match="no TLS connection"):
        await seen(None, authority.file)
    with pytest.raises(TlsFailed, match="does not offer TLS"):
        await seen(None, authority.file, starttls="nats", greeting=b'INFO {"tls_required":false}\r\n')
    with pytest.raises(TlsFailed, match="cannot read the certificates"):
        await seen(None, tmp_path / "missing.crt")


async def test_a_file_that_hangs_is_not_the_servers_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing follows from it for the server, which is not asked."""
    monkeypatch.setattr("semsupervisor.systems.tls.TRUST_SECONDS", 0.05)
    with pipe(tmp_path / "ca.crt") as hanging, pytest.raises(Hanging, match=r"ca\.crt: no answer within 0\.05 s"):
        await seen(None, hanging)


@pytest.mark.parametrize(
    ("names", "name", "holds"),
    [
        (("nats.lan",), "nats.lan", True),
        (("NATS.lan",), "nats.LAN.", True),
        (("*.lan",), "nats.lan", True),
        (("*.lan",), "a.nats.lan", False),
        (("*.lan",), ".lan", False),
        (("*",), "lan", False),
        (("*.",), "lan.", False),
        (("10.0.0.7", "nats"), "10.0.0.7", True),
        (("nats",), "10.0.0.7", False),
        (("10.0.0.7",), "10.0.0.8", False),
        (("0:0:0:0:0:0:0:1",), "::1", True),
        ((), "nats", False),
    ],
)
def test_names_match_as_clients_have_it(names: tuple[str, ...], name: str, holds: bool) -> None:
    """A star stands for one whole label, and an address only for itself."""
    found = Certificate(subject="", issuer="", starts=NOW, ends=NOW, names=names, chain_problem="")
    assert found.is_for(name) is holds
