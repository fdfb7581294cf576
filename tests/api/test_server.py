"""The daemon's two doors."""

from __future__ import annotations

import asyncio
import grp
import logging
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from semsupervisor.alerts.lifecycle import Alert
from semsupervisor.api.server import Server
from semsupervisor.errors import PermanentError
from semsupervisor.settings.model import ApiSettings
from tests.support.api_world import World, served
from tests.support.logs import Logs


def settings(folder: Path, listen: str = "", group: str = "") -> ApiSettings:
    """Return settings with the control socket in a folder."""
    return ApiSettings(socket=str(folder / "control.sock"), listen=listen, group=group)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Return a client over TCP."""
    async with aiohttp.ClientSession() as session:
        yield session


async def test_both_doors_answer(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    """The control socket and the TCP address give the same answers."""
    async with served(World(), tmp_path) as server:
        connector = aiohttp.UnixConnector(str(tmp_path / "control.sock"))
        async with (
            aiohttp.ClientSession(connector=connector) as local,
            local.get("http://localhost/v1/alerts") as by_socket,
            session.get(f"http://{server.tcp_addresses[0]}/v1/alerts") as by_tcp,
        ):
            assert by_socket.status == by_tcp.status == 200
            assert await by_socket.read() == await by_tcp.read()


async def test_without_an_address_there_is_no_tcp(tmp_path: Path) -> None:
    """An empty `listen` leaves the control socket alone."""
    async with served(World(), tmp_path, listen="") as server:
        assert server.tcp_addresses == ()
        assert (tmp_path / "control.sock").is_socket()


async def test_ipv6_is_an_address_like_any_other(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    """An address in brackets is listened on and may be called by."""
    async with (
        served(World(), tmp_path, listen="[::1]:0") as server,
        session.get(f"http://{server.tcp_addresses[0]}/healthz") as answer,
    ):
        assert server.tcp_addresses[0].startswith("[::1]:")
        assert answer.status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_the_control_socket_belongs_to_the_group(tmp_path: Path) -> None:
    """The group of the settings may use it, others may not."""
    server = Server(World().readings(), settings(tmp_path, group="daemon"))
    await server.start()
    found = (tmp_path / "control.sock").stat()
    await server.stop()
    assert stat.S_IMODE(found.st_mode) == 0o660
    assert found.st_gid == grp.getgrnam("daemon").gr_gid


async def status_by_socket(folder: Path) -> str:
    """Return what the control socket says of the status."""
    connector = aiohttp.UnixConnector(str(folder / "control.sock"))
    async with aiohttp.ClientSession(connector=connector) as local, local.get("http://localhost/v1/status") as answer:
        assert answer.status == 200
        return await answer.text()


async def test_a_port_that_is_taken_leaves_the_control_socket(
    tmp_path: Path, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status names address and remedy, an error is logged once, and TCP is opened when the port is free again."""
    monkeypatch.setattr("semsupervisor.api.server.RETRY_SECONDS", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        server = Server(World().readings(), settings(tmp_path, listen))
        await server.start()
        await server.retry()
        assert server.tcp_addresses == ()
        status = await status_by_socket(tmp_path)
        assert "tcp_unavailable" in status
        assert f"cannot listen on {listen}: " in status
        assert "api.listen" in status
    await server.retry()
    assert list(server.tcp_addresses) == [listen]
    assert not server.problem
    assert "tcp_unavailable" not in await status_by_socket(tmp_path)
    await server.stop()
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["api.tcp_unavailable"]


async def test_an_address_that_is_not_the_hosts_is_named(tmp_path: Path) -> None:
    """An address of another host cannot be listened on, and the control socket serves alone."""
    server = Server(World().readings(), settings(tmp_path, "192.0.2.1:9797"))
    await server.start()
    assert server.problem.startswith("cannot listen on 192.0.2.1:9797: ")
    await server.stop()
    assert server.problem == ""


@pytest.mark.parametrize("listen", ["localhost", "localhost:", "localhost:http", "localhost:70000"])
async def test_an_address_without_a_port_is_refused(tmp_path: Path, listen: str) -> None:
    """What is no host:port is refused with an example."""
    with pytest.raises(PermanentError, match="host:port"):
        await Server(World().readings(), settings(tmp_path, listen)).start()


async def test_a_missing_folder_is_named_with_its_remedy(tmp_path: Path) -> None:
    """Nothing is open after a start that failed."""
    server = Server(World().readings(), settings(tmp_path / "nowhere", "127.0.0.1:0"))
    with pytest.raises(PermanentError, match="make its folder"):
        await server.start()
    assert server.tcp_addresses == ()


async def test_it_starts_again_where_it_stopped(tmp_path: Path) -> None:
    """After a stop both doors can be opened again, and a second stop does nothing."""
    server = Server(World().readings(), settings(tmp_path, "127.0.0.1:0"))
    for _ in range(2):
        await server.start()
        assert (tmp_path / "control.sock").is_socket()
        await server.stop()
        await server.stop()
        assert not (tmp_path / "control.sock").exists()


async def test_the_end_waits_for_no_client(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    """Idle connections, half requests and a request that hangs hold up the end by no more than the grace."""
    world = World()
    asked = asyncio.Event()

    async def hang(limit: int, name: str | None) -> list[Alert]:
        asked.set()
        await asyncio.Event().wait()
        return []

    world._history = hang  # type: ignore[method-assign]
    async with asyncio.timeout(10):
        async with served(world, tmp_path) as server:
            address = server.tcp_addresses[0]
            host, _, port = address.rpartition(":")
            _, half = await asyncio.open_connection(host, int(port))
            half.write(b"GET /healthz HTTP/1.1\r\nHost: lo")
            async with session.get(f"http://{address}/healthz") as answer:
                assert answer.status == 200
            hanging = asyncio.ensure_future(session.get(f"http://{address}/v1/alerts/history"))
            await asked.wait()
        with pytest.raises(aiohttp.ClientError):
            await hanging
        half.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nX: " + b"\xff" * 9 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_turned_away_in_silence(
    tmp_path: Path, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Garbage gets a 4xx or a closed connection, nothing in the log, and the next request its answer."""
    caplog.set_level(logging.INFO)
    async with asyncio.timeout(20), served(World(), tmp_path) as server:
        host, _, port = server.tcp_addresses[0].rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(garbage)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        assert answer == b"" or b" 4" in answer.partition(b"\r\n")[0]
        async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}/healthz") as after:
            assert after.status == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
