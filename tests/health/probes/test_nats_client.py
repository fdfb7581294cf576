"""The probe that is a client: what comes of a server that is well, away, still, locked, or of another kind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from semsupervisor.errors import EngineError
from semsupervisor.health.observation import UNLIMITED, Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.probes.nats_client import ACCOUNT_FACTS, Door, NatsClientProbe, account_facts
from semsupervisor.health.targets import AddressOf, TargetAbsent, TargetStopped
from semsupervisor.kit.clock import SystemClock
from semsupervisor.settings.forms import Secret
from semsupervisor.systems.client_certificate import ClientCertificate
from semsupervisor.systems.jetstream_state import Tier
from semsupervisor.systems.limits import Bounded, Limit, Unbounded, Unread
from semsupervisor.systems.nats_account import Account, Usage
from semsupervisor.systems.nats_client import Login, NatsClient
from tests.support.certificates import self_signed
from tests.support.nats_faults import fill_stream, jetstream
from tests.support.nats_server import NatsServer, ServerWith

EVERYTHING = ("client_connected", "client_rtt_seconds", *ACCOUNT_FACTS)


class Looking:
    """The probe of one server; `lag_seconds` is by how much our own loop is said to lag."""

    def __init__(
        self, client: NatsClient, server: NatsServer | None, login: Login, address_of: AddressOf | None = None
    ) -> None:
        self.lag_seconds = 0.0
        here = urlsplit(server.url).netloc if server else "container:nats:4222"
        self._probe = NatsClientProbe(
            SystemClock(),
            client,
            Door(here, address_of or (lambda _: None), login),
            "nats",
            3.0,
            lag_since=lambda _: self.lag_seconds,
            mask=lambda text: text.replace("hunter2", "***"),
        )

    async def look(self) -> Observation:
        """Return what is seen."""
        (seen,) = await self._probe.observe()
        assert (seen.source, seen.subject) == ("nats_client", Subject(SubjectKind.NATS, "nats"))
        return seen


@pytest.fixture
async def client() -> AsyncIterator[NatsClient]:
    """Return a client that is closed after the test."""
    one = NatsClient(SystemClock())
    yield one
    await one.close()


@pytest.mark.integration
async def test_a_server_that_lets_us_in_tells_the_account(server_with: ServerWith, client: NatsClient) -> None:
    """What the account uses is what another client is told; without limits there are no shares of them."""
    server = server_with("")
    await fill_stream(server.url, "S", most=10)
    async with jetstream(server.url) as js:
        info = await js.account_info()
    seen = await Looking(client, server, Login()).look()
    rtt_seconds = seen.facts["client_rtt_seconds"]
    assert isinstance(rtt_seconds, float)
    assert 0.0 < rtt_seconds < 30.0
    assert dict(seen.facts) == {
        "client_connected": True,
        "client_rtt_seconds": rtt_seconds,
        "account_memory_used_bytes": info.memory,
        "account_storage_used_bytes": info.storage,
        "account_streams": 1,
        "account_consumers": 0,
        **dict.fromkeys(LIMITS, UNLIMITED),
    }
    assert (seen.outcome, seen.evidence) == (Outcome.OK, {})


LIMITS = ("account_memory_limit_bytes", "account_storage_limit_bytes", "account_max_streams", "account_max_consumers")
ACCOUNTS = """
accounts {
  APP { jetstream { max_file: 1M, max_streams: 4 }, users = [{ user: app, password: hunter2 }] }
  PLAIN { users = [{ user: plain, password: plain }] }
}
"""
APP = Login(username="app", password=Secret("hunter2", "test"))
PLAIN = Login(username="plain", password=Secret("plain", "test"))


@pytest.mark.integration
async def test_an_account_is_held_against_its_own_limits(server_with: ServerWith, client: NatsClient) -> None:
    """The share is that of the limit of the account that is logged in to."""
    server = server_with(ACCOUNTS)
    await fill_stream(server.url.replace("//", "//app:hunter2@"), "S", payload=b"x" * 20_000)
    facts = (await Looking(client, server, APP).look()).facts
    assert 0.9 < float(str(facts["account_storage_used_ratio"])) <= 1.0
    assert facts["account_streams_used_ratio"] == 0.25
    assert (facts["account_storage_limit_bytes"], facts["account_max_streams"]) == (1_000_000, 4)
    assert facts["account_max_consumers"] == UNLIMITED
    assert "account_memory_used_ratio" not in facts or facts["account_memory_used_bytes"] == 0


@pytest.mark.integration
async def test_an_account_without_jetstream_is_not_known(server_with: ServerWith, client: NatsClient) -> None:
    """It is connected, and of what JetStream holds nothing is said but why."""
    seen = await Looking(client, server_with(ACCOUNTS), PLAIN).look()
    assert (seen.outcome, seen.facts["client_connected"]) == (Outcome.OK, True)
    assert all(isinstance(seen.facts[name], Unknown) for name in ACCOUNT_FACTS)
    assert seen.evidence["account"]


@pytest.mark.integration
async def test_a_login_that_is_refused_is_a_fault_and_a_missing_one_is_not(
    server_with: ServerWith, client: NatsClient
) -> None:
    """A wrong password is down; where none is set the server is locked for us, and the reason says what to set."""
    server = server_with(ACCOUNTS)
    wrong = await Looking(client, server, Login(username="app", password=Secret("no", "test"))).look()
    assert (wrong.outcome, wrong.facts["client_connected"]) == (Outcome.DOWN, False)
    assert "Authorization Violation" in wrong.evidence["client_error"]
    none = await Looking(client, server, Login()).look()
    assert none.outcome is Outcome.NOT_OFFERED
    assert all(isinstance(none.facts[name], Unknown) for name in EVERYTHING)
    assert "set checks.nats.client_username" in none.evidence["client_error"]


@pytest.mark.integration
async def test_a_certificate_that_nothing_was_said_about_is_no_fault(
    server_with: ServerWith, client: NatsClient, tmp_path: Path
) -> None:
    """A server with a certificate of its own is locked for us until we are told what to trust; a wrong one is down."""
    (tmp_path / "other").mkdir()
    made, other = self_signed(tmp_path), self_signed(tmp_path / "other")
    server = server_with(f"tls {{ cert_file: '{made.file}', key_file: '{made.key}' }}")
    locked = await Looking(client, server, Login()).look()
    assert (locked.outcome, isinstance(locked.facts["client_connected"], Unknown)) == (Outcome.NOT_OFFERED, True)
    assert "set checks.nats.client_ca_file" in locked.evidence["client_error"]
    wrong = await Looking(client, server, Login(ca_file=str(other.file))).look()
    assert (wrong.outcome, wrong.facts["client_connected"]) == (Outcome.DOWN, False)
    right = await Looking(client, server, Login(ca_file=str(made.file))).look()
    assert right.facts["client_connected"] is True


@pytest.mark.integration
async def test_a_server_that_wants_a_certificate_is_shown_one(
    server_with: ServerWith, client: NatsClient, tmp_path: Path
) -> None:
    """For who set what else it takes, and no certificate, it is down, and said is what is missing."""
    made = self_signed(tmp_path)
    files = f"cert_file: '{made.file}', key_file: '{made.key}', ca_file: '{made.file}'"
    server = server_with(f"tls {{ {files}, verify: true }}")
    trusting = Login(ca_file=str(made.file))
    missing = await Looking(client, server, trusting).look()
    assert (missing.outcome, missing.facts["client_connected"]) == (Outcome.DOWN, False)
    what = "it wants a certificate of its clients; set checks.nats.client_certificate and checks.nats.client_key"
    assert what in missing.evidence["client_error"]
    shown = ClientCertificate(file=str(made.file), key_file=str(made.key))
    right = await Looking(client, server, msgspec.structs.replace(trusting, certificate=shown)).look()
    assert right.facts["client_connected"] is True
    none = ClientCertificate(file=str(tmp_path / "none.pem"))
    unusable = await Looking(client, server, msgspec.structs.replace(trusting, certificate=none)).look()
    assert (unusable.outcome, isinstance(unusable.facts["client_connected"], Unknown)) == (Outcome.UNKNOWN, True)
    assert "none.pem: No such file" in unusable.evidence["client_error"]


@pytest.mark.integration
async def test_a_server_that_went_or_stands_still_is_down(server_with: ServerWith, client: NatsClient) -> None:
    """Nobody is let in, and everybody again once it is there; while our own loop lags nothing is said."""
    server = server_with("")
    looking = Looking(client, server, Login())
    await looking.look()
    server.pause()
    still = await looking.look()
    assert (still.outcome, still.facts["client_connected"]) == (Outcome.DOWN, False)
    assert isinstance(still.facts["account_streams"], Unknown)
    looking.lag_seconds = 1.5
    assert isinstance((await looking.look()).facts["client_connected"], Unknown)
    looking.lag_seconds = 0.0
    server.stop()
    gone = await looking.look()
    assert "Connection refused" in gone.evidence["client_error"]
    server.start()
    assert (await looking.look()).facts["client_connected"] is True


@pytest.mark.parametrize(
    ("error", "outcome", "connected"),
    [
        (TargetStopped("nats does not run: hunter2"), Outcome.DOWN, False),
        (TargetAbsent("there is no container of nats"), Outcome.NOT_OFFERED, None),
        (EngineError("the engine is away"), Outcome.UNKNOWN, None),
    ],
)
async def test_what_is_known_of_the_container_decides(
    client: NatsClient, error: Exception, outcome: Outcome, connected: bool | None
) -> None:
    """A container that does not run lets nobody in; one that is not there, or not known, says nothing."""

    def address_of(_: str) -> str:
        raise error

    seen = await Looking(client, None, Login(), address_of).look()
    reason = str(error).replace("hunter2", "***")
    assert (seen.outcome, seen.evidence) == (outcome, {"client_error": reason})
    assert seen.facts["client_connected"] == (Unknown(reason) if connected is None else connected)


def usage(used: int, most: Limit) -> Usage:
    """Return a use of storage against a limit, and nothing else."""
    none = Tier(used_bytes=0, limit=Unbounded())
    return Usage(
        memory=none,
        storage=Tier(used_bytes=used, limit=most),
        streams=1,
        consumers=0,
        max_streams=Unbounded(),
        max_consumers=Unbounded(),
    )


def test_tiers_count_by_the_fullest() -> None:
    """Where an account has tiers their limits are the account's."""
    tiers = {"R1": usage(90, Bounded(100)), "R3": usage(10, Bounded(100))}
    facts = account_facts(Account(whole=usage(100, Bounded(1000)), tiers=tiers))
    assert (facts["account_storage_used_bytes"], facts["account_storage_used_ratio"]) == (100, 0.9)
    assert (facts["account_storage_limit_bytes"], facts["account_memory_limit_bytes"]) == (100, UNLIMITED)
    assert "account_memory_used_ratio" not in facts


def test_a_limit_that_is_not_known_has_no_share() -> None:
    """The share is unknown then, and not missing."""
    facts = account_facts(Account(whole=usage(100, Unread("odd")), tiers={}))
    assert facts["account_storage_used_ratio"] == facts["account_storage_limit_bytes"] == Unknown("odd")
