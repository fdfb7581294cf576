"""The engine's event stream of one compose project, read line by line.

aiodocker is asked for everything but this: its stream does not say when it is connected, so that nothing could be
listed after it; its reader is a task that nobody owns; and ending it swallows the cancellation of whoever waits.
"""

from __future__ import annotations

import asyncio
import json

import aiohttp
import msgspec
import structlog

from semsupervisor.errors import EngineError
from semsupervisor.systems import docker_wire
from semsupervisor.systems.containers import Action, Event
from semsupervisor.systems.docker_errors import of_status, translated

log = structlog.get_logger(__name__)

URL = "http://docker/events"


class StreamEnded(EngineError):
    """The engine ended its event stream, or somebody in between did; the engine itself may be well."""


class EventStream:
    """What happens to a project's containers, as long as the engine tells it."""

    def __init__(self, socket: str, response: aiohttp.ClientResponse) -> None:
        self._socket = socket
        self._response = response
        self._unread = bytearray()

    async def next(self, timeout_seconds: float) -> Event | None:
        """Return the next event, None if there was none for so long. Raises: StreamEnded."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while True:
                    event = self._next_read()
                    if event is not None:
                        return event
                    self._unread += await self._more()
        except TimeoutError:
            return None

    async def close(self) -> None:
        """Stop listening; whoever waits for the next event gets StreamEnded."""
        self._response.close()

    def _next_read(self) -> Event | None:
        while (end := self._unread.find(b"\n")) >= 0:
            line = bytes(self._unread[:end])
            del self._unread[: end + 1]
            event = _event(self._socket, line)
            if event is not None:
                return event
        return None

    async def _more(self) -> bytes:
        try:
            more = await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise StreamEnded(f"the event stream of {self._socket} broke off: {error}") from error
        if not more:
            raise StreamEnded(f"the engine at {self._socket} ended its event stream")
        return more


async def follow(
    session: aiohttp.ClientSession, socket: str, project: str, since: int, timeout_seconds: float
) -> EventStream:
    """Return the stream of a project's events from `since` (ns since 1970) on, once the engine has taken it up."""
    parameters = {"since": stamp(since), "filters": filters(project)}
    async with translated("follow the events", socket, timeout_seconds):
        endless = aiohttp.ClientTimeout(total=None)
        response = await session.get(URL, params=parameters, timeout=endless)
        if response.status >= 400:
            answer = await response.text()
            raise of_status("follow the events", socket, response.status, answer)
        return EventStream(socket, response)


async def past(
    session: aiohttp.ClientSession, socket: str, project: str, since: int, until: int, timeout_seconds: float
) -> list[Event]:
    """Return the events of a project between two moments (ns since 1970) that the engine remembers."""
    parameters = {"since": stamp(since), "until": stamp(until), "filters": filters(project)}
    async with (
        translated("ask for past events", socket, timeout_seconds),
        session.get(URL, params=parameters) as response,
    ):
        answer = await response.read()
        if response.status >= 400:
            raise of_status("ask for past events", socket, response.status, answer.decode(errors="replace"))
    found = [_event(socket, line) for line in answer.splitlines()]
    return [event for event in found if event is not None]


def filters(project: str) -> str:
    """Return what keeps other projects, and what health checks execute all the time, out of the stream."""
    kept = {
        "type": ["container"],
        "label": [f"{docker_wire.PROJECT_LABEL}={project}"],
        "event": [action.value for action in Action],
    }
    return json.dumps(kept)


def stamp(time_nano: int) -> str:
    """Return nanoseconds since 1970 as the engine takes them: seconds, a point, nine digits."""
    return f"{time_nano // 10**9}.{time_nano % 10**9:09d}"


def _event(socket: str, line: bytes) -> Event | None:
    if not line.strip():
        return None
    try:
        return docker_wire.event(line)
    except msgspec.MsgspecError as error:
        log.warning("docker.event_unreadable", socket=socket, error=str(error))
        return None
