"""What an engine's socket that tells nonsense leads to; the acts themselves are done on a real one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from semsupervisor.errors import EngineError
from semsupervisor.systems.docker import Docker
from semsupervisor.systems.docker_acts import ContainerActs
from semsupervisor.systems.docker_errors import ContainerGone
from tests.support.broken_engine import speaking
from tests.support.container_words import container


async def asked(folder: Path, answer: Any, status: int = 200) -> Mapping[str, Any]:
    """Return what each act comes to on an engine that always answers so."""
    path = folder / "docker.sock"

    async def handler(_: web.Request) -> web.StreamResponse:
        return web.json_response(answer, status=status)

    docker = Docker(str(path), 2.0)
    await docker.open()
    acts = ContainerActs(docker)
    calls: Mapping[str, Callable[[], Awaitable[object]]] = {
        "stop": lambda: acts.stop(container()),
        "start": lambda: acts.start(container()),
        "swarm": lambda: acts.swarm_tasks("project"),
        "users": lambda: acts.users("/data", "a1"),
    }
    found: dict[str, Any] = {}
    async with speaking(path, handler):
        for name, call in calls.items():
            try:
                found[name] = await call()
            except EngineError as error:
                found[name] = error
    await docker.close()
    return found


async def test_what_runs_on_a_folder_or_under_swarm(tmp_path: Path) -> None:
    """Names come without their slash; who only reads, and who has the same path but another folder, is left out."""
    listed = [
        {"Id": "a1", "Names": ["/one"], "Mounts": [{"Source": "/data", "RW": True}]},
        {"Id": "a2", "Names": ["/two"], "Mounts": [{"Source": "/data/below", "RW": True}]},
        {"Id": "a3", "Names": ["/three"], "Mounts": [{"Source": "/data", "RW": False}]},
        {"Id": "a4", "Names": ["/four"], "Mounts": [{"Source": "/data2", "RW": True}]},
        {"Id": "a5567890123456", "Mounts": None},
    ]
    found = await asked(tmp_path, listed)
    assert (found["stop"], found["start"]) == (None, None)
    assert found["swarm"] == ["one", "two", "three", "four", "a55678901234"]
    assert found["users"] == ["two"]


@pytest.mark.parametrize(
    ("answer", "status", "kind"), [({}, 404, ContainerGone), ({"message": "no"}, 500, EngineError)]
)
async def test_an_engine_that_refuses(tmp_path: Path, answer: Any, status: int, kind: type[EngineError]) -> None:
    """Each act says what was asked."""
    found = await asked(tmp_path, answer, status)
    assert all(isinstance(error, kind) for error in found.values())
    assert "stop container project-app-1" in str(found["stop"])


async def test_an_engine_that_speaks_nonsense(tmp_path: Path) -> None:
    """A list that is none is an error of the engine."""
    found = await asked(tmp_path, {"no": "list"})
    assert "none of a Docker engine" in str(found["swarm"])
