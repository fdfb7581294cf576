"""Which probes the settings make."""

from __future__ import annotations

import pytest
from aiohttp import web

from semsupervisor.daemon.parts import Means, door, probes
from semsupervisor.health.last_answers import LastAnswers
from semsupervisor.kit.clock import SystemClock
from semsupervisor.settings.checks import (
    CertificateCheck,
    CheckSettings,
    CommandCheck,
    CustomCheck,
    HttpCheck,
    NatsCheck,
    SemstreamsCheck,
    TcpCheck,
)
from semsupervisor.settings.forms import Duration
from semsupervisor.settings.model import Settings
from semsupervisor.systems.http import Answer, HttpClient
from tests.support.clock import ManualClock
from tests.support.talking import http_server


def planned(checks: CheckSettings) -> dict[str, float]:
    """Return the intervals of the probes that settings make, by their names."""
    clock = ManualClock()
    means = Means(clock, HttpClient(clock), lambda _: None, str, lambda _: 0.0, dict, LastAnswers(clock))
    return {one.probe.name: one.interval_seconds for one in probes(Settings(checks=checks), means)}


@pytest.mark.parametrize(
    ("interval", "slow", "inside"), [(1, 3.0, 6.0), (10, 30.0, 30.0), (30, 60.0, 60.0), (60, 60.0, 60.0)]
)
def test_heavy_looks_are_rarer_and_still_count(interval: int, slow: float, inside: float) -> None:
    """Never so rarely that an alert would not count the time; the view from inside never looks like a loop."""
    found = planned(CheckSettings(interval_seconds=Duration(interval)))
    assert (found["nats_varz"], found["nats_jetstream"], found["nats_client"]) == (interval, slow, slow)
    assert found["semstreams_reach"] == inside


def test_without_an_address_for_clients_there_is_no_client() -> None:
    """An empty address switches it off; the monitoring is looked at all the same."""
    found = planned(CheckSettings(nats=NatsCheck(client="")))
    assert "nats_client" not in found
    assert {"nats_health", "nats_varz", "nats_jetstream", "nats_connz"} <= found.keys()


@pytest.mark.parametrize(("client", "name"), [("container:nats:4222", "nats"), ("nats.lan:4222", "")])
def test_a_containers_certificate_is_to_be_for_its_service(client: str, name: str) -> None:
    """Its address changes at each start; any other address is what its certificate is for."""
    clock = ManualClock()
    means = Means(clock, HttpClient(clock), lambda _: None, str, lambda _: 0.0, dict, LastAnswers(clock))
    assert door(NatsCheck(client=client), means).login.server_name == name


def test_the_operators_own_checks_are_made() -> None:
    """Each has its name and its interval, and the certificates are looked at together."""
    checks = CheckSettings(
        custom={
            "page": HttpCheck(address="http://127.0.0.1:3000/"),
            "broker": TcpCheck(address="container:broker:1883", interval_seconds=Duration(30)),
            "clock": CommandCheck(command=("/bin/true",), interval_seconds=Duration(3600)),
        },
        certificates={"nats": CertificateCheck(address="container:nats:4222", starttls="nats")},
    )
    found = planned(checks)
    own = {name: interval for name, interval in found.items() if name.startswith("check_")}
    assert own == {"check_page": 60, "check_broker": 30, "check_clock": 3600}
    assert found["certificates"] == 60
    assert "certificates" not in planned(CheckSettings())


async def test_own_checks_by_http_read_the_begin_and_may_want_a_redirect() -> None:
    """A page that goes on for long is judged by its first 64 KiB, and a redirect that is wanted is not followed."""

    async def serve(request: web.Request) -> web.StreamResponse:
        if request.path == "/login":
            return web.Response(status=302, headers={"Location": "http://sso.example/"})
        return web.Response(body=b"fine" + b" " * 2**21)

    clock = SystemClock()
    http = HttpClient(clock)
    means = Means(clock, http, lambda _: None, str, lambda _: 0.0, dict, LastAnswers(clock))
    async with http_server(serve) as (url, _):
        custom: dict[str, CustomCheck] = {
            "login": HttpCheck(address=f"{url}/login", status=302),
            "page": HttpCheck(address=f"{url}/", pattern="fine"),
        }
        made = [one.probe for one in probes(Settings(checks=CheckSettings(custom=custom)), means)]
        seen = [await probe.observe() for probe in made if probe.name in {"check_login", "check_page"}]
    await means.close()
    assert [one.facts["state"] for (one,) in seen] == ["ok", "ok"]


async def test_metrics_and_flows_are_looked_for_beside_the_health_endpoint() -> None:
    """Where the settings say, or else on the same host: the metrics on its port or 9090, the flows on either path."""
    everywhere = await asked(SemstreamsCheck())
    assert everywhere == {
        "http://10.0.0.7:8080/health",
        "http://10.0.0.7:8080/metrics",
        "http://10.0.0.7:9090/metrics",
        "http://10.0.0.7:8080/api/flows",
        "http://10.0.0.7:8080/flowservice/flows",
    }
    given = SemstreamsCheck(metrics="http://10.0.0.9/m", flows="container:semstreams:1/f")
    assert await asked(given) == {"http://10.0.0.7:8080/health", "http://10.0.0.9/m", "http://10.0.0.7:1/f"}


async def asked(semstreams: SemstreamsCheck) -> set[str]:
    """Return what the probes of SemStreams ask for when nothing is offered."""
    clock = ManualClock()
    urls: set[str] = set()

    class Nowhere(HttpClient):
        async def get(self, url: str, timeout_seconds: float, largest_bytes: int = 0, *, follow: bool = True) -> Answer:
            urls.add(url)
            return Answer(status=404, headers={}, body=b"", elapsed_seconds=0.0)

    means = Means(clock, Nowhere(clock), lambda _: "10.0.0.7", str, lambda _: 0.0, dict, LastAnswers(clock))
    checks = CheckSettings(semstreams=semstreams, nats=NatsCheck(client=""))
    for one in probes(Settings(checks=checks), means):
        if one.probe.name.startswith("semstreams_") and one.probe.name != "semstreams_reach":
            await one.probe.observe()
    return urls
