"""What every backup does, whatever it is taken of: the folder, the files of the stack, the manifest, the last look."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from semsupervisor import __version__
from semsupervisor.backup import manifest as manifests
from semsupervisor.backup.copying import Content, write_whole
from semsupervisor.backup.disk import SYNC_SECONDS, Disk
from semsupervisor.backup.folders import Folders
from semsupervisor.backup.manifest import FileEntry, Kind, LeftOut, Manifest
from semsupervisor.backup.stack_files import StackFiles, copy_files
from semsupervisor.backup.verify import Verdict, Verifier
from semsupervisor.errors import PermanentError
from semsupervisor.jobs.kinds import At, Step
from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.kit.clock import Clock

BEGIN_LIMIT_SECONDS = 900.0
VERIFY_LIMIT_SECONDS = 3600.0
FILES_LIMIT_SECONDS = 1800.0
PUBLISH_LIMIT_SECONDS = 900.0
DISCARD_LIMIT_SECONDS = 900.0

T = TypeVar("T")


class Source(msgspec.Struct, frozen=True):
    """Where a backup gets its content.

    `opened` connects to the server, for as long as it is needed. `files` are the stack's own. `images` are what its
    services run, by service.
    """

    opened: Callable[[], AbstractAsyncContextManager[Content]]
    files: Callable[[], StackFiles]
    images: Callable[[], Mapping[str, str]]
    nats_version: Callable[[], str]
    host: Callable[[], str]


class Taking:
    """Takes snapshots into the folder that `directory` says; `found` hears of each look at one."""

    def __init__(
        self,
        clock: Clock,
        directory: Callable[[], Path],
        source: Source,
        found: Callable[[str, Verdict], Awaitable[None]],
    ) -> None:
        self.clock = clock
        self.source = source
        self.calls = BlockingCalls()
        self._directory = directory
        self._found = found
        self._choosing = asyncio.Lock()

    def beginning(self, title: str, then: Callable[[At], Awaitable[None]]) -> Step:
        """Return the step that chooses and makes the folder, and does `then`; undone, it removes what has grown."""

        async def begin(at: At) -> None:
            await self._begin(at)
            await then(at)

        return Step(
            name="begin",
            title=title,
            do=begin,
            undo=self._discard,
            limit_seconds=BEGIN_LIMIT_SECONDS,
            undo_limit_seconds=DISCARD_LIMIT_SECONDS,
        )

    def ending(self, describe: Callable[[At, Manifest], Manifest]) -> Sequence[Step]:
        """Return the steps that make a snapshot of what was copied; `describe` completes its manifest."""
        return (
            Step(name="files", title="Copy the configuration", do=self._copy_files, limit_seconds=FILES_LIMIT_SECONDS),
            Step(
                name="manifest",
                title="Write the manifest",
                do=partial(self._write_manifest, describe),
                limit_seconds=FILES_LIMIT_SECONDS,
            ),
            Step(
                name="publish",
                title="Give the snapshot its name",
                do=self._publish,
                commits=True,
                interruptible=False,
                limit_seconds=PUBLISH_LIMIT_SECONDS,
            ),
            Step(
                name="verify",
                title="Read the snapshot back",
                do=self._verify,
                limit_seconds=VERIFY_LIMIT_SECONDS,
                optional=True,
            ),
        )

    def disk(self, at: At) -> Disk:
        """Return the folder that a job began in, whatever the settings say by now."""
        return Disk(_folders(at), self.calls)

    async def make_folder(self, at: At) -> None:
        """Make the folder in which the snapshot grows, empty if it was there already. Raises: TargetUnusable."""
        await self.disk(at).do(partial(_folders(at).begin, snapshot(at)), SYNC_SECONDS)

    async def _begin(self, at: At) -> None:
        async with self._choosing:
            if "snapshot" not in at.data:
                now, directory = self.clock.now(), self._directory()
                disk = Disk(Folders(directory), self.calls)
                chosen = await disk.do(partial(disk.folders.choose, now.astimezone()))
                await at.keep({"snapshot": chosen, "directory": str(directory), "began_at": now.isoformat()})
            await self.make_folder(at)

    async def _discard(self, at: At) -> None:
        if "snapshot" in at.data:
            await self.disk(at).do(partial(_folders(at).discard, snapshot(at)), SYNC_SECONDS)

    async def _copy_files(self, at: At) -> None:
        done = await copy_files(self.source.files(), growing(at), self.disk(at), self.calls)
        await at.keep({"files": msgspec.to_builtins(done.files), "files_left_out": msgspec.to_builtins(done.left_out)})

    async def _write_manifest(self, describe: Callable[[At, Manifest], Manifest], at: At) -> None:
        plain = Manifest(
            version=manifests.VERSION,
            id=snapshot(at),
            kind=Kind.HOT,
            host=self.source.host(),
            supervisor=__version__,
            began_at=msgspec.convert(at.data["began_at"], datetime),
            ended_at=self.clock.now(),
            files=read(at.data, "files", dict[str, FileEntry]),
            left_out=tuple(read(at.data, "files_left_out", list[LeftOut])),
            images=self.source.images(),
            nats_version=self.source.nats_version(),
        )
        written = describe(at, plain)
        file = growing(at) / manifests.FILE_NAME
        await self.disk(at).do(partial(write_whole, file, manifests.encode(written)), SYNC_SECONDS)
        for one in written.left_out:
            if one.is_fault:
                await at.note(f"{one.what} is not in it: {one.why}")
        for text in written.suspicions:
            await at.note(f"suspicious: {text}")

    async def _publish(self, at: At) -> None:
        await self.disk(at).do(partial(_folders(at).publish, snapshot(at)), SYNC_SECONDS)

    async def _verify(self, at: At) -> None:
        found = await Verifier(self.disk(at)).verify(snapshot(at), level=1, progress=at.progress)
        await self._found(snapshot(at), found)
        await at.keep({"verified": found.level, "damage": list(found.damage)})
        if found.damage:
            raise PermanentError(f"what was written is not what is read back: {'; '.join(found.damage)}")


def growing(at: At) -> Path:
    """Return the folder in which a job's snapshot grows."""
    return _folders(at).partial(snapshot(at))


def snapshot(at: At) -> str:
    """Return the id of a job's snapshot."""
    return str(at.data["snapshot"])


def read(data: Mapping[str, Any], key: str, kind: type[T]) -> T:
    """Return what an earlier step kept."""
    return msgspec.convert(data[key], kind)


def _folders(at: At) -> Folders:
    return Folders(Path(str(at.data["directory"])))
