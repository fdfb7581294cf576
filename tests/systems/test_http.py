"""The HTTP client against servers that answer well, badly, slowly or not at all."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from semsupervisor.errors import PermanentError, TemporaryError
from semsupervisor.kit.clock import SystemClock
from semsupervisor.systems.connecting import Broken, Garbled, Refused, TimedOut, TlsFailed
from semsupervisor.systems.http import LARGEST_BODY_BYTES, BadAddress, BadRedirect, BodyTooLarge, HttpClient
from tests.support.certificates import Certificate, self_signed
from tests.support.talking import free_port, http_server, raw_server


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """Return a client that is closed after the test."""
    client = HttpClient(SystemClock())
    yield client
    await client.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Return a certificate that no system trusts."""
    return self_signed(tmp_path_factory.mktemp("certificate"))


async def echo(request: web.Request) -> web.StreamResponse:
    """Answer 503 with what came."""
    body = await request.read()
    return web.Response(status=503, body=body or b"nothing", headers={"X-Seen": request.method, "X-Path": request.path})


async def test_any_status_is_an_answer(http: HttpClient) -> None:
    """Status, headers in lower case, body and the time taken come back, 503 as well."""
    async with http_server(echo) as (url, _):
        answer = await http.get(f"{url}/health?full=1", 5.0)
    assert (answer.status, answer.body, answer.headers["x-path"]) == (503, b"nothing", "/health")
    assert answer.elapsed_seconds >= 0.0


async def test_a_post_carries_body_and_headers(http: HttpClient) -> None:
    """The body arrives as given, with the caller's headers and without offers to compress the answer."""
    seen: list[web.Request] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        return await echo(request)

    async with http_server(handler) as (url, _):
        answer = await http.post(f"{url}/hook", b"body", {"Content-Type": "application/json"}, 5.0)
    assert (answer.body, answer.headers["x-seen"]) == (b"body", "POST")
    assert seen[0].headers["Content-Type"] == "application/json"
    assert seen[0].headers["Accept-Encoding"] == "identity"
    assert seen[0].headers["User-Agent"].startswith("semsupervisor/")


async def test_nobody_there_is_refused(http: HttpClient) -> None:
    """A closed port and an unknown name are temporary errors that say what was asked."""
    with pytest.raises(
        Refused, match=r"^GET http://127\.0\.0\.1:\d+/health: no connection: Connection refused$"
    ) as refused:
        await http.get(f"http://127.0.0.1:{free_port()}/health", 5.0)
    assert isinstance(refused.value, TemporaryError)
    with pytest.raises(Refused, match=r"no connection: .*(not known|address|resolution)"):
        await http.get("http://no-such-host.invalid/", 5.0)


async def test_silence_is_a_timeout(http: HttpClient) -> None:
    """A server that takes the connection and says nothing, or stops in the middle of its body, is given up in time."""

    async def mute(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await reader.read()

    for talk in (mute, stall):
        async with raw_server(talk) as port:
            with pytest.raises(TimedOut, match=r"no answer within 0\.1 s"):
                await http.get(f"http://127.0.0.1:{port}/health", 0.1)
            with pytest.raises(TimedOut, match=r"POST to http://127\.0\.0\.1:\d+: no answer"):
                await http.post(f"http://127.0.0.1:{port}/secret-path", b"", {}, 0.1)


@pytest.mark.parametrize(
    ("said", "garbled"),
    [
        (b"", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal", False),
        (b"220 mail.example ESMTP\r\n", True),
        (b"\x00\x01\x02\x03" * 10, True),
    ],
)
async def test_a_broken_answer_is_an_error(http: HttpClient, said: bytes, garbled: bool) -> None:
    """An answer that breaks off or is not HTTP is a temporary error, never half an answer; the two are told apart."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()

    async with raw_server(talk) as port:
        with pytest.raises(Broken) as broken:
            await http.get(f"http://127.0.0.1:{port}/", 5.0)
        assert isinstance(broken.value, Garbled) is garbled
        with pytest.raises(Broken):
            await http.post(f"http://127.0.0.1:{port}/", b"body", {}, 5.0)


async def test_a_body_without_end_is_cut(http: HttpClient) -> None:
    """Past the limit reading stops; the error keeps the first bytes and the status."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=201)
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65536)
        except ConnectionError:
            return response

    async with http_server(endless) as (url, _):
        with pytest.raises(BodyTooLarge) as got:
            await http.get(url, 10.0)
        assert (got.value.answer.status, len(got.value.answer.body)) == (201, LARGEST_BODY_BYTES)
        with pytest.raises(BodyTooLarge):
            await http.post(url, b"", {}, 10.0)


async def test_a_body_up_to_the_limit_is_whole(http: HttpClient) -> None:
    """A body of exactly the limit is an answer."""

    async def full(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * LARGEST_BODY_BYTES)

    async with http_server(full) as (url, _):
        assert len((await http.get(url, 10.0)).body) == LARGEST_BODY_BYTES


async def test_a_caller_may_read_more_or_less(http: HttpClient) -> None:
    """What may be read of one answer is the caller's choice."""

    async def longer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * (LARGEST_BODY_BYTES + 1))

    async with http_server(longer) as (url, _):
        assert len((await http.get(url, 10.0, LARGEST_BODY_BYTES + 1)).body) == LARGEST_BODY_BYTES + 1
        with pytest.raises(BodyTooLarge, match="larger than 1 KiB") as got:
            await http.get(url, 10.0, 1024)
        assert len(got.value.answer.body) == 1024


async def test_redirects_on_the_same_host_are_followed(http: HttpClient) -> None:
    """Up to three redirects lead to the answer, one more is refused."""

    async def hop(request: web.Request) -> web.StreamResponse:
        left = int(request.path.strip("/"))
        if left:
            return web.Response(status=302, headers={"Location": f"/{left - 1}"})
        return web.Response(text="there")

    async with http_server(hop) as (url, _):
        assert (await http.get(f"{url}/3", 5.0)).body == b"there"
        with pytest.raises(BadRedirect, match="more than 3 redirects"):
            await http.get(f"{url}/4", 5.0)


async def test_no_redirect_leads_to_another_host(http: HttpClient) -> None:
    """The other host is never asked; the error names it and is permanent."""
    asked: list[str] = []

    async def other(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response()

    async with http_server(other) as (_, other_port):

        async def away(_: web.Request) -> web.StreamResponse:
            return web.Response(status=301, headers={"Location": f"http://127.0.0.1:{other_port}/elsewhere"})

        async with http_server(away) as (url, _):
            with pytest.raises(BadRedirect, match="another host") as got:
                await http.get(url, 5.0)
    assert isinstance(got.value, PermanentError)
    assert got.value.location == f"http://127.0.0.1:{other_port}/elsewhere"
    assert asked == []


@pytest.mark.parametrize("location", ["/there", "http://example.org/"])
async def test_a_redirect_is_an_answer_where_none_is_to_be_followed(http: HttpClient, location: str) -> None:
    """Wherever it leads."""

    async def away(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": location})

    async with http_server(away) as (url, _):
        assert (await http.get(url, 10.0, follow=False)).status == 302


async def test_a_redirect_to_nonsense_is_refused(http: HttpClient) -> None:
    """A Location that is no address is an error of the server."""

    async def nonsense(_: web.Request) -> web.StreamResponse:
        return web.Response(status=301, headers={"Location": "http://[::1/"})

    async with http_server(nonsense) as (url, _):
        with pytest.raises(BadRedirect, match="no address"):
            await http.get(url, 5.0)


async def test_a_post_is_never_redirected(http: HttpClient) -> None:
    """A redirect of a POST is handed to the caller as it is; one without a Location is an answer to a GET too."""
    asked: list[str] = []

    async def away(request: web.Request) -> web.StreamResponse:
        asked.append(request.method)
        return web.Response(status=307, headers={"Location": "/there"} if request.method == "POST" else {})

    async with http_server(away) as (url, _):
        answer = await http.post(url, b"body", {}, 5.0)
        assert (answer.status, answer.headers["location"]) == (307, "/there")
        assert (await http.get(url, 5.0)).status == 307
    assert asked == ["POST", "GET"]


async def test_a_connection_that_is_reset_is_an_error(http: HttpClient) -> None:
    """A server that throws the connection away gives a temporary error that says so."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with raw_server(reset) as port:
        with pytest.raises(Broken, match="the connection was lost: Connection reset by peer"):
            await http.post(f"http://127.0.0.1:{port}/", b"", {}, 5.0)


@pytest.mark.parametrize("url", ["", "nats://localhost:4222", "/health", "http://", "http://[::1/", "http://a:b/"])
async def test_what_is_no_address_is_refused(http: HttpClient, url: str) -> None:
    """Only http and https with a host can be asked."""
    with pytest.raises(BadAddress):
        await http.get(url, 1.0)
    with pytest.raises(BadAddress):
        await http.post(url, b"", {}, 1.0)


async def test_a_get_takes_a_new_connection_each_time(http: HttpClient) -> None:
    """A probe never rides on a connection to what had the address before."""
    peers: set[object] = set()

    async def handler(request: web.Request) -> web.StreamResponse:
        peers.add(request.transport and request.transport.get_extra_info("peername"))
        return web.Response()

    async with http_server(handler) as (url, _):
        for _ in range(3):
            await http.get(url, 5.0)
    assert len(peers) == 3


async def test_a_server_back_at_the_same_address_is_asked_at_once(http: HttpClient) -> None:
    """After a server was replaced at its address, GET and POST both reach the new one without an error."""
    port = free_port()
    for generation in ("old", "new"):

        async def handler(_: web.Request, body: str = generation) -> web.StreamResponse:
            return web.Response(text=body)

        async with http_server(handler, port=port) as (url, _):
            assert (await http.post(url, b"", {}, 5.0)).body == generation.encode()
            assert (await http.get(url, 5.0)).body == generation.encode()


async def test_a_kept_connection_that_proves_dead_is_replaced_at_once(http: HttpClient) -> None:
    """When the server drops a kept connection under the second request, that is sent again on a new one."""
    requests: list[int] = []
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        mine = connections
        for turn in range(2):
            await reader.readuntil(b"\r\n\r\n")
            requests.append(mine)
            if mine == 1 and turn == 1:
                return
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            await writer.drain()

    async with raw_server(talk) as port:
        for _ in range(2):
            assert (await http.post(f"http://127.0.0.1:{port}/", b"", {}, 5.0)).status == 204
    assert requests == [1, 1, 2]


async def test_a_kept_connection_that_falls_silent_is_replaced_at_once(http: HttpClient) -> None:
    """When a kept connection no longer answers (the uplink changed), the request goes out again on a new one."""
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await reader.read()

    async with raw_server(talk) as port:
        for _ in range(2):
            assert (await http.post(f"http://127.0.0.1:{port}/", b"", {}, 1.0)).status == 204
    assert connections == 2


async def test_a_trusted_server_is_asked_over_tls(http: HttpClient, certificate: Certificate) -> None:
    """With the certificate to trust the post arrives, and the next one too."""
    async with http_server(echo, tls=certificate.server_context()) as (url, _):
        for _ in range(2):
            assert (await http.post(url, b"body", {}, 5.0, str(certificate.file))).body == b"body"


async def test_an_untrusted_server_is_told_nothing(http: HttpClient, certificate: Certificate, tmp_path: Path) -> None:
    """Without, with another or with an unreadable certificate nothing is sent; later may help, as clocks come right."""
    other = self_signed(tmp_path)
    (tmp_path / "empty.crt").write_text("")
    seen: list[web.Request] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        return web.Response()

    async with http_server(handler, tls=certificate.server_context()) as (url, _):
        for ca_file in ("", str(other.file), str(tmp_path / "missing.crt"), str(tmp_path / "empty.crt")):
            with pytest.raises(TlsFailed, match=r"self.signed|cannot read the certificates to trust"):
                await http.post(url, b"body", {}, 5.0, ca_file)
    assert seen == []
    assert issubclass(TlsFailed, TemporaryError)


async def test_a_renewed_certificate_to_trust_is_read_again(
    http: HttpClient, certificate: Certificate, tmp_path: Path
) -> None:
    """After a refusal the file is read afresh, so putting the right certificate there is enough."""
    trusted = tmp_path / "trusted.crt"
    trusted.write_bytes(self_signed(tmp_path).file.read_bytes())
    async with http_server(echo, tls=certificate.server_context()) as (url, _):
        with pytest.raises(TlsFailed):
            await http.post(url, b"body", {}, 5.0, str(trusted))
        trusted.write_bytes(certificate.file.read_bytes())
        assert (await http.post(url, b"body", {}, 5.0, str(trusted))).status == 503


async def test_a_server_without_tls_is_not_trusted(http: HttpClient) -> None:
    """A plain server asked by https is a TLS failure, not a crash."""
    async with http_server(echo) as (url, port):
        assert url.endswith(str(port))
        with pytest.raises(TlsFailed):
            await http.post(f"https://localhost:{port}/", b"", {}, 5.0)


async def test_a_closed_client_can_be_used_again(http: HttpClient) -> None:
    """Closing ends the connections and forbids nothing."""
    async with http_server(echo) as (url, _):
        assert (await http.get(url, 5.0)).status == 503
        await http.close()
        await http.close()
        assert (await http.get(url, 5.0)).status == 503
