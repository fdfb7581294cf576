"""/healthz and /varz of both generations: the real answers, tables of bad ones, and properties over damage."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semsupervisor.systems.bodies import NotOffered, Unreadable
from semsupervisor.systems.limits import Bounded, Unbounded, Unread
from semsupervisor.systems.nats_monitor import Healthz, Varz, parse_healthz, parse_varz

SAMPLES = Path(__file__).parents[1] / "samples"
GENERATIONS = ("2.9.10", "2.14.0")


def sample(version: str, name: str) -> bytes:
    """Return a real server's answer."""
    return (SAMPLES / f"nats-{version}" / f"{name}.json").read_bytes()


def varz(**changed: Any) -> bytes:
    """Return a real /varz with some values exchanged; None removes one."""
    told = {**json.loads(sample("2.14.0", "varz")), **changed}
    return json.dumps({key: value for key, value in told.items() if value is not None}).encode()


def test_varz_of_2_9_is_read() -> None:
    """The figures of the older generation are what its answer says, integers as integers."""
    assert parse_varz(200, sample("2.9.10", "varz")) == Varz(
        server_id="NACFBHNU6OGLGLFERSHHDUYNHRD2FDWO3YODL2NNS5DEVOZ3X247ODMB",
        version="2.9.10",
        started_at=datetime(2026, 11, 23, 9, 0, 50, 660169, tzinfo=UTC),
        memory_bytes=14213120,
        cpu_cores=0.0,
        connections=1,
        connections_total=1,
        max_connections=Bounded(65536),
        subscriptions=55,
        slow_consumers=0,
        stalled_clients=None,
        in_messages=526,
        out_messages=555,
        in_bytes=101_002,
        out_bytes=26_962,
        config_loaded_at=datetime(2026, 11, 23, 9, 0, 50, 660169, tzinfo=UTC),
        certificate_expires_at=None,
    )


def test_varz_of_2_14_is_read() -> None:
    """The figures of the newer generation are what its answer says, integers as integers."""
    assert parse_varz(200, sample("2.14.0", "varz")) == Varz(
        server_id="NDBA7TURNV4YWA273G7MD2Y6HNI3UHLIOAG5BLFFA6ERN5PYPXNUPHM4",
        version="2.14.0",
        started_at=datetime(2026, 11, 23, 9, 0, 50, 642020, tzinfo=UTC),
        memory_bytes=17141760,
        cpu_cores=0.0,
        connections=1,
        connections_total=1,
        max_connections=Bounded(65536),
        subscriptions=73,
        slow_consumers=0,
        stalled_clients=0,
        in_messages=526,
        out_messages=555,
        in_bytes=101_002,
        out_bytes=26_922,
        config_loaded_at=datetime(2026, 11, 23, 9, 0, 50, 642020, tzinfo=UTC),
        certificate_expires_at=None,
    )


def test_what_only_some_servers_tell_is_read() -> None:
    """The end of a certificate and an unlimited number of connections are read; what is no limit is not known."""
    found = parse_varz(200, varz(tls_cert_not_after="2026-11-24T09:00:00Z", max_connections=-1, cpu=150))
    assert found.certificate_expires_at == datetime(2026, 11, 24, 9, tzinfo=UTC)
    assert (found.max_connections, found.cpu_cores) == (Unbounded(), 1.5)
    assert isinstance(parse_varz(200, varz(max_connections=None)).max_connections, Unread)


@pytest.mark.parametrize(
    ("http_status", "body", "why"),
    [
        (500, varz(), "HTTP 500 in place of 200"),
        (200, b"", "the body is empty"),
        (200, b"<html/>", "not JSON"),
        (200, b"[]", "not what was asked for"),
        (200, b"{}", "server_id"),
        (200, varz(mem=None), "mem"),
        (200, varz(mem=-1), "mem"),
        (200, varz(mem=1.5), "mem"),
        (200, varz(mem=10**30), "mem"),
        (200, varz(connections="1"), "connections"),
        (200, varz(connections=True), "connections"),
        (200, varz(version=""), "version"),
        (200, varz(version="x" * 1000), "version"),
        (200, varz(start="yesterday"), "start"),
        (200, varz(start="2026-11-23T09:00:50"), "start"),
        (200, varz(cpu=-1), "cpu"),
        (200, varz(cpu="1"), "cpu"),
        (200, varz(total_connections=None), "total_connections"),
        (200, varz(in_bytes=1.5), "in_bytes"),
        (200, varz(max_connections="many"), "max_connections"),
        (200, varz(tls_cert_not_after="soon"), "tls_cert_not_after"),
        (200, sample("2.14.0", "healthz"), "server_id"),
    ],
)
def test_what_is_no_varz_is_unreadable(http_status: int, body: bytes, why: str) -> None:
    """A figure that is missing or of another kind makes the answer unreadable; nothing is guessed."""
    with pytest.raises(Unreadable, match=why):
        parse_varz(http_status, body)


def test_an_endpoint_that_is_not_there_is_not_offered() -> None:
    """A 404 that is not the server's own word on its health means that the endpoint is not offered."""
    with pytest.raises(NotOffered, match="/varz"):
        parse_varz(404, b"404 page not found\n")
    with pytest.raises(NotOffered, match="/healthz"):
        parse_healthz(404, b"404 page not found\n")


@pytest.mark.parametrize("version", GENERATIONS)
def test_a_healthy_server_is_healthy(version: str) -> None:
    """The real answers of both generations read as healthy."""
    assert parse_healthz(200, sample(version, "healthz")) == Healthz(True)


@pytest.mark.parametrize(
    ("http_status", "told", "error"),
    [
        (503, {"status": "unavailable", "error": "JetStream not enabled"}, "JetStream not enabled"),
        (404, {"status": "error", "error": "JetStream stream 'A > S' not found"}, "JetStream stream 'A > S' not found"),
        (500, {"status": "unavailable"}, "status 'unavailable', without a reason (HTTP 500)"),
        (503, {"status": "error", "errors": []}, "status 'error', without a reason (HTTP 503)"),
        (503, {"status": "error", "errors": [{"type": "STREAM", "error": "a\nb"}, {"error": "c"}]}, "a b; c"),
        (503, {"status": "error", "errors": [{"error": str(n)} for n in range(9)]}, "0; 1; 2; 3; 4; and 4 more"),
        (503, {"status": "error", "error": "x" * 900}, "x" * 499 + "…"),
    ],
)
def test_why_a_server_is_unhealthy_is_in_its_own_words(http_status: int, told: object, error: str) -> None:
    """The error is the server's text on one line, the first few when it lists several."""
    assert parse_healthz(http_status, json.dumps(told).encode()) == Healthz(False, error)


@pytest.mark.parametrize(
    ("http_status", "body", "why"),
    [
        (200, b"OK", "not JSON"),
        (200, b"{}", "status"),
        (200, b'{"status": "unavailable"}', "HTTP 200 with the status 'unavailable'"),
        (200, b'{"status": "ok", "error": "x"}', "HTTP 200 with the status 'ok'"),
        (503, b'{"status": "ok"}', "HTTP 503 with the status 'ok'"),
        (302, b'{"status": "ok"}', "HTTP 302"),
        (200, b'{"status": 1}', "status"),
        (503, b"upstream unavailable", "not JSON"),
    ],
)
def test_what_contradicts_itself_is_unreadable(http_status: int, body: bytes, why: str) -> None:
    """An answer that is no /healthz, or does not agree with its HTTP status, says nothing."""
    with pytest.raises(Unreadable, match=why):
        parse_healthz(http_status, body)


@settings(max_examples=200)
@given(
    st.sampled_from([sample(version, name) for version in GENERATIONS for name in ("varz", "healthz")]),
    st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=4)), max_size=4),
    st.sampled_from([200, 404, 503]),
)
def test_damage_is_refused_or_read(body: bytes, damage: list[tuple[int, bytes]], http_status: int) -> None:
    """However an answer is damaged, nothing but our own errors comes of it, and healthy only if it says just that."""
    for at, new in damage:
        at %= len(body) + 1
        body = body[:at] + new + body[at + len(new) :]
    try:
        healthz = parse_healthz(http_status, body)
    except (Unreadable, NotOffered):
        pass
    else:
        assert not healthz.healthy or (http_status, json.loads(body)["status"]) == (200, "ok")
    with suppress(Unreadable, NotOffered):
        parse_varz(http_status, body)


@given(st.binary(max_size=200), st.integers(100, 599))
def test_any_bytes_are_refused(body: bytes, http_status: int) -> None:
    """Bytes from anywhere are neither healthy nor figures."""
    with pytest.raises((Unreadable, NotOffered)):
        parse_varz(http_status, body)
    with pytest.raises((Unreadable, NotOffered)):
        parse_healthz(http_status, body)
