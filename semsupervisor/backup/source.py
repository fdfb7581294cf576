"""The real stack as a backup gets its content from it: the server's streams, and the files in the stack's folder."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from semsupervisor.backup import monitor as monitoring
from semsupervisor.backup.copying import Content, Known, Value, Write
from semsupervisor.backup.monitor import Ask
from semsupervisor.backup.reckoning import Held
from semsupervisor.backup.stack_files import StackFiles
from semsupervisor.errors import PermanentError
from semsupervisor.health.probes.nats_client import Door
from semsupervisor.health.targets import place
from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.kit.clock import Clock
from semsupervisor.systems.containers import Container
from semsupervisor.systems.nats_client import Address, NatsClient

CONNECT_SECONDS = 10.0
IMPORT_SECONDS = 30.0
OWN_FILES = ("config.json", ".env")
COMPOSE_FILES = (
    "compose.yaml",
    "compose.yml",
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.yaml",
    "docker-compose.yml",
    "docker-compose.override.yaml",
    "docker-compose.override.yml",
)


@asynccontextmanager
async def opened(clock: Clock, door: Callable[[], Door], monitor: Callable[[], Ask]) -> AsyncIterator[Content]:
    """Connect to the server, and leave it in the end. `monitor` asks its monitoring port.

    Raises: PermanentError when the settings do not say where; TemporaryError when nobody is let in.
    """
    server = _Server(clock, door(), monitor())
    try:
        await server.connect()
        yield server
    finally:
        await server.close()


class _Server:
    """One server over a connection of its own, since it is held back while the target of a snapshot is slow."""

    def __init__(self, clock: Clock, door: Door, ask: Ask) -> None:
        self._ask = ask
        self._door = door
        self._client = NatsClient(clock)
        self._imports = BlockingCalls()
        # They import the library, which is not wanted in the memory before there is something to do.
        self._snapshots: Any = None
        self._buckets: Any = None

    async def connect(self) -> None:
        """Connect, unless there is a connection that lives."""
        if not self._door.target:
            raise PermanentError("the settings do not say where NATS takes clients: set checks.nats.client")
        self._snapshots = await self._imported("snapshots")
        self._buckets = await self._imported("buckets")
        address = Address(*place(self._door.target, self._door.address_of))
        await self._client.connect(address, self._door.login, CONNECT_SECONDS)

    async def close(self) -> None:
        """Leave."""
        await self._client.close()

    async def streams(self) -> Sequence[Known]:
        """Return the streams of the account."""
        found = await self._snapshots.streams(self._client.library)
        return [Known(one.name, one.size_bytes, one.in_memory) for one in found]

    async def held(self) -> Held:
        """Return what the server holds in all accounts, as its monitoring port tells."""
        await self.connect()
        return await monitoring.held(self._ask, self._client.library.client_id or 0)

    async def take(self, name: str, write: Write, *, gently: bool) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Hand a stream's snapshot to a writer; the second time over a new connection, in smaller pieces."""
        if gently:
            await self.close()
        await self.connect()
        size = self._snapshots.SMALL_CHUNK_BYTES if gently else self._snapshots.CHUNK_BYTES
        begun = await self._snapshots.take(self._client.library, name, write, chunk_bytes=size)
        return begun.config, begun.state

    async def bucket(self, name: str) -> Sequence[Value]:
        """Return what the keys of a bucket hold."""
        await self.connect()
        return [Value(one.key, one.revision, one.value) for one in await self._buckets.read(self._client.library, name)]

    async def _imported(self, name: str) -> Any:
        module = f"semsupervisor.systems.{name}"
        return await self._imports.run_in_turn(module, partial(importlib.import_module, module), IMPORT_SECONDS)


def files(directory: Path, containers: Iterable[Container]) -> StackFiles:
    """Return the files of the stack by their names in a snapshot; those that are not there are named later.

    The compose files are those that the containers were made from, wherever they are; where none says which, those in
    the folder that compose itself would take.
    """
    named = dict.fromkeys(file for one in containers for file in one.compose_files)
    found = {name: directory / name for name in OWN_FILES}
    if not named:
        return StackFiles(found, {name: directory / name for name in COMPOSE_FILES})
    for file in named:
        found[_free_name(Path(file).name, found)] = directory / file
    return StackFiles(found)


def images(containers: Mapping[str, Container]) -> Mapping[str, str]:
    """Return what each service runs: the image's name, and what that name meant."""
    return {service: f"{one.image} {one.image_id}".strip() for service, one in sorted(containers.items())}


def _free_name(name: str, taken: Mapping[str, Path]) -> str:
    """Return a name that no file of the snapshot has yet."""
    numbered = (name if not count else f"{count}-{name}" for count in range(len(taken) + 1))
    return next(one for one in numbered if one not in taken)
