"""What is made on an engine to be thrown away; that it works, and goes, is seen in tests/integration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from semsupervisor.errors import EngineError, PermanentError
from semsupervisor.systems.docker import Docker
from semsupervisor.systems.docker_scratch import JOB_LABEL, OWNER_LABEL, Scratches
from tests.support.broken_engine import speaking

IMAGE = {
    "Config": {
        "Labels": {"com.docker.compose.project": "stack", "com.docker.stack.namespace": "stack", "mine": "1"},
        "Entrypoint": ["docker-entrypoint.sh"],
        "Cmd": ["nats-server", "-c", "/etc/nats.conf"],
    }
}


class Told:
    """An engine that says what it is told to say, and keeps what it was asked."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self._answers = answers

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        body = await request.json() if request.can_read_body else dict(request.query)
        self.asked.append((request.method, request.path, body))
        answer = self._answers.get(request.path, {})
        if isinstance(answer, int):
            return web.json_response({"message": "no"}, status=answer)
        return web.json_response(answer)

    def body(self, path: str) -> Any:
        """Return what came with the one request for a path."""
        (found,) = (body for _, asked, body in self.asked if asked == path)
        return found


async def made(folder: Path, told: Told) -> str:
    """Make one on such an engine."""
    path = folder / "docker.sock"
    docker = Docker(str(path), 2.0)
    await docker.open()
    try:
        async with speaking(path, told.answer):
            return await Scratches(docker, "/state").make("j1", "sha256:1", ("-c", "/x"))
    finally:
        await docker.close()


async def test_it_belongs_to_no_stack_and_is_bounded(tmp_path: Path) -> None:
    """Its image's labels of a stack are taken back, its program is the image's, its network leads nowhere."""
    told = Told({"/images/sha256:1/json": IMAGE, "/containers/create": {"Id": "c1"}})
    assert await made(tmp_path, told) == "c1"
    network, container = told.body("/networks/create"), told.body("/containers/create")
    assert (network["Internal"], network["Labels"]) == (True, {OWNER_LABEL: "/state", JOB_LABEL: "j1"})
    assert container["Labels"] == {
        "com.docker.compose.project": "",
        "com.docker.stack.namespace": "",
        OWNER_LABEL: "/state",
        JOB_LABEL: "j1",
    }
    assert container["Cmd"] == ["nats-server", "-c", "/x"]
    limits = container["HostConfig"]
    assert (limits["NetworkMode"], limits["RestartPolicy"]) == (network["Name"], {"Name": "no"})
    assert limits["Memory"] == limits["MemorySwap"] > 0
    assert "PortBindings" not in limits
    assert (limits["OomScoreAdj"], container["Env"]) == (1000, ["GOMEMLIMIT=400MiB"])


@pytest.mark.parametrize(
    ("status", "roots"),
    [
        (None, ("/var/lib/docker",)),
        ([["Backing Filesystem", "extfs"]], ("/var/lib/docker",)),
        ([["driver-type", "io.containerd.snapshotter.v1"]], ("/var/lib/docker", "/var/lib/containerd")),
    ],
)
async def test_what_a_container_holds_may_be_containerds(tmp_path: Path, status: Any, roots: Any) -> None:
    """As the engine says of its driver."""
    path = tmp_path / "docker.sock"
    docker = Docker(str(path), 2.0)
    await docker.open()
    async with speaking(path, Told({"/info": {"DriverStatus": status}}).answer):
        assert await Scratches(docker, "/state").roots("/var/lib/docker") == roots
    await docker.close()


@pytest.mark.parametrize(
    ("image", "command"),
    [
        ({"Entrypoint": ["/nats-server"], "Cmd": ["--config", "nats.conf"]}, ["-c", "/x"]),
        ({"Entrypoint": ["tini", "--"], "Cmd": ["nats-server"]}, ["nats-server", "-c", "/x"]),
        ({"Cmd": ["nats-server", "-c", "/etc/nats.conf"]}, ["nats-server", "-c", "/x"]),
    ],
)
async def test_the_program_is_the_images(tmp_path: Path, image: Any, command: list[str]) -> None:
    """Whichever way it names it."""
    told = Told({"/images/sha256:1/json": {"Config": image}, "/containers/create": {"Id": "c1"}})
    await made(tmp_path, told)
    assert told.body("/containers/create")["Cmd"] == command


async def test_an_image_without_a_program_is_of_no_use(tmp_path: Path) -> None:
    """That is said."""
    with pytest.raises(PermanentError, match="does not say which program"):
        await made(tmp_path, Told({"/images/sha256:1/json": {}}))


async def test_an_engine_that_speaks_nonsense(tmp_path: Path) -> None:
    """An answer that is none is an error of the engine."""
    with pytest.raises(EngineError, match="none of a Docker engine"):
        await made(tmp_path, Told({"/images/sha256:1/json": IMAGE, "/containers/create": {"no": "id"}}))


async def test_what_is_left_is_removed_but_for_open_jobs(tmp_path: Path) -> None:
    """Containers before networks; one that is gone by then is removed as well."""
    path = tmp_path / "docker.sock"
    listed = [{"Id": "c1", "Labels": {JOB_LABEL: "j1"}}, {"Id": "c2", "Labels": {JOB_LABEL: "j2"}}, {"Id": "c3"}]
    told = Told(
        {"/containers/json": listed, "/networks": [{"Id": "n1", "Labels": {JOB_LABEL: "j1"}}], "/containers/c3": 404}
    )
    docker = Docker(str(path), 2.0)
    await docker.open()
    async with speaking(path, told.answer):
        assert await Scratches(docker, "/state").remove_all({"j2"}) == {"j1", ""}
    await docker.close()
    removed = [path for method, path, _ in told.asked if method == "DELETE"]
    assert removed == ["/containers/c1", "/containers/c3", "/networks/n1"]
    assert json.loads(told.body("/networks")["filters"]) == {"label": [f"{OWNER_LABEL}=/state"]}
