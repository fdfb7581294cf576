"""A daemon in the test's own process, without an engine: its settings file, its receiver, a client on its socket."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from semsupervisor.daemon.configuration import configure
from semsupervisor.daemon.root import Daemon
from semsupervisor.kit.clock import SystemClock
from semsupervisor.kit.systemd import Notifier
from tests.support.unscheduled import unscheduled
from tests.support.waiting import eventually

ENDED_SECONDS = 30.0

Received = list[dict[str, Any]]


class Surroundings:
    """A daemon's surroundings: a receiver, a settings file, and a client on its socket."""

    def __init__(self, folder: Path, receiver: str) -> None:
        self.folder = folder
        self.settings = folder / "settings.toml"
        self.socket = folder / "control.sock"
        self.receiver = receiver
        self.write()

    def write(self, more: str = "") -> None:
        """Write the settings file."""
        self.settings.write_text(
            unscheduled(
                f'[docker]\nsocket = "{self.folder}/absent.sock"\n[state]\ndirectory = "{self.folder}/state"\n'
                f'[api]\nsocket = "{self.socket}"\nlisten = ""\ngroup = ""\n[checks]\ninterval = "1s"\n'
                f'[receivers.hook]\ntype = "webhook"\nurl = "{self.receiver}"\n'
                f'[rules.engine_unreachable]\nfor = "0s"\n{more}'
            )
        )

    async def get(self, path: str) -> Any:
        """Ask the daemon for a document."""
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self.socket))) as session,
            session.get(f"http://localhost{path}") as answer,
        ):
            return await answer.json()

    async def text(self, path: str) -> str:
        """Ask the daemon for a text."""
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self.socket))) as session,
            session.get(f"http://localhost{path}") as answer,
        ):
            return await answer.text()

    async def post(self, path: str) -> Any:
        """Ask the daemon to do something."""
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self.socket))) as session,
            session.post(f"http://localhost{path}") as answer,
        ):
            return await answer.json()

    async def says(self, path: str, state: str) -> bool:
        """Tell whether a verdict is this one."""
        return bool((await self.get(path))["status"] == state)

    async def _answers_or_ended(self, task: asyncio.Task[None]) -> bool:
        """Tell whether somebody listens on the socket, which is there before that, or nobody ever will."""
        try:
            _, writer = await asyncio.open_unix_connection(self.socket)
        except OSError:
            return task.done()
        writer.close()
        await writer.wait_closed()
        return True

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """Run a daemon, and end it by SIGTERM."""
        configuration = await asyncio.to_thread(configure, self.settings)
        daemon = Daemon(configuration, self.settings, SystemClock(), Notifier("", None, SystemClock()))
        task = asyncio.create_task(daemon.run())
        try:
            await eventually(lambda: self._answers_or_ended(task), within_seconds=30)
        except BaseException:
            task.cancel()  # it may not listen to signals yet: SIGTERM would end the tests
            await asyncio.wait([task])
            raise
        try:
            yield task
        finally:
            if not task.done():
                os.kill(os.getpid(), signal.SIGTERM)
            async with asyncio.timeout(ENDED_SECONDS):
                await task


def kinds(received: Received) -> list[tuple[str, str]]:
    """Return rule and kind of each message."""
    return [(message["alerts"][0]["rule"], message["kind"]) for message in received]


@pytest.fixture
async def received() -> Received:
    """Return what the receiver got."""
    return []


@pytest.fixture
async def surroundings(tmp_path: Path, received: Received) -> AsyncIterator[Surroundings]:
    """Return surroundings whose receiver listens."""

    async def take(request: web.Request) -> web.Response:
        received.append(await request.json())
        return web.Response(status=204)

    application = web.Application()
    application.router.add_post("/", take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield Surroundings(tmp_path, f"http://127.0.0.1:{port}/")
    await runner.cleanup()
