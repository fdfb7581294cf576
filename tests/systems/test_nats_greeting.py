"""What NATS says first, and how it is left: real servers of both generations say in their logs whether they minded."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.systems import netns
from semsupervisor.systems.client_certificate import ClientCertificate
from semsupervisor.systems.connecting import Broken, Garbled, TimedOut
from semsupervisor.systems.nats_greeting import Greeting, Locked, parse, unchecked, visit
from tests.support.certificates import Certificate, self_signed
from tests.support.nats_server import NatsServer, ServerWith
from tests.support.talking import raw_server
from tests.support.waiting import eventually

TIMEOUT_SECONDS = 30.0


def tls(made: Certificate, *, verify: bool) -> str:
    """Return the configuration of a server that wants TLS, and a certificate of its clients or not."""
    both = f"cert_file: '{made.file}', key_file: '{made.key}', ca_file: '{made.file}'"
    return f"tls {{ {both}, verify: {str(verify).lower()} }}"


async def visited(port: int, shown: ClientCertificate | None = None, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
    """Visit what listens on a port of this host."""
    context = unchecked() if shown else None
    if shown and context:
        await shown.load_into(context, BlockingCalls())
    with socket.socket() as stream:
        stream.setblocking(False)
        await netns.connect(stream, "127.0.0.1", port, timeout_seconds)
        await visit(stream, context, timeout_seconds)


def errors(server: NatsServer) -> list[str]:
    """Return the errors in a server's log."""
    return [line for line in server.log_file.read_text().splitlines() if "[ERR]" in line]


def port_of(server: NatsServer) -> int:
    """Return where a server takes clients."""
    return int(server.url.rpartition(":")[2])


@pytest.mark.parametrize(
    ("told", "greeting"),
    [
        (b"{}", Greeting(False, False, False)),
        (b'{"tls_available":true}', Greeting(False, True, False)),
        (b'{"tls_required":true}', Greeting(True, True, False)),
        (b'{"tls_required":true,"tls_verify":true}', Greeting(True, True, True)),
    ],
)
def test_a_greeting_says_what_is_wanted(told: bytes, greeting: Greeting) -> None:
    """TLS and certificates are wanted or not, and TLS may be offered only."""
    assert parse(b"INFO " + told + b" \r\n") == greeting


@pytest.mark.parametrize("line", [b"220 mail.example.org\r\n", b"INFO [\r\n"])
def test_what_is_no_greeting_is_garbled(line: bytes) -> None:
    """Something else than NATS answers."""
    with pytest.raises(Garbled, match="no greeting of NATS"):
        parse(line)


@pytest.mark.integration
@pytest.mark.parametrize("verify", [False, True])
async def test_a_visit_leaves_nothing_in_the_servers_log(server_with: ServerWith, tmp_path: Path, verify: bool) -> None:
    """With TLS as without; who comes without the certificate that is wanted says so, and is told what to set."""
    (tmp_path / "tls").mkdir()
    made = self_signed(tmp_path / "tls")
    shown = ClientCertificate(file=str(made.file), key_file=str(made.key))
    server = server_with(tls(made, verify=verify))
    for _ in range(5):
        await visited(port_of(server), shown if verify else None)
    if verify:
        with pytest.raises(Locked, match=r"set checks\.nats\.client_certificate"):
            await visited(port_of(server))
        await eventually(lambda: errors(server))
    assert len(errors(server)) == int(verify)


@pytest.mark.integration
async def test_a_visit_without_tls(server_with: ServerWith) -> None:
    """The greeting is all that there is to hear."""
    await visited(port_of(server_with("")))


@pytest.mark.integration
async def test_a_handshake_that_fails_locks(server_with: ServerWith, tmp_path: Path) -> None:
    """A server that does not take the certificate is there, and would be bothered again."""
    for folder in ("tls", "other"):
        (tmp_path / folder).mkdir()
    other = self_signed(tmp_path / "other")
    server = server_with(tls(self_signed(tmp_path / "tls"), verify=True))
    shown = ClientCertificate(file=str(other.file), key_file=str(other.key))

    async def is_locked() -> bool:
        try:
            await visited(port_of(server), shown)
        except Locked as error:
            return "no TLS comes about" in str(error)
        return False

    assert await eventually(is_locked)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", Broken),
        (b"x" * 100_000, Garbled),
        (b'INFO {"tls_required":true}\r\n220 mail\r\n' * 9, Locked),
    ],
)
async def test_what_is_no_nats_is_told_apart(said: bytes, error: type[Exception]) -> None:
    """A server that hangs up, one that speaks otherwise, and one that promises TLS and has none."""

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()

    async with raw_server(talk) as port:
        with pytest.raises(error):
            await visited(port)


async def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    """Its silence has an end."""

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(talk) as port:
        with pytest.raises(TimedOut, match=r"says nothing within 0\.3 s"):
            await visited(port, timeout_seconds=0.3)
