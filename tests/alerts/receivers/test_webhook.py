"""Posting notifications to receivers that take, refuse, redirect, delay or break off."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from semsupervisor.alerts.notification import NotificationKind
from semsupervisor.alerts.receivers.webhook import WebhookSender, judge, retry_after_seconds
from semsupervisor.alerts.sending import RetryLater
from semsupervisor.errors import PermanentError, TemporaryError
from semsupervisor.settings.forms import Duration, Secret
from semsupervisor.settings.model import WebhookReceiver
from semsupervisor.systems.connecting import Broken, Refused, TimedOut, TlsFailed
from semsupervisor.systems.http import Answer, HttpClient
from tests.support.certificates import self_signed
from tests.support.clock import START, ManualClock
from tests.support.talking import Hook, free_port, http_server, raw_server
from tests.support.told import told

FIRING = told(NotificationKind.FIRING)


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """Return a client that is closed after the test."""
    client = HttpClient(ManualClock())
    yield client
    await client.close()


def sender(http: HttpClient, settings: WebhookReceiver) -> WebhookSender:
    """Return the sender of a receiver called ops."""
    return WebhookSender("ops", settings, http, ManualClock())


def openssl_hmac(secret: str, signed: bytes) -> str:
    """Return the hex HMAC-SHA256 as the openssl command makes it."""
    made = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", secret], input=signed, capture_output=True, check=True, timeout=10
    )
    return made.stdout.decode().strip().rpartition(" ")[2]


async def test_a_signed_message_arrives(http: HttpClient) -> None:
    """Body, idempotency key, token and a signature that another implementation makes too."""
    seen = Hook()
    async with http_server(seen.take) as (url, _):
        settings = WebhookReceiver(
            url=f"{url}/hook", secret=Secret("geheim", "a test"), bearer_token=Secret("t0ken", "a test")
        )
        await sender(http, settings).send(FIRING)
    (body,), (headers,) = seen.bodies, seen.headers
    assert json.loads(body)["key"] == headers["Idempotency-Key"] == FIRING.key
    assert headers["Content-Type"] == "application/json"
    assert headers["Authorization"] == "Bearer t0ken"
    timestamp = headers["X-Semsupervisor-Timestamp"]
    assert int(timestamp) == int(START.timestamp())
    signed = openssl_hmac("geheim", timestamp.encode() + b"." + body)
    assert headers["X-Semsupervisor-Signature"] == f"sha256={signed}"


async def test_without_secrets_nothing_is_signed(http: HttpClient) -> None:
    """No empty signature or token that a receiver could take for one."""
    seen = Hook()
    async with http_server(seen.take) as (url, _):
        await sender(http, WebhookReceiver(url=url)).send(FIRING)
    assert not {"X-Semsupervisor-Signature", "Authorization"} & set(seen.headers[0])


async def test_the_format_chooses_the_body(http: HttpClient) -> None:
    """With `alertmanager` the body is that of Alertmanager, with the receiver's name in it."""
    seen = Hook()
    async with http_server(seen.take) as (url, _):
        await sender(http, WebhookReceiver(url=url, format="alertmanager")).send(FIRING)
    assert (json.loads(seen.bodies[0])["version"], json.loads(seen.bodies[0])["receiver"]) == ("4", "ops")


async def test_an_update_of_what_is_over_is_no_second_end(http: HttpClient) -> None:
    """A receiver of Alertmanager's format gets each end once; one of our own format learns what was found later."""
    late = msgspec.structs.replace(told(NotificationKind.RESOLVED), kind=NotificationKind.UPDATE, key="late")
    seen = Hook()
    async with http_server(seen.take) as (url, _):
        alertmanager = sender(http, WebhookReceiver(url=url, format="alertmanager"))
        for message in (told(NotificationKind.UPDATE), told(NotificationKind.RESOLVED), late):
            await alertmanager.send(message)
        await sender(http, WebhookReceiver(url=url)).send(late)
    assert [json.loads(body).get("status") for body in seen.bodies] == ["firing", "resolved", None]
    assert seen.headers[2]["Idempotency-Key"] == "late"


async def test_a_receiver_over_tls(http: HttpClient, tmp_path: Path) -> None:
    """A certificate of one's own is trusted when the settings name it, and only then."""
    certificate = self_signed(tmp_path)
    seen = Hook()
    async with http_server(seen.take, tls=certificate.server_context()) as (url, _):
        await sender(http, WebhookReceiver(url=url, ca_file=str(certificate.file))).send(FIRING)
        with pytest.raises(TlsFailed):
            await sender(http, WebhookReceiver(url=url)).send(FIRING)
    assert len(seen.bodies) == 1


async def test_a_failing_receiver_gets_the_same_key_again(http: HttpClient) -> None:
    """After a 500 the same message is taken at the next attempt, under the same key."""
    seen = Hook(web.Response(status=500, text="out of order"))
    async with http_server(seen.take) as (url, _):
        ops = sender(http, WebhookReceiver(url=url))
        with pytest.raises(TemporaryError, match="the receiver answered 500: out of order"):
            await ops.send(FIRING)
        await ops.send(FIRING)
    assert [headers["Idempotency-Key"] for headers in seen.headers] == [FIRING.key] * 2
    assert seen.bodies[0] == seen.bodies[1]


async def test_a_body_without_end_does_not_undo_the_status(http: HttpClient) -> None:
    """A receiver that took the message and then talks without end has taken it; one that failed has not."""

    async def talkative(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=int(request.path.strip("/")))
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65536)
        except ConnectionError:
            return response

    async with http_server(talkative) as (url, _):
        await sender(http, WebhookReceiver(url=f"{url}/200")).send(FIRING)
        with pytest.raises(RetryLater):
            await sender(http, WebhookReceiver(url=f"{url}/503")).send(FIRING)


async def test_no_answer_is_for_now(http: HttpClient) -> None:
    """Nobody there, a hang, and an answer that breaks off are all reasons to come back, and tell no secret path."""

    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await writer.drain()

    async with raw_server(hang) as hanging, raw_server(break_off) as breaking:
        for port, error in ((hanging, TimedOut), (breaking, Broken), (free_port(), Refused)):
            settings = WebhookReceiver(url=f"http://127.0.0.1:{port}/t0ken", timeout_seconds=Duration(0.2))
            with pytest.raises(error) as got:
                await sender(http, settings).send(FIRING)
            assert isinstance(got.value, TemporaryError)
            assert "t0ken" not in str(got.value)


async def test_a_redirect_is_not_followed(http: HttpClient) -> None:
    """What was meant for one host is not told to another; the error says where it is now, without its secrets."""
    moved = web.Response(status=308, headers={"Location": "https://chat.example/hooks/T00000000B11111111?token=abc"})
    seen = Hook(moved)
    async with http_server(seen.take) as (url, _):
        with pytest.raises(PermanentError, match=r"answered 308: it has moved to https://chat\.example/\*\*\*;") as got:
            await sender(http, WebhookReceiver(url=url)).send(FIRING)
    assert "T00000000" not in str(got.value)
    assert "abc" not in str(got.value)


def answer(status: int, body: bytes = b"", retry_after: str = "") -> Answer:
    """Return an answer of a receiver."""
    return Answer(status=status, headers={"retry-after": retry_after}, body=body, elapsed_seconds=0.1)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_success_is_delivered(status: int) -> None:
    """2xx is all that counts as taken."""
    judge(answer(status), START)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_tried_again(status: int) -> None:
    """Timeouts, too many requests and the server's own faults."""
    with pytest.raises(RetryLater, match=f"^the receiver answered {status}$"):
        judge(answer(status), START)


@pytest.mark.parametrize("status", [300, 301, 304, 400, 401, 403, 404, 410, 413, 422])
def test_what_somebody_must_mend_is_a_refusal(status: int) -> None:
    """Redirects and the client's faults."""
    with pytest.raises(PermanentError, match=f"the receiver answered {status}"):
        judge(answer(status), START)


def test_the_reply_is_quoted_in_short() -> None:
    """The first words of what the receiver said, on one line, whatever bytes it sent."""
    with pytest.raises(PermanentError) as got:
        judge(answer(400, b"bad\r\nkey\xff " + b"x" * 5000), START)
    assert str(got.value).startswith("the receiver answered 400: bad key\ufffd xxx")
    assert len(str(got.value)) < 240


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("-5", 0.0),
        ("soon", 0.0),
        ("Sun, 01 Mar 2026 12:01:00 +99999999999999", 0.0),
        (format_datetime(START + timedelta(seconds=90), usegmt=True), 90.0),
        ("Sun, 01 Mar 2026 12:01:00 -0000", 60.0),
        (format_datetime(START - timedelta(hours=1), usegmt=True), 0.0),
    ],
)
def test_when_to_come_back(header: str, seconds: float) -> None:
    """Retry-After in seconds or as a date; nothing, nonsense and the past mean no wish."""
    assert retry_after_seconds(header, START) == seconds


def test_the_wish_of_the_receiver_is_handed_on() -> None:
    """A 429 says for how long it wants peace."""
    with pytest.raises(RetryLater) as got:
        judge(answer(429, retry_after="30"), START)
    assert got.value.after_seconds == 30.0
