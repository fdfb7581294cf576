"""The containers' scheduled look: a list that finds what no event told, and the memory that each container uses."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from semsupervisor.health.observation import Observation
from semsupervisor.health.watching import PROBE_SOURCE, Watching
from semsupervisor.systems import cgroups
from semsupervisor.systems.containers import Container, ContainerState, MemoryUse
from semsupervisor.systems.docker import Docker

WITH_PROCESSES = (ContainerState.RUNNING, ContainerState.PAUSED)


class ContainersProbe:
    """Lists the project's containers and measures them."""

    name = PROBE_SOURCE

    def __init__(self, watching: Watching, docker: Docker) -> None:
        self._watching = watching
        self._docker = docker

    async def observe(self) -> Sequence[Observation]:
        """Return the facts of every service. Raises: EngineError, EngineForbidden."""
        return await self._watching.measured(await measure(self._docker, await self._watching.reconcile()))


async def measure(docker: Docker, listed: Sequence[Container]) -> Mapping[str, MemoryUse]:
    """Return the memory that containers use, by their ids; one that has no processes uses none.

    Reads the control groups; where that is not possible, asks the engine, which is slower and counts no kills.
    Raises: EngineError, EngineForbidden.
    """
    containers = [one for one in listed if one.state in WITH_PROCESSES]
    pids = [container.pid for container in containers]
    read = await asyncio.to_thread(lambda: [cgroups.read_memory(pid) for pid in pids])
    known = dict(zip((container.id for container in containers), read, strict=True))
    unread = [container_id for container_id, use in known.items() if use is None]
    asked = await asyncio.gather(*(docker.memory(container_id) for container_id in unread))
    found = {**known, **dict(zip(unread, asked, strict=True))}
    return {container_id: use for container_id, use in found.items() if use is not None}
