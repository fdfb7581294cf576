"""The probe of certificates on real NATS servers of both generations, whose TLS begins after a greeting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from semsupervisor.health.observation import Observation, Outcome
from semsupervisor.health.probes.certificates import Certificates, Watched
from semsupervisor.kit.clock import SystemClock
from semsupervisor.systems.client_certificate import ClientCertificate
from tests.support.authority import Authority
from tests.support.nats_server import GENERATIONS, NatsServer

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
NOTHING = ClientCertificate()
TLS = 'tls {{ cert_file: "{certificate}", key_file: "{key}", ca_file: "{authority}", verify: {verify} }}'


async def seen(server: NatsServer, ca_file: str, shown: ClientCertificate = NOTHING) -> Observation:
    """Return what is seen of a server's certificate."""
    watched = Watched(
        name="nats",
        address=server.url.removeprefix("nats://"),
        server_name="localhost",
        ca_file=ca_file,
        starttls="nats",
        shown=shown,
    )
    probe = Certificates(SystemClock(), [watched], lambda _: None, lambda _: 0.0, 10.0)
    (observation,) = await probe.observe()
    return observation


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("generation", GENERATIONS)
async def test_the_certificate_of_a_nats_server(tmp_path: Path, generation: str, verify: bool) -> None:
    """A day's with an hour left is read, trusted or not; the look at a trusted one is no error in the server's log."""
    authority = Authority(tmp_path / "authority")
    now = datetime.now(UTC).replace(microsecond=0)
    made = authority.issue(now - 23 * HOUR, now + HOUR)
    shown = ClientCertificate(file=str(made.file), key_file=str(made.key)) if verify else NOTHING
    configuration = TLS.format(
        certificate=made.file, key=made.key, authority=authority.file, verify=str(verify).lower()
    )
    server = NatsServer(generation, tmp_path / "nats", jetstream=False, configuration=configuration)
    server.start()
    try:
        looks = [await seen(server, str(authority.file), shown) for _ in range(5)]
        errors = [line for line in server.log_file.read_text().splitlines() if "[ERR]" in line]
        trusted, untrusted = looks[-1], await seen(server, "", shown)
    finally:
        server.stop()
    assert {look.outcome for look in looks} == {Outcome.OK}
    assert errors == []
    assert trusted.facts["lifetime_left_ratio"] == pytest.approx(1 / 24, rel=0.05)
    assert (trusted.facts["name_valid"], trusted.facts["chain_valid"]) == (True, True)
    assert (untrusted.facts["expires_at"], untrusted.facts["chain_valid"]) == (trusted.facts["expires_at"], False)


async def test_a_nats_server_without_tls(tmp_path: Path) -> None:
    """It answers, and there is no certificate to speak of."""
    server = NatsServer("2.14", tmp_path / "nats", jetstream=False)
    server.start()
    try:
        observation = await seen(server, "")
    finally:
        server.stop()
    assert observation.outcome is Outcome.UNKNOWN
    assert "does not offer TLS" in observation.evidence["error"]
