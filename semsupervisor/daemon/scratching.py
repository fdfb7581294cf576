"""The scratch servers of this host: what they are made with, and that none outlives its job."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Collection
from functools import partial

import structlog

from semsupervisor.backup import proving, scratch
from semsupervisor.backup.unpacking import NotPossible
from semsupervisor.daemon import parts, stacks
from semsupervisor.errors import SupervisorError
from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.settings.model import Settings
from semsupervisor.systems import host_figures
from semsupervisor.systems.docker import Docker
from semsupervisor.systems.docker_acts import ContainerActs
from semsupervisor.systems.docker_scratch import Scratches

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 600.0
SWEEP_LIMIT_SECONDS = 30.0
DISK_SECONDS = 10.0


class Scratching:
    """Knows what a scratch server is made of, and removes those that nobody uses. One at a time has its `turn`."""

    def __init__(self, settings: Callable[[], Settings], means: parts.Means, docker: Docker) -> None:
        self.turn = asyncio.Lock()
        self._settings = settings
        self._means = means
        self._acts = ContainerActs(docker)
        self._scratches = Scratches(docker, settings().state.directory)
        self._socket = docker.socket
        self._calls = BlockingCalls()

    def means(self) -> proving.Means:
        """Return what a snapshot is tried out with."""
        return proving.Means(
            clock=self._means.clock,
            scratch=scratch.Means(self._scratches, self._socket, self._means.http.get),
            image=self._image,
            room=self._room,
            memory=host_figures.memory,
        )

    async def sweep(self, besides: Collection[str]) -> None:
        """Remove what no open job uses; an engine that cannot be asked is asked again by whoever calls again."""
        try:
            async with asyncio.timeout(SWEEP_LIMIT_SECONDS):
                removed = await self._scratches.remove_all(besides)
        except (SupervisorError, TimeoutError) as error:
            log.info("scratch.not_swept", error=str(error))
            return
        if removed:
            log.warning("scratch.swept", jobs=sorted(removed))

    async def _image(self) -> str:
        names = stacks.names(self._settings)
        for one in await self._acts.containers(names.project):
            if one.owner.name == names.nats:
                return one.image_id
        raise NotPossible(f"there is no container of the service {names.nats}, whose image it would take")

    async def _room(self) -> proving.Room:
        root = self._means.engine_root()
        if not root:
            raise NotPossible("the engine has not said yet where it keeps its containers")
        disks = [await self._room_in(one) for one in await self._scratches.roots(root)]
        return min(disks, key=lambda one: one.free_bytes - one.size_bytes // proving.LEFT_SHARE)

    async def _room_in(self, folder: str) -> proving.Room:
        try:
            seen = await self._calls.run_in_turn(folder, partial(shutil.disk_usage, folder), DISK_SECONDS)
        except OSError as error:
            raise NotPossible(f"the room in {folder} cannot be seen: {error.strerror or error}") from error
        return proving.Room(seen.free, seen.total)
