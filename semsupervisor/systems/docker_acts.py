"""What is done to containers through the engine, and what must be known before. Errors are those of `docker`."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec

from semsupervisor.systems.containers import Container
from semsupervisor.systems.docker import Docker
from semsupervisor.systems.docker_errors import decoded

STACK_LABEL = "com.docker.stack.namespace"
# After its grace a container is killed; that it has ended is known a moment later, on a busy host a longer one.
KILL_SECONDS = 30.0
START_SECONDS = 60.0


class _Mount(msgspec.Struct, rename="pascal"):
    source: str = ""
    destination: str = ""
    rw: bool = msgspec.field(default=False, name="RW")


class _Listed(msgspec.Struct, rename="pascal"):
    id: str
    names: list[str] = []
    mounts: list[_Mount] | None = None


class ContainerActs:
    """Changes what containers do, one call each."""

    def __init__(self, docker: Docker) -> None:
        self._docker = docker

    async def containers(self, project: str) -> Sequence[Container]:
        """Return all containers of a compose project as they are now."""
        return await self._docker.containers(project)

    async def stop(self, container: Container) -> None:
        """Ask a container to end, wait for its own grace time, and return when it has ended or was killed."""
        what = f"stop container {container.name}"
        limit = container.stop_grace_seconds + KILL_SECONDS
        await self._docker.request(what, "POST", f"/containers/{container.id}/stop", timeout_seconds=limit)

    async def start(self, container: Container) -> None:
        """Start a container; one that runs goes on as it is."""
        what = f"start container {container.name}"
        await self._docker.request(what, "POST", f"/containers/{container.id}/start", timeout_seconds=START_SECONDS)

    async def swarm_tasks(self, stack: str) -> Sequence[str]:
        """Return the names of the containers that Swarm runs for a stack of that name on this host."""
        listed = await self._listed(f"list what Swarm runs for {stack}", {"label": [f"{STACK_LABEL}={stack}"]})
        return [_name(one) for one in listed]

    async def users(self, folder: str, besides: str) -> Sequence[str]:
        """Return the names of the running containers, but for one by its id, that write to a folder of the host."""
        listed = await self._listed(f"list who uses {folder}", {"status": ["running", "paused", "restarting"]})
        return [
            _name(one)
            for one in listed
            if one.id != besides and any(mount.rw and _overlap(mount.source, folder) for mount in one.mounts or ())
        ]

    async def _listed(self, what: str, filters: dict[str, list[str]]) -> list[_Listed]:
        query = {"all": "true", "filters": json.dumps(filters)}
        return decoded(what, await self._docker.request(what, "GET", "/containers/json", query), list[_Listed])


def _name(listed: _Listed) -> str:
    return next((name.removeprefix("/") for name in listed.names), listed.id[:12])


def _overlap(one: str, other: str) -> bool:
    """Tell whether one folder is the other one, or within it."""
    first, second = f"{one.rstrip('/')}/", f"{other.rstrip('/')}/"
    return first.startswith(second) or second.startswith(first)
