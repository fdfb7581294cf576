"""The hot backup: every stream that can be had, and the configuration, while the stack runs on.

Nothing is consistent across streams, and what a stream gets while it is copied may be in it or not: its counts in the
manifest are those of its beginning. What could not be taken makes the snapshot incomplete, which is kept for looking
at and never counts as good.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from semsupervisor import __version__
from semsupervisor.backup import manifest as manifests
from semsupervisor.backup.folders import Folders, TargetUnusable, Writer
from semsupervisor.backup.framing import FrameWalk, Malformed
from semsupervisor.backup.manifest import FileEntry, Kind, LeftOut, Manifest, StreamEntry
from semsupervisor.backup.verify import Verifier
from semsupervisor.errors import PermanentError, SupervisorError
from semsupervisor.jobs.kinds import At, JobKind, Step
from semsupervisor.kit.clock import Clock

KIND = "backup.hot"
ACCOUNT = "$G"
COPY_LIMIT_SECONDS = 6 * 3600.0
VERIFY_LIMIT_SECONDS = 3600.0
# A snapshot is compressed by the server; messages that cannot be are as large as in the store, and a little more.
ROOM_RATIO = 1.1
ROOM_BYTES = 64 * 2**20
LARGEST_FILE_BYTES = 16 * 2**20

T = TypeVar("T")
_SAFE_NAME = re.compile(r"[^./\\\x00][^/\\\x00]*")

Write = Callable[[bytes], Awaitable[None]]


class Known(msgspec.Struct, frozen=True):
    """A stream that is there: its name, what it takes in the store, and whether it is kept in memory."""

    name: str
    size_bytes: int
    in_memory: bool


class Source(msgspec.Struct, frozen=True):
    """Where a backup gets its content.

    `streams` lists the streams of the account that is logged in to; `take` hands one's snapshot to a writer and returns
    its configuration and its state at the beginning. Both raise TemporaryError or PermanentError. `files` are the
    stack's own, by their names in the snapshot. `images` are what its services run, by service.
    """

    streams: Callable[[], Awaitable[Sequence[Known]]]
    take: Callable[[str, Write], Awaitable[tuple[Mapping[str, Any], Mapping[str, Any]]]]
    files: Callable[[], Mapping[str, Path]]
    images: Callable[[], Mapping[str, str]]
    nats_version: Callable[[], str]
    host: Callable[[], str]


class Request(msgspec.Struct, frozen=True):
    """What a hot backup is asked for with: a note of whoever wants it."""

    note: str = ""


class HotBackup:
    """Makes the steps of hot backups into one folder of snapshots."""

    def __init__(self, clock: Clock, folders: Folders, source: Source) -> None:
        self._clock = clock
        self._folders = folders
        self._source = source
        self._choosing = asyncio.Lock()

    def kind(self) -> JobKind[Request]:
        """Return the kind of job."""
        return JobKind(
            name=KIND,
            parameters=Request,
            title=lambda request: f"hot backup{f' ({request.note})' if request.note else ''}",
            steps=self._steps,
            exclusive=False,
        )

    def _steps(self, request: Request) -> Sequence[Step]:
        return (
            Step(name="begin", title="Find room for the snapshot", do=self._begin, undo=self._discard),
            Step(name="streams", title="Copy the streams", do=self._copy, limit_seconds=COPY_LIMIT_SECONDS),
            Step(name="files", title="Copy the configuration", do=self._copy_files),
            Step(name="manifest", title="Write the manifest", do=partial(self._write_manifest, request)),
            Step(name="publish", title="Give the snapshot its name", do=self._publish, commits=True),
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
                now = self._clock.now()
                chosen = await asyncio.to_thread(self._folders.choose, now.astimezone())
                await at.keep({"snapshot": chosen, "began_at": now.isoformat()})
            await asyncio.to_thread(self._folders.begin, _snapshot(at))
        await self._expect_room(await self._source.streams())

    async def _expect_room(self, streams: Sequence[Known]) -> None:
        needed = int(sum(stream.size_bytes for stream in streams if not stream.in_memory) * ROOM_RATIO) + ROOM_BYTES
        free = (await asyncio.to_thread(self._folders.space)).free_bytes
        if free < needed:
            raise PermanentError(
                f"not enough room in {self._folders.root}: the streams may need {needed // 2**20} MiB with a margin of "
                f"{ROOM_BYTES // 2**20} MiB, {free // 2**20} MiB are free; make room or set backup.directory"
            )

    async def _discard(self, at: At) -> None:
        if "snapshot" in at.data:
            await asyncio.to_thread(self._folders.discard, _snapshot(at))

    async def _copy(self, at: At) -> None:
        """Copy each stream; one that cannot be had does not keep the others from being had."""
        await asyncio.to_thread(self._folders.begin, _snapshot(at))
        streams = await self._source.streams()
        copier = _Copier(self._folders.partial(_snapshot(at)), self._source, at, sum(one.size_bytes for one in streams))
        for stream in streams:
            await copier.copy(stream)
        await at.keep(
            {
                "streams": msgspec.to_builtins(copier.streams),
                "stream_files": msgspec.to_builtins(copier.files),
                "left_out": msgspec.to_builtins(copier.left_out),
            }
        )

    async def _copy_files(self, at: At) -> None:
        target = self._folders.partial(_snapshot(at))
        copied: dict[str, FileEntry] = {}
        left_out: list[LeftOut] = []
        for name, file in self._source.files().items():
            try:
                copied[name] = await asyncio.to_thread(_copied, file, target / name)
            except FileNotFoundError:
                continue
            except OSError as error:
                left_out.append(LeftOut(f"file {file}", error.strerror or str(error), is_fault=True))
        await at.keep({"files": msgspec.to_builtins(copied), "files_left_out": msgspec.to_builtins(left_out)})

    async def _write_manifest(self, request: Request, at: At) -> None:
        data = at.data
        files = {**_read(data, "stream_files", dict[str, FileEntry]), **_read(data, "files", dict[str, FileEntry])}
        left_out = (*_read(data, "left_out", list[LeftOut]), *_read(data, "files_left_out", list[LeftOut]))
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
        file = self._folders.partial(_snapshot(at)) / manifests.FILE_NAME
        await asyncio.to_thread(_write_whole, file, manifests.encode(written))
        for one in left_out:
            if one.is_fault:
                await at.note(f"{one.what} is not in it: {one.why}")

    async def _publish(self, at: At) -> None:
        await asyncio.to_thread(self._folders.publish, _snapshot(at))

    async def _verify(self, at: At) -> None:
        found = await Verifier(self._folders).verify(_snapshot(at), level=1, progress=at.progress)
        await at.keep({"verified": found.level, "damage": list(found.damage)})
        if found.damage:
            raise PermanentError(f"what was written is not what is read back: {'; '.join(found.damage)}")


class _Copier:
    """Copies streams into a growing snapshot, and knows what became of each."""

    def __init__(self, folder: Path, source: Source, at: At, total_bytes: int) -> None:
        self.streams: list[StreamEntry] = []
        self.files: dict[str, FileEntry] = {}
        self.left_out: list[LeftOut] = []
        self._folder = folder
        self._source = source
        self._at = at
        self._total_bytes = total_bytes
        self._passed_bytes = 0

    async def copy(self, stream: Known) -> None:
        """Copy one. Raises: TargetUnusable when the snapshot itself cannot be written."""
        if stream.in_memory:
            self.left_out.append(LeftOut(f"stream {stream.name}", "it is kept in memory", is_fault=False))
            return
        if not _SAFE_NAME.fullmatch(stream.name):
            self.left_out.append(LeftOut(f"stream {stream.name!r}", "its name can be no folder's", is_fault=True))
            return
        try:
            await self._copied(stream)
        except TargetUnusable:
            raise
        except (SupervisorError, Malformed) as error:
            await asyncio.to_thread(shutil.rmtree, self._folder / "streams" / stream.name, ignore_errors=True)
            self.left_out.append(LeftOut(f"stream {stream.name}", str(error), is_fault=True))
        self._passed_bytes += stream.size_bytes

    async def _copied(self, stream: Known) -> None:
        name = f"streams/{stream.name}/stream.tar.s2"
        walk = FrameWalk()
        writer = await asyncio.to_thread(Writer, self._folder / name)

        async def write(chunk: bytes) -> None:
            walk.feed(chunk)
            await asyncio.to_thread(writer.write, chunk)
            self._at.progress(self._passed_bytes + writer.size_bytes, self._total_bytes, "bytes")

        try:
            config, state = await self._source.take(stream.name, write)
            walk.end()
            entry = await asyncio.to_thread(writer.finish)
        finally:
            writer.close()
        described = f"streams/{stream.name}/backup.json"
        content = msgspec.json.encode({"config": config, "state": state})
        self.files[described] = await asyncio.to_thread(_write_whole, self._folder / described, content)
        self.files[name] = entry
        self.streams.append(
            StreamEntry(account=ACCOUNT, name=stream.name, file=name, config=config, state=state, blocks=walk.blocks)
        )


def _snapshot(at: At) -> str:
    return str(at.data["snapshot"])


def _read(data: Mapping[str, Any], key: str, kind: type[T]) -> T:
    return msgspec.convert(data[key], kind)


def _copied(source: Path, target: Path) -> FileEntry:
    """Copy a file of the stack as it is. Raises: OSError when it cannot be read; TargetUnusable."""
    with source.open("rb") as opened:
        content = opened.read(LARGEST_FILE_BYTES + 1)
    if len(content) > LARGEST_FILE_BYTES:
        raise OSError(0, f"it is larger than {LARGEST_FILE_BYTES // 2**20} MiB, which no configuration is")
    return _write_whole(target, content)


def _write_whole(target: Path, content: bytes) -> FileEntry:
    target.unlink(missing_ok=True)
    writer = Writer(target)
    try:
        writer.write(content)
        return writer.finish()
    finally:
        writer.close()
