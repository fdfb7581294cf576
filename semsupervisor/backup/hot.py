"""The hot backup: every stream that can be had, and the configuration, while the stack runs on.

Nothing is consistent across streams, and what a stream gets while it is copied may be in it or not: its counts in the
manifest are those of its beginning. What could not be taken makes the snapshot incomplete, which is kept for looking
at and never counts as good.
"""

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
from semsupervisor.backup.copying import Content, Known, StreamCopier, copy_buckets, write_whole
from semsupervisor.backup.disk import ANSWER_SECONDS, SYNC_SECONDS, Disk
from semsupervisor.backup.folders import Folders
from semsupervisor.backup.manifest import FileEntry, Kind, LeftOut, Manifest, StreamEntry
from semsupervisor.backup.verify import Verdict, Verifier
from semsupervisor.errors import PermanentError
from semsupervisor.jobs.kinds import At, JobKind, Step
from semsupervisor.kit.blocking import BlockingCalls, Hanging
from semsupervisor.kit.clock import Clock

KIND = "backup.hot"
BEGIN_LIMIT_SECONDS = 900.0
COPY_LIMIT_SECONDS = 6 * 3600.0
VERIFY_LIMIT_SECONDS = 3600.0
BUCKETS_LIMIT_SECONDS = 1800.0
FILES_LIMIT_SECONDS = 1800.0
PUBLISH_LIMIT_SECONDS = 900.0
DISCARD_LIMIT_SECONDS = 900.0
# A snapshot is compressed by the server; messages that cannot be are as large as in the store, and a little more.
ROOM_RATIO = 1.1
ROOM_BYTES = 64 * 2**20
LARGEST_FILE_BYTES = 16 * 2**20

T = TypeVar("T")


class Source(msgspec.Struct, frozen=True):
    """Where a backup gets its content.

    `opened` connects to the server, for as long as it is needed. `files` are the stack's own, by their names in the
    snapshot. `images` are what its services run, by service.
    """

    opened: Callable[[], AbstractAsyncContextManager[Content]]
    files: Callable[[], Mapping[str, Path]]
    images: Callable[[], Mapping[str, str]]
    nats_version: Callable[[], str]
    host: Callable[[], str]


class Request(msgspec.Struct, frozen=True):
    """What a hot backup is asked for with: a note of whoever wants it."""

    note: str = ""


class HotBackup:
    """Makes the steps of hot backups into the folder of snapshots that `directory` says; `found` hears of each look."""

    def __init__(
        self,
        clock: Clock,
        directory: Callable[[], Path],
        source: Source,
        found: Callable[[str, Verdict], Awaitable[None]],
    ) -> None:
        self._clock = clock
        self._directory = directory
        self._source = source
        self._found = found
        self._choosing = asyncio.Lock()
        self._calls = BlockingCalls()

    def kind(self) -> JobKind[Request]:
        """Return the kind of job."""
        return JobKind(
            name=KIND,
            parameters=Request,
            title=lambda request: f"hot backup{f' ({request.note})' if request.note else ''}",
            steps=self._steps,
            exclusive=False,
            overlaps=False,
        )

    def _steps(self, request: Request) -> Sequence[Step]:
        return (
            Step(
                name="begin",
                title="Find room for the snapshot",
                do=self._begin,
                undo=self._discard,
                limit_seconds=BEGIN_LIMIT_SECONDS,
                undo_limit_seconds=DISCARD_LIMIT_SECONDS,
            ),
            Step(name="streams", title="Copy the streams", do=self._copy, limit_seconds=COPY_LIMIT_SECONDS),
            Step(
                name="buckets",
                title="Write the buckets as text",
                do=self._copy_buckets,
                limit_seconds=BUCKETS_LIMIT_SECONDS,
            ),
            Step(name="files", title="Copy the configuration", do=self._copy_files, limit_seconds=FILES_LIMIT_SECONDS),
            Step(
                name="manifest",
                title="Write the manifest",
                do=partial(self._write_manifest, request),
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

    async def _begin(self, at: At) -> None:
        async with self._choosing:
            if "snapshot" not in at.data:
                now, directory = self._clock.now(), self._directory()
                disk = Disk(Folders(directory), self._calls)
                chosen = await disk.do(partial(disk.folders.choose, now.astimezone()))
                await at.keep({"snapshot": chosen, "directory": str(directory), "began_at": now.isoformat()})
            await self._make_folder(at)
        async with self._source.opened() as content:
            await _expect_room(self._disk(at), await content.streams())

    async def _discard(self, at: At) -> None:
        if "snapshot" in at.data:
            await self._disk(at).do(partial(_folders(at).discard, _snapshot(at)), SYNC_SECONDS)

    async def _copy(self, at: At) -> None:
        """Copy each stream; one that cannot be had does not keep the others from being had."""
        await self._make_folder(at)
        async with self._source.opened() as content:
            streams = await content.streams()
            total_bytes = sum(one.size_bytes for one in streams)
            copier = StreamCopier(self._disk(at), _growing(at), content, at, total_bytes)
            for stream in streams:
                await copier.copy(stream)
        await at.keep(
            {
                "streams": msgspec.to_builtins(copier.streams),
                "stream_files": msgspec.to_builtins(copier.files),
                "left_out": msgspec.to_builtins(copier.left_out),
            }
        )

    async def _copy_buckets(self, at: At) -> None:
        async with self._source.opened() as content:
            streams = await content.streams()
            files, left_out = await copy_buckets(self._disk(at), _growing(at), content, streams)
        await at.keep({"buckets": msgspec.to_builtins(files), "buckets_left_out": msgspec.to_builtins(left_out)})

    async def _copy_files(self, at: At) -> None:
        target = _growing(at)
        copied: dict[str, FileEntry] = {}
        left_out: list[LeftOut] = []
        for name, file in self._source.files().items():
            try:
                content = await self._calls.run(f"file {file}", partial(_content, file), ANSWER_SECONDS)
            except FileNotFoundError:
                continue
            except OSError as error:
                left_out.append(LeftOut(f"file {file}", error.strerror or str(error), is_fault=True))
            except Hanging as error:
                left_out.append(LeftOut(f"file {file}", str(error), is_fault=True))
            else:
                copied[name] = await self._disk(at).do(partial(write_whole, target / name, content), SYNC_SECONDS)
        await at.keep({"files": msgspec.to_builtins(copied), "files_left_out": msgspec.to_builtins(left_out)})

    async def _write_manifest(self, request: Request, at: At) -> None:
        data = at.data
        kinds = ("stream_files", "buckets", "files")
        files = {path: entry for kind in kinds for path, entry in _read(data, kind, dict[str, FileEntry]).items()}
        left = ("left_out", "buckets_left_out", "files_left_out")
        left_out = tuple(one for kind in left for one in _read(data, kind, list[LeftOut]))
        written = Manifest(
            version=manifests.VERSION,
            id=_snapshot(at),
            kind=Kind.HOT,
            host=self._source.host(),
            supervisor=__version__,
            began_at=msgspec.convert(data["began_at"], datetime),
            ended_at=self._clock.now(),
            files=files,
            streams=tuple(_read(data, "streams", list[StreamEntry])),
            left_out=left_out,
            images=self._source.images(),
            nats_version=self._source.nats_version(),
            note=request.note,
        )
        file = _growing(at) / manifests.FILE_NAME
        await self._disk(at).do(partial(write_whole, file, manifests.encode(written)), SYNC_SECONDS)
        for one in left_out:
            if one.is_fault:
                await at.note(f"{one.what} is not in it: {one.why}")

    async def _publish(self, at: At) -> None:
        await self._disk(at).do(partial(_folders(at).publish, _snapshot(at)), SYNC_SECONDS)

    async def _verify(self, at: At) -> None:
        found = await Verifier(self._disk(at)).verify(_snapshot(at), level=1, progress=at.progress)
        await self._found(_snapshot(at), found)
        await at.keep({"verified": found.level, "damage": list(found.damage)})
        if found.damage:
            raise PermanentError(f"what was written is not what is read back: {'; '.join(found.damage)}")

    def _disk(self, at: At) -> Disk:
        return Disk(_folders(at), self._calls)

    async def _make_folder(self, at: At) -> None:
        await self._disk(at).do(partial(_folders(at).begin, _snapshot(at)), SYNC_SECONDS)


async def _expect_room(disk: Disk, streams: Sequence[Known]) -> None:
    needed = int(sum(stream.size_bytes for stream in streams if not stream.in_memory) * ROOM_RATIO) + ROOM_BYTES
    free = (await disk.do(disk.folders.space)).free_bytes
    if free < needed:
        raise PermanentError(
            f"not enough room in {disk.folders.root}: the streams may need {needed // 2**20} MiB with a margin of "
            f"{ROOM_BYTES // 2**20} MiB, {free // 2**20} MiB are free; make room or set backup.directory"
        )


def _folders(at: At) -> Folders:
    """Return the folder that the job began in, whatever the settings say by now."""
    return Folders(Path(str(at.data["directory"])))


def _growing(at: At) -> Path:
    return _folders(at).partial(_snapshot(at))


def _snapshot(at: At) -> str:
    return str(at.data["snapshot"])


def _read(data: Mapping[str, Any], key: str, kind: type[T]) -> T:
    return msgspec.convert(data[key], kind)


def _content(source: Path) -> bytes:
    """Return a file of the stack as it is. Raises: OSError when it cannot be read."""
    with source.open("rb") as opened:
        content = opened.read(LARGEST_FILE_BYTES + 1)
    if len(content) > LARGEST_FILE_BYTES:
        raise OSError(0, f"it is larger than {LARGEST_FILE_BYTES // 2**20} MiB, which no configuration is")
    return content
