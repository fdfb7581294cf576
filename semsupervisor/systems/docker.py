"""One Docker engine behind its socket, through aiodocker. The vendor's types and exceptions stop here.

Every call has an end. All raise EngineError when the engine does not answer or fails, and EngineForbidden when its
socket is missing or may not be opened.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import aiodocker
import aiohttp
import msgspec
import psutil

from semsupervisor.errors import EngineError
from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.systems import docker_events, docker_stats, docker_wire
from semsupervisor.systems.containers import Container, Engine, Event, ResourceUse
from semsupervisor.systems.docker_errors import ContainerGone, of_status, translated
from semsupervisor.systems.docker_events import EventStream

ENGINE_PROCESS = "dockerd"
READ_SECONDS = 5.0
LONGEST_LINE = 4096
LINES_PASSED_OVER = 200


class _Info(msgspec.Struct, rename="pascal"):
    server_version: str = ""
    docker_root_dir: str = ""
    live_restore_enabled: bool = False


class _Network(msgspec.Struct, rename="pascal"):
    created: datetime


class Docker:
    """The engine at one socket. Open it inside the running loop; close it at the end."""

    def __init__(self, socket_path: str, timeout_seconds: float) -> None:
        self.socket = socket_path
        self._timeout_seconds = timeout_seconds
        self._vendor: aiodocker.Docker | None = None
        self._direct: aiohttp.ClientSession | None = None
        self._files = BlockingCalls()

    async def open(self) -> None:
        """Prepare to ask; nothing is asked yet."""
        self._vendor = aiodocker.Docker(url=f"unix://{self.socket}")
        # A new connection each time: an engine that shuts down still serves the open ones.
        self._direct = aiohttp.ClientSession(connector=aiohttp.UnixConnector(self.socket, force_close=True))

    async def close(self) -> None:
        """Close all connections."""
        vendor, self._vendor = self._vendor, None
        direct, self._direct = self._direct, None
        if vendor is not None:
            await vendor.close()
        if direct is not None:
            await direct.close()

    async def ping(self) -> None:
        """Return if the engine takes a new connection and answers on it."""
        async with self._asking("ping"), self._session.get("http://docker/_ping") as response:
            answer = await response.text()
            if response.status >= 400:
                raise of_status("ping", self.socket, response.status, answer)

    async def engine(self) -> Engine:
        """Return which engine answers now, and since when its process runs."""
        # An engine that was replaced meanwhile may not speak the version agreed upon with the old one.
        self._client.api_version = "auto"
        async with self._asking("say what it is"):
            info = msgspec.convert(await self._client.system.info(), _Info)
            api_version = self._client.api_version.removeprefix("v")
        identity, started_at = await self._process()
        return Engine(
            version=info.server_version,
            api_version=api_version,
            root_directory=info.docker_root_dir,
            live_restore=info.live_restore_enabled,
            identity=identity,
            started_at=started_at,
        )

    async def containers(self, project: str) -> list[Container]:
        """Return all containers of a compose project, inspected; those that vanish meanwhile are left out."""
        label = {"label": [f"{docker_wire.PROJECT_LABEL}={project}"]}
        async with self._asking("list the containers"):
            listed = await self._client.containers.list(all=True, filters=json.dumps(label))
        found = await asyncio.gather(*(self._inspect_if_there(one.id) for one in listed))
        return [one for one in found if one is not None]

    async def inspect(self, container_id: str) -> Container:
        """Return what the engine knows of one container. Raises also: ContainerGone."""
        async with self._asking(f"inspect container {container_id[:12]}"):
            return docker_wire.container(await self._client.containers.container(container_id).show())

    async def logs(self, container_id: str, tail_lines: int, until: datetime | None = None) -> list[str]:
        """Return the last lines of a container's output, both streams; long lines are cut. Raises also: ContainerGone.

        With `until` later lines are left out; the engine does that after it has taken the last ones, so that there are
        fewer of a container that has said much since.

        A logging driver that cannot be read raises EngineError.
        """
        bound: dict[str, Any] = {} if until is None else {"until": f"{until.timestamp():.6f}"}
        async with self._asking(f"read the log of container {container_id[:12]}"):
            pieces = await self._client.containers.container(container_id).log(
                stdout=True,
                stderr=True,
                tail=tail_lines if until is None else LINES_PASSED_OVER + tail_lines,
                **bound,
                timeout=aiohttp.ClientTimeout(total=self._timeout_seconds),
            )
        lines = "".join(pieces).replace("\r\n", "\n").split("\n")
        return [line[:LONGEST_LINE] for line in lines if line][-tail_lines:]

    async def use(self, container_id: str) -> ResourceUse | None:
        """Return what a running container uses as the engine counts it; None when it does not run.

        Costs the engine more than reading the control group; for hosts where that cannot be read.
        """
        what = f"measure container {container_id[:12]}"
        url = f"http://docker/containers/{container_id}/stats"
        once = {"stream": "false", "one-shot": "true"}
        async with self._asking(what), self._session.get(url, params=once) as response:
            answer = await response.read()
            if response.status == 404:
                return None
            if response.status >= 400:
                raise of_status(what, self.socket, response.status, answer.decode(errors="replace"))
            return docker_stats.use(answer)

    async def request(
        self,
        what: str,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        timeout_seconds: float | None = None,
    ) -> bytes:
        """Send one request of any kind and return the answer; `what` is asked, in words. Raises also: ContainerGone.

        A `body` is sent as JSON.
        """
        limit = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        async with (
            translated(what, self.socket, limit),
            self._session.request(method, f"http://docker{path}", params=query, json=body) as response,
        ):
            answer = await response.read()
            if response.status >= 400:
                raise of_status(what, self.socket, response.status, answer.decode(errors="replace"))
            return answer

    async def events(self, project: str, since: int) -> EventStream:
        """Follow what happens to a project's containers, from `since` (ns since 1970) on; close it afterwards."""
        return await docker_events.follow(self._session, self.socket, project, since, self._timeout_seconds)

    async def past_events(self, project: str, since: int, until: int) -> list[Event]:
        """Return what happened between two moments (ns since 1970) as far as the engine remembers.

        It remembers 256 events, those of all projects and of its health checks counted.
        """
        return await docker_events.past(self._session, self.socket, project, since, until, self._timeout_seconds)

    @property
    def _client(self) -> aiodocker.Docker:
        if self._vendor is None:
            raise EngineError(f"the connection to {self.socket} is closed")
        return self._vendor

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._direct is None:
            raise EngineError(f"the connection to {self.socket} is closed")
        return self._direct

    @asynccontextmanager
    async def _asking(self, what: str) -> AsyncIterator[None]:
        async with translated(what, self.socket, self._timeout_seconds):
            yield

    async def _inspect_if_there(self, container_id: str) -> Container | None:
        try:
            return await self.inspect(container_id)
        except ContainerGone:
            return None

    async def _process(self) -> tuple[str, datetime | None]:
        """Return what tells this engine's process from the next one, and since when it runs.

        The socket's other end is the process that listens; under socket activation that is systemd, not the engine.
        Then the default bridge tells, which the engine makes anew at its start (without live-restore).
        """
        async with self._asking("connect"):
            _, writer = await asyncio.open_unix_connection(self.socket)
            peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            writer.close()
            pid: int = struct.unpack("3i", peer)[0]
        started_at = await self._files.run_in_turn(f"process {pid}", partial(_started_at, pid), READ_SECONDS)
        if started_at is not None:
            return f"process {pid}", started_at
        try:
            async with self._asking("inspect the bridge network"):
                network = await self._client.networks.get("bridge")
                made = msgspec.convert(await network.show(), _Network).created
        except ContainerGone:
            return "", None
        return f"bridge {made.isoformat()}", made


def _started_at(pid: int) -> datetime | None:
    """Return since when the process runs, None if it is not visible from here or no engine."""
    try:
        process = psutil.Process(pid)
        if process.name() != ENGINE_PROCESS:
            return None
        return datetime.fromtimestamp(process.create_time(), UTC)
    except (psutil.Error, ValueError):
        return None
