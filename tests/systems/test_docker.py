"""An engine's socket behind which no working engine is; the working one is met in tests/integration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from semsupervisor.errors import EngineError, EngineForbidden
from semsupervisor.systems.docker import Docker
from tests.support.broken_engine import Handler, speaking

CALLS: list[Callable[[Docker], Awaitable[object]]] = [
    lambda docker: docker.ping(),
    lambda docker: docker.engine(),
    lambda docker: docker.containers("project"),
    lambda docker: docker.inspect("a1"),
    lambda docker: docker.logs("a1", 10),
    lambda docker: docker.use("a1"),
    lambda docker: docker.events("project", 0),
    lambda docker: docker.past_events("project", 0, 1),
]


@asynccontextmanager
async def docker_of(
    folder: Path, handler: Handler | None = None, timeout_seconds: float = 5.0
) -> AsyncIterator[Docker]:
    """Yield an open engine behind which this handler answers, or nobody."""
    path = folder / "docker.sock"
    docker = Docker(str(path), timeout_seconds)
    await docker.open()
    try:
        if handler is None:
            yield docker
        else:
            async with speaking(path, handler):
                yield docker
    finally:
        await docker.close()


async def hang(_: web.Request) -> web.StreamResponse:
    """Answer too late."""
    await asyncio.sleep(1.0)
    return web.Response()


async def fail(_: web.Request) -> web.StreamResponse:
    """Answer with a failure of the engine's own."""
    return web.json_response({"message": "out of order"}, status=500)


async def refuse(_: web.Request) -> web.StreamResponse:
    """Answer as a proxy that lets nothing pass."""
    return web.Response(status=403, text="<html>no</html>", content_type="text/html")


async def say_hello(_: web.Request) -> web.StreamResponse:
    """Answer as something that is no engine."""
    return web.json_response({"ApiVersion": "1.41", "hello": "world", "message": "not found"}, status=200)


@pytest.mark.parametrize("call", CALLS)
async def test_no_socket(tmp_path: Path, call: Callable[[Docker], Awaitable[object]]) -> None:
    """Without a socket every call says how to get access."""
    async with docker_of(tmp_path) as docker:
        with pytest.raises(EngineForbidden, match="there is no socket"):
            await call(docker)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("handler", "kind"), [(hang, EngineError), (fail, EngineError), (refuse, EngineForbidden)])
async def test_every_call_has_an_end(
    tmp_path: Path, call: Callable[[Docker], Awaitable[object]], handler: Handler, kind: type[Exception]
) -> None:
    """An engine that hangs, fails or refuses is told by every call in our own words."""
    async with docker_of(tmp_path, handler, 0.2 if handler is hang else 5.0) as docker:
        with pytest.raises(kind):
            await call(docker)


@pytest.mark.parametrize("call", CALLS)
async def test_a_closed_connection(tmp_path: Path, call: Callable[[Docker], Awaitable[object]]) -> None:
    """What was not opened, or was closed, cannot be asked; closing twice harms nobody."""
    docker = Docker(str(tmp_path / "docker.sock"), 0.2)
    with pytest.raises(EngineError, match="is closed"):
        await call(docker)
    await docker.open()
    await docker.close()
    await docker.close()
    with pytest.raises(EngineError, match="is closed"):
        await call(docker)


async def test_something_that_is_no_engine(tmp_path: Path) -> None:
    """Answers of another shape are not taken for an engine's."""
    async with docker_of(tmp_path, say_hello) as docker:
        with pytest.raises(EngineError, match="is none of a Docker engine"):
            await docker.inspect("a1")


async def test_a_container_without_memory(tmp_path: Path) -> None:
    """A container that is gone, or does not run, uses no memory."""

    async def gone(_: web.Request) -> web.StreamResponse:
        return web.json_response({"message": "no such container"}, status=404)

    async with docker_of(tmp_path, gone) as docker:
        assert await docker.use("a1") is None
    async with docker_of(tmp_path, say_hello) as docker:
        assert await docker.use("a1") is None
