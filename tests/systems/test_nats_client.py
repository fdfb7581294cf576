"""The client of NATS against real servers of both generations: well, away, still, and with every kind of login."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from semsupervisor.settings.forms import Secret
from semsupervisor.systems.connecting import Broken, Refused, TimedOut, TlsFailed
from semsupervisor.systems.nats_account import SUBJECT, parse_account
from semsupervisor.systems.nats_client import Address, Login, LoginRefused, LoginUnusable, NatsClient, NobodyResponds
from tests.support.authority import Authority
from tests.support.certificates import self_signed
from tests.support.clock import ManualClock
from tests.support.nats_faults import told
from tests.support.nats_server import NatsServer, ServerWith
from tests.support.talking import free_port, raw_server
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

NOBODY = Login()
PASSWORD = Login(username="ops", password=Secret("pa$$", "test"))


@pytest.fixture
def clock() -> ManualClock:
    """Return the client's clock."""
    return ManualClock()


@pytest.fixture
async def client(clock: ManualClock) -> AsyncIterator[NatsClient]:
    """Return a client that is closed after the test."""
    one = NatsClient(clock)
    yield one
    await one.close()


def at(server: NatsServer) -> Address:
    """Return where a server takes clients."""
    port = urlsplit(server.url).port
    assert port is not None
    return Address("127.0.0.1", port)


async def connections(server: NatsServer) -> list[str]:
    """Return the names of who is connected."""
    return [one.get("name", "") for one in (await told(server.monitor, "/connz"))["connections"]]


async def is_left_alone(server: NatsServer) -> bool:
    """Tell whether nobody is connected."""
    return not await connections(server)


async def test_a_connection_is_made_once_and_kept(server_with: ServerWith, client: NatsClient) -> None:
    """However often it is asked for there is one connection; it says who it is, and ends when it is closed."""
    server = server_with("")
    for _ in range(3):
        await client.connect(at(server), NOBODY, 2.0)
        await client.round_trip(2.0)
    assert await connections(server) == ["semsupervisor"]
    assert (await told(server.monitor, "/varz"))["total_connections"] == 1
    await client.close()
    await eventually(lambda: is_left_alone(server))


async def test_the_account_is_told(server_with: ServerWith, client: NatsClient) -> None:
    """A real answer of each generation says what the account uses and may use."""
    await client.connect(at(server_with("")), NOBODY, 2.0)
    account = parse_account(await client.request(SUBJECT, 2.0))
    assert (account.whole.streams, account.whole.consumers, account.tiers) == (0, 0, {})


async def test_a_server_that_went_and_came_is_connected_to_again(server_with: ServerWith, client: NatsClient) -> None:
    """While it is away that is said, and the next connection is as good as the first."""
    server = server_with("")
    await client.connect(at(server), NOBODY, 2.0)
    server.stop()
    with pytest.raises((Broken, TimedOut)):
        await client.round_trip(1.0)
    with pytest.raises(Refused, match="no connection: Connection refused"):
        await client.connect(at(server), NOBODY, 1.0)
    server.start()
    await client.connect(at(server), NOBODY, 2.0)
    await client.round_trip(2.0)


async def test_a_server_that_stands_still_gives_no_answer(server_with: ServerWith, client: NatsClient) -> None:
    """Neither a kept connection nor a new one waits longer than it is told to."""
    server = server_with("")
    await client.connect(at(server), NOBODY, 2.0)
    server.pause()
    with pytest.raises(TimedOut, match=r"no answer within 0\.3 s"):
        await client.round_trip(0.3)
    with pytest.raises(TimedOut, match=r"connecting to nats://127\.0\.0\.1:\d+: no answer within 0\.3 s"):
        await client.connect(at(server), NOBODY, 0.3)


@pytest.mark.parametrize(
    ("configuration", "right", "wrong"),
    [
        (
            "authorization { user: ops, password: 'pa$$' }",
            PASSWORD,
            Login(username="ops", password=Secret("no", "test")),
        ),
        ("authorization { token: 's3cret' }", Login(token=Secret("s3cret", "test")), Login(token=Secret("no", "test"))),
    ],
)
async def test_logins_are_let_in_or_refused(
    server_with: ServerWith, client: NatsClient, configuration: str, right: Login, wrong: Login
) -> None:
    """The right secret gets in, a wrong one and none are refused, and it is told apart whether one was given."""
    server = server_with(configuration)
    await client.connect(at(server), right, 2.0)
    for login, given in ((wrong, True), (NOBODY, False)):
        with pytest.raises(LoginRefused, match="Authorization Violation") as refused:
            await client.connect(at(server), login, 2.0)
        assert refused.value.given is given
    await eventually(lambda: is_left_alone(server))


async def test_a_refused_login_is_tried_again_ever_more_rarely(
    server_with: ServerWith, client: NatsClient, clock: ManualClock
) -> None:
    """The server writes each into its log, so in between none is made; another login is tried at once."""
    server = server_with("authorization { user: ops, password: 'pa$$' }")

    async def tried() -> int:
        with pytest.raises(LoginRefused):
            await client.connect(at(server), NOBODY, 2.0)
        return int((await told(server.monitor, "/varz"))["total_connections"])

    assert [await tried() for _ in range(3)] == [1, 1, 1]
    seen = []
    for _ in range(40):
        clock.advance(60.0)
        seen.append(await tried())
    assert seen[0] == 2
    assert seen[-1] == 7  # after 1, 2, 4 and 8 minutes, and then every 10
    await client.connect(at(server), PASSWORD, 2.0)
    with pytest.raises(LoginRefused):
        await client.connect(at(server), NOBODY, 2.0)


async def test_a_user_without_permission_is_told_what_is_not_allowed(
    server_with: ServerWith, client: NatsClient
) -> None:
    """What may not be asked is never answered: the server's word on it stands in the reason."""
    user = "{ user: ops, password: 'pa$$', permissions: { publish: { deny: ['$JS.>'] } } }"
    await client.connect(at(server_with(f"authorization {{ users: [{user}] }}")), PASSWORD, 2.0)
    with pytest.raises(TimedOut, match=r"(?i)permissions violation"):
        await client.request(SUBJECT, 0.5)


async def test_a_subject_that_nobody_serves_is_told(server_with: ServerWith, client: NatsClient) -> None:
    """It is known at once, and the connection stays."""
    server = server_with("")
    await client.connect(at(server), NOBODY, 2.0)
    with pytest.raises(NobodyResponds):
        await client.request("nobody.serves.this", 2.0)
    assert await connections(server) == ["semsupervisor"]


async def test_tls_is_used_where_the_server_wants_it(
    server_with: ServerWith, client: NatsClient, tmp_path: Path
) -> None:
    """A certificate that is trusted is taken, another is refused."""
    made = self_signed(tmp_path)
    server = server_with(f"tls {{ cert_file: '{made.file}', key_file: '{made.key}' }}")
    await client.connect(at(server), Login(ca_file=str(made.file)), 2.0)
    await client.round_trip(2.0)
    with pytest.raises(TlsFailed, match="no trusted TLS connection: self-signed certificate"):
        await client.connect(at(server), NOBODY, 2.0)


async def test_a_certificate_for_another_name_than_the_address_is_taken(
    server_with: ServerWith, client: NatsClient, tmp_path: Path
) -> None:
    """A container's address changes at each start: what its certificate is for is said, and then looked for."""
    authority, now = Authority(tmp_path / "authority"), datetime.now(UTC)
    made = authority.issue(now - timedelta(hours=1), now + timedelta(days=1), "DNS:nats")
    server = server_with(f"tls {{ cert_file: '{made.file}', key_file: '{made.key}' }}")
    await client.connect(at(server), Login(ca_file=str(authority.file), server_name="nats"), 2.0)
    await client.round_trip(2.0)
    with pytest.raises(TlsFailed, match=r"certificate is not valid for '127\.0\.0\.1'"):
        await client.connect(at(server), Login(ca_file=str(authority.file)), 2.0)


async def test_files_that_are_not_there_make_a_login_unusable(client: NatsClient, tmp_path: Path) -> None:
    """Credentials are read for each connection; without them none is tried, nor without the trusted certificates."""
    address = Address("127.0.0.1", free_port())
    with pytest.raises(LoginUnusable, match=r"cannot read the credentials in .*: No such file"):
        await client.connect(address, Login(credentials_file=str(tmp_path / "none.creds")), 2.0)
    with pytest.raises(TlsFailed, match="cannot read the certificates"):
        await client.connect(address, Login(ca_file=str(tmp_path / "none.pem")), 2.0)


async def test_credentials_need_a_package_of_their_own(
    server_with: ServerWith, client: NatsClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is not installed the reason says which."""
    monkeypatch.setitem(sys.modules, "nkeys", None)
    file = tmp_path / "ops.creds"
    file.write_text("-----BEGIN NATS USER JWT-----\neyJ\n------END NATS USER JWT------\n")
    with pytest.raises(LoginUnusable, match="needs the Python package nkeys"):
        await client.connect(at(server_with("")), Login(credentials_file=str(file)), 2.0)


async def test_what_is_no_nats_is_told(client: NatsClient) -> None:
    """Something else that answers there is not mistaken for a server."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ESMTP\r\n")
        await writer.drain()

    async with raw_server(greet) as port:
        with pytest.raises(Broken, match="INFO"):
            await client.connect(Address("127.0.0.1", port), NOBODY, 2.0)


async def test_a_name_that_is_not_known_is_refused(client: NatsClient) -> None:
    """Names are looked up within the time that is given."""
    with pytest.raises((Refused, TimedOut)):
        await client.connect(Address("no-such-host.invalid", 4222), NOBODY, 2.0)


async def test_without_a_connection_nothing_is_asked(client: NatsClient) -> None:
    """Who has not connected is told so; closing what is not open does nothing."""
    with pytest.raises(Broken, match="no connection"):
        await client.round_trip(1.0)
    await client.close()


@pytest.mark.parametrize(("host", "text"), [("10.0.0.1", "nats://10.0.0.1:4222"), ("::1", "nats://[::1]:4222")])
def test_an_address_is_written_as_a_url(host: str, text: str) -> None:
    """Addresses of the sixth version stand in brackets."""
    assert str(Address(host, 4222)) == text
