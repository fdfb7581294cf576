"""Handing mail over to servers that take it, greylist, refuse, hang, or are not what the settings say."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from semsupervisor.errors import PermanentError, TemporaryError
from semsupervisor.settings.forms import Secret
from semsupervisor.systems import names
from semsupervisor.systems.connecting import Broken, Refused, TimedOut, TlsFailed
from semsupervisor.systems.smtp import MailDeferred, MailRefused, SmtpClient, SmtpServer
from tests.support.certificates import Certificate, self_signed
from tests.support.mail import Security, mail_server
from tests.support.talking import deaf_port, free_port, raw_server

MESSAGE = b"Subject: hello\r\n\r\nfirst\r\n.second\r\n"
FROM, TO = "semsupervisor@edge-7.example", "ops@example.org"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Return a certificate that no system trusts."""
    return self_signed(tmp_path_factory.mktemp("certificate"))


def plain(port: int, timeout_seconds: float = 5.0) -> SmtpClient:
    """Return a client for a server without TLS."""
    return SmtpClient(SmtpServer(host="127.0.0.1", port=port, security="none", timeout_seconds=timeout_seconds))


async def test_a_message_arrives_as_it_was_given() -> None:
    """Envelope and content, lines that begin with a dot included, are what was handed over."""
    async with mail_server() as server:
        await plain(server.port).send(FROM, TO, MESSAGE)
    (mail,) = server.mails
    assert (mail.sender, mail.recipients, mail.content) == (FROM, (TO,), MESSAGE)
    assert not mail.encrypted


async def test_starttls_and_login(certificate: Certificate) -> None:
    """With STARTTLS the connection is encrypted before the password is told."""
    async with mail_server("starttls", certificate.server_context(), {"edge": "geheim"}) as server:
        settings = SmtpServer(
            host="localhost",
            port=server.port,
            security="starttls",
            username="edge",
            password=Secret("geheim", "a test"),
            ca_file=str(certificate.file),
        )
        for _ in range(2):
            await SmtpClient(settings).send(FROM, TO, MESSAGE)
    assert [(mail.encrypted, mail.login) for mail in server.mails] == [(True, "edge")] * 2


async def test_implicit_tls(certificate: Certificate) -> None:
    """With `tls` the first byte is encrypted already."""
    async with mail_server("tls", certificate.server_context()) as server:
        settings = SmtpServer(host="localhost", port=server.port, security="tls", ca_file=str(certificate.file))
        await SmtpClient(settings).send(FROM, TO, MESSAGE)
    assert [mail.encrypted for mail in server.mails] == [True]


async def test_a_wrong_password_is_refused_for_good(certificate: Certificate) -> None:
    """535 is a permanent error that names the server and not the password."""
    async with mail_server("starttls", certificate.server_context(), {"edge": "geheim"}) as server:
        for password in (Secret("falsch", "a test"), None):
            settings = SmtpServer(
                host="localhost",
                port=server.port,
                username="edge",
                password=password,
                ca_file=str(certificate.file),
            )
            with pytest.raises(MailRefused, match=rf"mail to {TO} by localhost:{server.port}: 535") as got:
                await SmtpClient(settings).send(FROM, TO, MESSAGE)
            assert "falsch" not in str(got.value)
    assert server.mails == []
    assert issubclass(MailRefused, PermanentError)


async def test_login_that_is_not_offered_is_refused_for_good() -> None:
    """A server without AUTH gets no password."""
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (b"220 hello\r\n", b"250 mail\r\n"):
            writer.write(answer)
            heard.append(await reader.readline())

    async with raw_server(talk) as port:
        settings = SmtpServer(host="127.0.0.1", port=port, security="none", username="edge")
        with pytest.raises(MailRefused, match="AUTH"):
            await SmtpClient(settings).send(FROM, TO, MESSAGE)
    assert [line[:4] for line in heard if line] == [b"EHLO"]


async def test_starttls_that_is_not_offered_is_refused_for_good() -> None:
    """Nothing is told in the clear when encryption was asked for."""
    async with mail_server() as server:
        with pytest.raises(MailRefused, match="STARTTLS"):
            await SmtpClient(SmtpServer(host="127.0.0.1", port=server.port)).send(FROM, TO, MESSAGE)
    assert server.mails == []
    assert not [asked for asked in server.asked if asked.startswith("RCPT")]


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_an_untrusted_server_gets_nothing(certificate: Certificate, tmp_path: Path, security: Security) -> None:
    """Without the right certificate to trust nothing is sent; putting it into the file is enough to go on."""
    trusted = tmp_path / "trusted.crt"
    trusted.write_bytes(self_signed(tmp_path).file.read_bytes())
    async with mail_server(security, certificate.server_context()) as server:
        for ca_file in ("", str(tmp_path / "missing.crt")):
            there = SmtpServer(host="localhost", port=server.port, security=security, ca_file=ca_file)
            with pytest.raises(TlsFailed, match=r"self.signed|missing\.crt: No such file"):
                await SmtpClient(there).send(FROM, TO, MESSAGE)
        client = SmtpClient(SmtpServer(host="localhost", port=server.port, security=security, ca_file=str(trusted)))
        with pytest.raises(TlsFailed):
            await client.send(FROM, TO, MESSAGE)
        assert server.mails == []
        trusted.write_bytes(certificate.file.read_bytes())
        await client.send(FROM, TO, MESSAGE)
    assert len(server.mails) == 1
    assert issubclass(TlsFailed, TemporaryError)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("450 4.2.0 Greylisted, try again", MailDeferred),
        ("452 4.2.2 Mailbox full", MailDeferred),
        ("550 5.1.1 No such user", MailRefused),
    ],
)
async def test_what_is_said_to_the_recipient_counts(said: str, error: type[Exception]) -> None:
    """4xx is for now and 5xx for good; the server's words are kept; asked again it may take the mail."""
    async with mail_server() as server:
        server.say_to[TO].append(said)
        with pytest.raises(error, match=said):
            await plain(server.port).send(FROM, TO, MESSAGE)
        assert server.mails == []
        await plain(server.port).send(FROM, TO, MESSAGE)
    assert len(server.mails) == 1
    assert issubclass(MailDeferred, TemporaryError)


@pytest.mark.parametrize(("said", "error"), [("451 Later", MailDeferred), ("554 Spam", MailRefused)])
async def test_what_is_said_after_the_message_counts(said: str, error: type[Exception]) -> None:
    """A message that is refused at its end is not delivered."""
    async with mail_server() as server:
        server.say_after_data.append(said)
        with pytest.raises(error, match=said):
            await plain(server.port).send(FROM, TO, MESSAGE)
    assert server.mails == []


@pytest.mark.parametrize(
    ("greeting", "error", "words"),
    [
        (b"554 go away\r\n", MailRefused, "554 go away"),
        (b"421 too busy \xff\r\n", MailDeferred, "421 too busy"),
        (b"HTTP/1.1 400 Bad Request\r\n", Broken, "the answer is not SMTP"),
        (b"", Broken, "the connection was lost"),
        (b"220 hello\r\n", Broken, "the connection was lost"),
    ],
)
async def test_what_the_server_greets_with_counts(greeting: bytes, error: type[Exception], words: str) -> None:
    """A server that is busy, closed, gone, or no mail server at all is told apart; the words can be stored."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()

    async with raw_server(greet) as port:
        with pytest.raises(error, match=words) as got:
            await plain(port).send(FROM, TO, MESSAGE)
    assert str(got.value).encode()


async def test_nobody_there_is_refused() -> None:
    """A closed port and an unknown name are temporary errors."""
    with pytest.raises(Refused, match="no connection: Connection refused"):
        await plain(free_port()).send(FROM, TO, MESSAGE)
    nowhere = SmtpClient(SmtpServer(host="no-such-host.invalid", security="none"))
    with pytest.raises(Refused, match=r"by no-such-host\.invalid:25: no connection"):
        await nowhere.send(FROM, TO, MESSAGE)


async def test_silence_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server, an address or a resolver that never answers is given up in time."""

    async def mute(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(mute) as port:
        with pytest.raises(TimedOut, match=r"not taken within 0\.1 s"):
            await plain(port, 0.1).send(FROM, TO, MESSAGE)
    with deaf_port() as port, pytest.raises(TimedOut, match=r"no connection within 0\.1 s"):
        await plain(port, 0.1).send(FROM, TO, MESSAGE)

    async def never(*_: object) -> list[names.Address]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(names, "lookup", never)
    with pytest.raises(TimedOut, match=r"host name not found within 0\.1 s"):
        await plain(25, 0.1).send(FROM, TO, MESSAGE)


async def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the first address of the server is dead, the mail goes to the second."""
    async with mail_server() as server:

        async def two(host: str, port: int) -> list[names.Address]:
            return [
                names.Address(socket.AF_INET, "127.0.0.1", free_port()),
                names.Address(socket.AF_INET, "127.0.0.1", port),
            ]

        monkeypatch.setattr(names, "lookup", two)
        await plain(server.port).send(FROM, TO, MESSAGE)
    assert len(server.mails) == 1


async def test_giving_up_while_connecting_leaves_nothing_open() -> None:
    """A cancelled send closes its socket: the test run would warn of it."""
    with deaf_port() as port, pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await plain(port, 30.0).send(FROM, TO, MESSAGE)


async def test_a_server_that_hangs_up_after_taking_the_message_has_taken_it() -> None:
    """The goodbye is of no account once the message is taken."""
    said = [b"220 hello\r\n", b"250 mail\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in said:
            writer.write(answer)
            await reader.readline()
        while await reader.readline() != b".\r\n":
            pass
        writer.write(b"250 taken\r\n")
        await writer.drain()

    async with raw_server(talk) as port:
        await plain(port).send(FROM, TO, MESSAGE)


@pytest.mark.parametrize(
    ("own", "greeted"), [("edge-7.example.org", "edge-7.example.org"), ("edge-7", "[127.0.0.1]"), ("", "[127.0.0.1]")]
)
async def test_the_greeting_is_one_that_servers_accept(monkeypatch: pytest.MonkeyPatch, own: str, greeted: str) -> None:
    """A host with a full name greets with it, another with its address in brackets."""
    monkeypatch.setattr(socket, "gethostname", lambda: own)
    async with mail_server() as server:
        await plain(server.port).send(FROM, TO, MESSAGE)
    assert server.asked[0] == f"EHLO {greeted}"


async def test_the_greeting_over_ipv6_is_an_address_of_that_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 5321 wants such an address marked."""
    monkeypatch.setattr(socket, "gethostname", lambda: "edge-7")
    greeted: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        greeted.append(await reader.readline())
        writer.close()

    server = await asyncio.start_server(talk, "::1", 0)
    async with server:
        there = SmtpServer(host="::1", port=server.sockets[0].getsockname()[1], security="none")
        with pytest.raises(Broken):
            await SmtpClient(there).send(FROM, TO, MESSAGE)
    assert greeted == [b"EHLO [IPv6:::1]\r\n"]


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_the_usual_ports(security: Security, port: int) -> None:
    """Without a port the one for the chosen security is meant, and shown."""
    assert str(SmtpServer(host="mail.example.org", security=security)) == f"mail.example.org:{port}"
