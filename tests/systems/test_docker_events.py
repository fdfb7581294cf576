"""The event stream as bytes come: in pieces, with nonsense, silent, ending, closed by somebody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from semsupervisor.errors import EngineError, EngineForbidden
from semsupervisor.systems import docker_events
from semsupervisor.systems.containers import Action
from semsupervisor.systems.docker_events import EventStream, StreamEnded
from tests.support.broken_engine import speaking
from tests.support.logs import Logs

DEATH = json.dumps({"Action": "die", "Actor": {"ID": "a1", "Attributes": {"exitCode": "3"}}, "timeNano": 5}).encode()
EXEC = json.dumps({"Action": "exec_start: true", "Actor": {"ID": "a1"}, "timeNano": 5}).encode()


@asynccontextmanager
async def stream_of(folder: Path, pieces: Sequence[bytes], *, stay: bool = False) -> AsyncIterator[EventStream]:
    """Yield a stream on which these pieces are told, which then ends or stays open."""

    async def tell(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0.01)
        while stay:
            await asyncio.sleep(0.05)
        return response

    async with speaking(folder / "docker.sock", tell) as path, session_of(path) as session:
        stream = await docker_events.follow(session, path, "project", 0, 1.0)
        yield stream
        await stream.close()


@asynccontextmanager
async def session_of(path: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a session on a socket."""
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as session:
        yield session


async def test_events_come_in_any_pieces(tmp_path: Path) -> None:
    """Lines are put together of pieces, several in one piece are told one by one, others' actions are left out."""
    pieces = [DEATH[:20], DEATH[20:] + b"\n" + EXEC + b"\n\n" + DEATH + b"\n" + DEATH[:5], DEATH[5:] + b"\n"]
    async with stream_of(tmp_path, pieces) as stream:
        told = [await stream.next(1.0) for _ in range(3)]
        assert [event.action for event in told if event] == [Action.DIE] * 3
        with pytest.raises(StreamEnded, match="ended its event stream"):
            await stream.next(1.0)


async def test_silence_is_none_and_loses_nothing(tmp_path: Path) -> None:
    """Waiting in vain returns None; what came of a line before is kept for the next time."""
    async with stream_of(tmp_path, [DEATH[:20]], stay=True) as stream:
        assert await stream.next(0.05) is None
        assert await stream.next(0.01) is None


async def test_a_line_that_cannot_be_read_is_skipped(tmp_path: Path, logs: Logs) -> None:
    """It is logged and no more: the events after it are told, and the engine counts as reached."""
    async with stream_of(tmp_path, [b"<html>\n", b'{"Action": 5}\n', DEATH + b"\n"], stay=True) as stream:
        told = await stream.next(1.0)
    assert told is not None
    assert told.action is Action.DIE
    assert [entry["event"] for entry in logs] == ["docker.event_unreadable"] * 2


async def test_a_stream_closed_by_another_task_ends(tmp_path: Path) -> None:
    """Whoever waits for an event is told when somebody else closes the stream."""
    async with stream_of(tmp_path, [], stay=True) as stream:
        waiting = asyncio.create_task(stream.next(5.0))
        await asyncio.sleep(0.02)
        await stream.close()
        with pytest.raises(StreamEnded, match="broke off"):
            await waiting


@pytest.mark.parametrize(("status", "kind"), [(403, EngineForbidden), (500, EngineError)])
async def test_a_refusal(tmp_path: Path, status: int, kind: type[Exception]) -> None:
    """A stream, or past events, that are refused say so."""

    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="no")

    async with speaking(tmp_path / "docker.sock", refuse) as path, session_of(path) as session:
        with pytest.raises(kind):
            await docker_events.follow(session, path, "project", 0, 1.0)
        with pytest.raises(kind):
            await docker_events.past(session, path, "project", 0, 1, 1.0)


async def test_an_engine_that_does_not_take_it_up(tmp_path: Path) -> None:
    """A stream that does not begin in time is an engine that fails."""

    async def hang(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.5)
        return web.Response()

    async with speaking(tmp_path / "docker.sock", hang) as path, session_of(path) as session:
        with pytest.raises(EngineError, match="did not answer"):
            await docker_events.follow(session, path, "project", 0, 0.1)


async def test_past_events_are_told_at_once(tmp_path: Path) -> None:
    """What is remembered comes as one answer, of which other actions are left out."""
    asked: list[dict[str, str]] = []

    async def remember(request: web.Request) -> web.StreamResponse:
        asked.append(dict(request.query))
        return web.Response(body=DEATH + b"\n" + EXEC + b"\n" + DEATH + b"\n")

    async with speaking(tmp_path / "docker.sock", remember) as path, session_of(path) as session:
        told = await docker_events.past(session, path, "project", 1_500_000_000, 2 * 10**9 + 7, 1.0)
    assert [event.action for event in told] == [Action.DIE, Action.DIE]
    assert (asked[0]["since"], asked[0]["until"]) == ("1.500000000", "2.000000007")


def test_the_filter_keeps_health_checks_out() -> None:
    """Only a project's containers are listened to, and none of what health checks execute."""
    asked: dict[str, Any] = json.loads(docker_events.filters("project"))
    assert asked["label"] == ["com.docker.compose.project=project"]
    assert asked["type"] == ["container"]
    assert not [action for action in asked["event"] if action.startswith("exec")]
