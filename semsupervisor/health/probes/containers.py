"""The containers' scheduled look: a list that finds what no event told, and what each container uses."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence

from semsupervisor.health import usage
from semsupervisor.health.observation import Observation
from semsupervisor.health.usage import Courses, Measured
from semsupervisor.health.watching import PROBE_SOURCE, Watching
from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.kit.clock import Clock
from semsupervisor.systems import cgroups
from semsupervisor.systems.containers import Container, ContainerState, ResourceUse
from semsupervisor.systems.docker import Docker

READ_SECONDS = 5.0
WITH_PROCESSES = (ContainerState.RUNNING, ContainerState.PAUSED)


class ContainersProbe:
    """Lists the project's containers and measures them."""

    name = PROBE_SOURCE

    def __init__(self, watching: Watching, docker: Docker, clock: Clock) -> None:
        self._watching = watching
        self._docker = docker
        self._clock = clock
        self._files = BlockingCalls()
        self._courses = Courses(os.cpu_count() or 1)

    async def observe(self) -> Sequence[Observation]:
        """Return the facts of every service. Raises: EngineError, EngineForbidden."""
        listed = await self._watching.reconcile()
        uses = await measure(self._docker, listed, self._files)
        found = {one.id: self._measured(one, uses[one.id]) for one in listed if one.id in uses}
        self._courses.keep_only(found)
        return await self._watching.measured(found)

    def _measured(self, container: Container, use: ResourceUse) -> Measured:
        at = self._clock.instant()
        lately = self._courses.take(container, use.cpu, at) if use.cpu else {}
        return Measured(use.memory.oom_kills, {**usage.facts_of(use, container), **lately})


async def measure(docker: Docker, listed: Sequence[Container], files: BlockingCalls) -> Mapping[str, ResourceUse]:
    """Return what containers use, by their ids; one that has no processes uses nothing.

    Reads the control groups; where that is not possible, asks the engine, which is slower and counts no kills.
    Raises: EngineError, EngineForbidden; Hanging when the control groups do not answer.
    """
    containers = [one for one in listed if one.state in WITH_PROCESSES]
    pids = [container.pid for container in containers]
    read = await files.run_in_turn("the control groups", lambda: [cgroups.read_use(pid) for pid in pids], READ_SECONDS)
    known = dict(zip((container.id for container in containers), read, strict=True))
    unread = [container_id for container_id, use in known.items() if use is None]
    asked = await asyncio.gather(*(docker.use(container_id) for container_id in unread))
    found = {**known, **dict(zip(unread, asked, strict=True))}
    return {container_id: use for container_id, use in found.items() if use is not None}
