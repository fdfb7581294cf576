"""Level 3: a scratch server is given the snapshot, started again without index files, and asked what it has then.

Of a hot snapshot each stream is restored by the server's own request, of a cold one the store is unpacked. What the
server has before, by its index files, is what it should have after, when it has read every record.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec

from semsupervisor.backup import scratch
from semsupervisor.backup.comparing import Content, absent, contents, damaged, missing
from semsupervisor.backup.disk import Disk
from semsupervisor.backup.folders import TargetUnusable
from semsupervisor.backup.manifest import Manifest, StreamEntry
from semsupervisor.backup.scratch import STORE, ScratchServer, streams_of
from semsupervisor.backup.unpacking import NoStore, NotPossible, Unpacking
from semsupervisor.backup.verify import Progress, read_manifest
from semsupervisor.kit import amounts
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.failpoints import reach
from semsupervisor.systems.docker_scratch import MEMORY_BYTES
from semsupervisor.systems.host_figures import Memory
from semsupervisor.systems.jetstream_state import DEFAULT_ACCOUNT

# The server keeps what it is sent beside what it unpacks of it, a stream at a time.
ROOM_RATIO = 2.0
ROOM_BYTES = 256 * 2**20
# What the stack needs is on the same host: so much of its disk and of its memory stays free, at least.
LEFT_SHARE = 10
_KEPT = ("name", "subjects", "storage", "compression", "max_msgs_per_subject", "mirror", "sources")


class Room(msgspec.Struct, frozen=True):
    """A disk in bytes: what is free of it, and all."""

    free_bytes: int
    size_bytes: int


class Means(msgspec.Struct, frozen=True):
    """What it takes: `image` is what the stack's NATS runs, `room` is where the engine has its containers.

    Both raise NotPossible when they do not know. `memory` is the host's.
    """

    clock: Clock
    scratch: scratch.Means
    image: Callable[[], Awaitable[str]]
    room: Callable[[], Awaitable[Room]]
    memory: Callable[[], Memory]


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: all that is wrong, in words, what each stream holds, and the size of the store."""

    damage: tuple[str, ...]
    streams: Mapping[str, Content]
    store_bytes: int


class Proving:
    """Gives one snapshot to a scratch server."""

    def __init__(self, means: Means, disk: Disk, snapshot_id: str, progress: Progress) -> None:
        self._means = means
        self._disk = disk
        self._id = snapshot_id
        self._progress = progress
        self._passed_bytes = 0
        self._damage: list[str] = []
        self._unpacked: Collection[tuple[str, str]] = ()

    async def prove(self, job_id: str) -> Proof:
        """Do it. Raises: NotPossible; NoSnapshot; TargetUnusable; EngineError, ScratchFailed; RestoreBroken."""
        folder = await self._disk.do(partial(self._disk.folders.path, self._id))
        manifest = await self._disk.do(partial(read_manifest, folder))
        if isinstance(manifest, str):
            raise NotPossible(manifest)
        size = _size(manifest)
        await self._expect_room(size)
        self._expect_memory()
        image = await self._means.image()
        async with scratch.made(self._means.scratch, job_id, image) as server:
            try:
                await self._fill(server, folder, manifest)
            except NoStore as error:
                return Proof(damage=(*self._damage, str(error)), streams={}, store_bytes=size)
            reach("scratch.filled")
            believed = streams_of(await server.held())
            self._damage += [*missing(manifest.streams, believed), *absent(self._unpacked, believed)]
            await server.restart_without_index(size)
            read = streams_of(await server.held())
        self._damage += damaged(believed, read)
        return Proof(damage=tuple(self._damage), streams=contents(believed), store_bytes=size)

    async def _expect_room(self, size: int) -> None:
        room = await self._means.room()
        margin = max(ROOM_BYTES, room.size_bytes // LEFT_SHARE)
        needed = int(size * ROOM_RATIO) + margin
        if room.free_bytes < needed:
            raise NotPossible(
                f"not enough room for a scratch server among the engine's containers: it may need "
                f"{amounts.size(needed)} with a margin of {amounts.size(margin)}, "
                f"{amounts.size(room.free_bytes)} are free"
            )

    def _expect_memory(self) -> None:
        memory = self._means.memory()
        needed = MEMORY_BYTES + memory.size_bytes // LEFT_SHARE
        if memory.available_bytes < needed:
            raise NotPossible(
                f"not enough memory for a scratch server: {amounts.size(needed)} should be available, "
                f"{amounts.size(memory.available_bytes)} are"
            )

    async def _fill(self, server: ScratchServer, folder: Path, manifest: Manifest) -> None:
        if manifest.archive is not None:
            total = manifest.archive.content_bytes
            archive = folder / manifest.archive.file
            unpacking = Unpacking(archive, STORE, total, lambda done: self._progress(done, total, "bytes"))
            await server.place(unpacking.pieces())
            self._unpacked = unpacking.streams
            await server.start({account for account, _ in self._unpacked}, total)
            return
        await server.start({one.account for one in manifest.streams} or {DEFAULT_ACCOUNT}, 0)
        restoring = await server.restoring()
        total = sum(manifest.files[one.file].size_bytes for one in manifest.streams)
        for one in manifest.streams:
            async with server.client(one.account) as client:
                await self._give(restoring, client.library, folder / one.file, one, total)

    async def _give(self, restoring: Any, client: Any, file: Path, stream: StreamEntry, total_bytes: int) -> None:
        """Restore one stream; that the server does not take it is damage."""
        config = kept_for_good(stream.config)
        reading = Reading(file)

        async def read(most_bytes: int) -> bytes:
            piece = await self._disk.do(partial(reading.read, most_bytes))
            self._passed_bytes += len(piece)
            self._progress(self._passed_bytes, total_bytes, "bytes")
            return piece

        try:
            await restoring.give(client, config, stream.state, read)
        except restoring.RestoreRefused as error:
            self._damage.append(f"{stream.file}: {error}")
        finally:
            self._disk.leave(reading.close)


def kept_for_good(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a stream's configuration so that nothing in it expires, is evicted, or removed for being used."""
    kept = {name: config[name] for name in _KEPT if name in config}
    return {**kept, "retention": "limits", "max_age": 0, "max_msgs": -1, "max_bytes": -1, "num_replicas": 1}


def _size(manifest: Manifest) -> int:
    if manifest.archive is not None:
        return manifest.archive.content_bytes
    return sum(stream.unpacked_bytes for stream in manifest.streams)


class Reading:
    """One file, opened when it is first read: whoever is cancelled meanwhile can close it all the same. It blocks."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._opened: FileIO | None = None

    def read(self, most_bytes: int) -> bytes:
        """Return the next piece, empty at the end. Raises: TargetUnusable."""
        try:
            if self._opened is None:
                self._opened = self._file.open("rb", buffering=0)
            return self._opened.read(most_bytes)
        except OSError as error:
            raise TargetUnusable(f"cannot read {self._file}: {error.strerror or error}") from error

    def close(self) -> None:
        """Close it, opened or not."""
        if self._opened is not None:
            self._opened.close()
