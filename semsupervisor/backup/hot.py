"""The hot backup: every stream that can be had, and the configuration, while the stack runs on.

Nothing is consistent across streams, and what a stream gets while it is copied may be in it or not: its counts in the
manifest are those of its beginning. What could not be taken makes the snapshot incomplete, which is kept for looking
at and never counts as good.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from semsupervisor.backup import reckoning
from semsupervisor.backup.catalogue import last_two
from semsupervisor.backup.copying import Known, StreamCopier, copy_buckets
from semsupervisor.backup.disk import SYNC_SECONDS, Disk
from semsupervisor.backup.manifest import FileEntry, LeftOut, Manifest, StreamEntry
from semsupervisor.backup.taking import Taking, growing, read
from semsupervisor.errors import PermanentError
from semsupervisor.jobs.kinds import At, JobKind, Step

KIND = "backup.hot"
COPY_LIMIT_SECONDS = 6 * 3600.0
BUCKETS_LIMIT_SECONDS = 1800.0
# A snapshot is compressed by the server; messages that cannot be are as large as in the store, and a little more.
ROOM_RATIO = 1.1
ROOM_BYTES = 64 * 2**20


class Request(msgspec.Struct, frozen=True):
    """What a hot backup is asked for with: a note of whoever wants it."""

    note: str = ""


class HotBackup:
    """Makes the steps of hot backups."""

    def __init__(self, taking: Taking) -> None:
        self._taking = taking

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
            self._taking.beginning("Find room for the snapshot", self._expect_room),
            Step(name="streams", title="Copy the streams", do=self._copy, limit_seconds=COPY_LIMIT_SECONDS),
            Step(
                name="buckets",
                title="Write the buckets as text",
                do=self._copy_buckets,
                limit_seconds=BUCKETS_LIMIT_SECONDS,
            ),
            *self._taking.ending(partial(_described, request)),
        )

    async def _expect_room(self, at: At) -> None:
        async with self._taking.source.opened() as content:
            await _expect_room(self._taking.disk(at), await content.streams())

    async def _copy(self, at: At) -> None:
        """Copy each stream; one that cannot be had does not keep the others from being had."""
        await self._taking.make_folder(at)
        async with self._taking.source.opened() as content:
            held, streams = await content.held(), await content.streams()
            total_bytes = sum(one.size_bytes for one in streams)
            copier = StreamCopier(self._taking.disk(at), growing(at), content, at, held.account, total_bytes)
            for stream in streams:
                await copier.copy(stream)
            names = {one.name for one in (*streams, *await content.streams())}
        before = await self._taking.disk(at).do(partial(last_two, self._taking.disk(at).folders), SYNC_SECONDS)
        left_out = (*copier.left_out, *reckoning.not_included(held, names), *reckoning.emptied(before.complete, names))
        now = self._taking.clock.now()
        await at.keep(
            {
                "account": held.account,
                "streams": msgspec.to_builtins(copier.streams),
                "stream_files": msgspec.to_builtins(copier.files),
                "left_out": msgspec.to_builtins(left_out),
                "suspicions": list(reckoning.suspicions(before.newest, held.account, names, copier.streams, now)),
            }
        )

    async def _copy_buckets(self, at: At) -> None:
        async with self._taking.source.opened() as content:
            streams = await content.streams()
            account = str(at.data["account"])
            files, left_out = await copy_buckets(self._taking.disk(at), growing(at), content, account, streams)
        await at.keep({"buckets": msgspec.to_builtins(files), "buckets_left_out": msgspec.to_builtins(left_out)})


def _described(request: Request, at: At, plain: Manifest) -> Manifest:
    """Return the manifest with what was copied of the server."""
    files = {**read(at.data, "stream_files", dict[str, FileEntry]), **read(at.data, "buckets", dict[str, FileEntry])}
    left_out = (*read(at.data, "left_out", list[LeftOut]), *read(at.data, "buckets_left_out", list[LeftOut]))
    return msgspec.structs.replace(
        plain,
        files={**files, **plain.files},
        streams=tuple(read(at.data, "streams", list[StreamEntry])),
        left_out=(*left_out, *plain.left_out),
        suspicions=tuple(read(at.data, "suspicions", list[str])),
        note=request.note,
    )


async def _expect_room(disk: Disk, streams: Sequence[Known]) -> None:
    needed = int(sum(stream.size_bytes for stream in streams if not stream.in_memory) * ROOM_RATIO) + ROOM_BYTES
    free = (await disk.do(disk.folders.space)).free_bytes
    if free < needed:
        raise PermanentError(
            f"not enough room in {disk.folders.root}: the streams may need {needed // 2**20} MiB with a margin of "
            f"{ROOM_BYTES // 2**20} MiB, {free // 2**20} MiB are free; make room or set backup.directory"
        )
