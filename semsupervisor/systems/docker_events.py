"""The engine's event stream of one compose project, through aiodocker.

aiodocker reads the stream in a task of its own and puts None into the queue at its end, whatever the reason; the
reason comes out of `stop()`. A client that has streamed once cannot stream again, hence one for each stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import aiodocker
import aiohttp
import msgspec
from aiodocker.exceptions import DockerError

from semsupervisor.errors import EngineError
from semsupervisor.systems import docker_wire
from semsupervisor.systems.containers import Action, Event
from semsupervisor.systems.docker_errors import translated


def filters(project: str) -> str:
    """Return what keeps other projects, and what health checks execute all the time, out of the stream."""
    return json.dumps({
        "type": ["container"],
        "label": [f"{docker_wire.PROJECT_LABEL}={project}"],
        "event": [action.value for action in Action],
    })  # fmt: skip


def stamp(time_nano: int) -> str:
    """Return nanoseconds since 1970 as the engine takes them: seconds, a point, nine digits."""
    return f"{time_nano // 10**9}.{time_nano % 10**9:09d}"


class StreamEnded(EngineError):
    """The engine ended its event stream, or somebody in between did; the engine itself may be well."""


class EventStream:
    """What happens to a project's containers from `since` (ns since 1970) on, as long as the engine tells it."""

    def __init__(self, socket: str, project: str, since: int, timeout_seconds: float) -> None:
        self._socket = socket
        self._timeout_seconds = timeout_seconds
        self._vendor = aiodocker.Docker(
            url=f"unix://{socket}",
            timeout=aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=timeout_seconds),
        )
        self._subscriber = self._vendor.events.subscribe(since=stamp(since), filters=filters(project))

    async def next(self, timeout_seconds: float) -> Event | None:
        """Return the next event, None if there was none for so long.

        Raises: StreamEnded; EngineError or EngineForbidden when it did not come about.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                while True:
                    answer: dict[str, Any] | None = await self._subscriber.get()
                    if answer is None:
                        break
                    event = self._read(answer)
                    if event is not None:
                        return event
        except TimeoutError:
            return None
        reason = ""
        async with translated("follow the events", self._socket, self._timeout_seconds):
            try:
                await self._vendor.events.stop()
            except aiohttp.ClientPayloadError as error:
                reason = f": {error}"
        raise StreamEnded(f"the event stream of the Docker engine at {self._socket} ended{reason}")

    async def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(DockerError, aiohttp.ClientError, OSError, ValueError):
            await self._vendor.events.stop()
        await self._vendor.close()

    def _read(self, answer: dict[str, Any]) -> Event | None:
        try:
            return docker_wire.event(answer)
        except msgspec.ValidationError as error:
            raise EngineError(f"{self._socket} tells an event that is none of a Docker engine: {error}") from error
