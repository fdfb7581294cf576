"""Copies what a running server holds into a growing snapshot, and knows what became of each part."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec
import structlog

from semsupervisor.backup.archive import ArchiveWalk, too_small
from semsupervisor.backup.disk import SYNC_SECONDS, Disk
from semsupervisor.backup.folders import TargetUnusable, Writer
from semsupervisor.backup.framing import Malformed
from semsupervisor.backup.manifest import FileEntry, LeftOut, StreamEntry
from semsupervisor.backup.reckoning import Held
from semsupervisor.errors import PermanentError, SupervisorError, TemporaryError
from semsupervisor.jobs.kinds import At
from semsupervisor.systems.jetstream_state import DEFAULT_ACCOUNT

log = structlog.get_logger(__name__)

BUCKET_PREFIX = "KV_"

_SAFE_NAME = re.compile(r"[^./\\\x00][^/\\\x00]*")

Write = Callable[[bytes], Awaitable[None]]


class Known(msgspec.Struct, frozen=True):
    """A stream that is there: its name, what it takes in the store, and whether it is kept in memory."""

    name: str
    size_bytes: int
    in_memory: bool


class Value(msgspec.Struct, frozen=True):
    """What a key of a bucket holds, and at which revision."""

    key: str
    revision: int
    value: bytes


class Content(Protocol):
    """What a server holds, over a connection that is open. All raise TemporaryError or PermanentError."""

    async def streams(self) -> Sequence[Known]:
        """Return the streams of the account that is logged in to."""
        ...

    async def held(self) -> Held:
        """Return what the server holds in all accounts, as far as that can be known."""
        ...

    async def take(self, name: str, write: Write, *, gently: bool) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Hand a stream's snapshot to a writer; return its configuration, and its state at the beginning.

        `gently` is for a target that did not keep up before.
        """
        ...

    async def bucket(self, name: str) -> Sequence[Value]:
        """Return what the keys of a bucket hold."""
        ...


class StreamCopier:
    """Copies streams of one account, one after the other."""

    def __init__(self, disk: Disk, folder: Path, content: Content, at: At, account: str, total_bytes: int) -> None:
        self.streams: list[StreamEntry] = []
        self.files: dict[str, FileEntry] = {}
        self.left_out: list[LeftOut] = []
        self._disk = disk
        self._folder = folder
        self._account = account
        self._content = content
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
            await self._forget(stream)
            self.left_out.append(LeftOut(f"stream {stream.name}", str(error), is_fault=True))
        self._passed_bytes += stream.size_bytes

    async def _copied(self, stream: Known) -> None:
        """Copy a stream, once more if it broke off."""
        try:
            await self._taken(stream, gently=False)
        except TargetUnusable:
            raise
        except (TemporaryError, Malformed) as error:
            log.warning("backup.stream_again", stream=stream.name, error=str(error))
            await self._forget(stream)
            await self._taken(stream, gently=True)

    async def _taken(self, stream: Known, *, gently: bool) -> None:
        name = f"{below(self._account)}streams/{stream.name}/stream.tar.s2"
        walk = ArchiveWalk()
        writer = Writer(self._folder / name)

        async def write(chunk: bytes) -> None:
            walk.feed(chunk)
            await self._disk.do(partial(writer.write, chunk))
            self._at.progress(self._passed_bytes + writer.size_bytes, self._total_bytes, "bytes")

        try:
            await self._disk.do(writer.open)
            config, state = await self._content.take(stream.name, write, gently=gently)
            await self._disk.do(walk.end)
            await self._expect_enough(stream, config, state, walk.unpacked_bytes)
            entry = await self._disk.do(writer.finish, SYNC_SECONDS)
        finally:
            self._disk.leave(writer.close)
        described = f"{below(self._account)}streams/{stream.name}/backup.json"
        content = msgspec.json.encode({"config": config, "state": state})
        self.files[described] = await self._disk.do(
            partial(write_whole, self._folder / described, content), SYNC_SECONDS
        )
        self.files[name] = entry
        self.streams.append(
            StreamEntry(
                account=self._account,
                name=stream.name,
                file=name,
                config=config,
                state=state,
                blocks=walk.blocks,
                unpacked_bytes=walk.unpacked_bytes,
            )
        )

    async def _expect_enough(
        self, stream: Known, config: Mapping[str, Any], state: Mapping[str, Any], unpacked_bytes: int
    ) -> None:
        """Raises: Malformed when it is too small for what the stream held at its beginning and still holds."""
        if not too_small(config, unpacked_bytes, _bytes(state)):
            return
        still = [one.size_bytes for one in await self._content.streams() if one.name == stream.name]
        if too_small(config, unpacked_bytes, min([_bytes(state), *still])):
            raise Malformed(f"{unpacked_bytes} bytes unpacked, for messages of {_bytes(state)} bytes")

    async def _forget(self, stream: Known) -> None:
        folder = self._folder / f"{below(self._account)}streams" / stream.name
        await self._disk.do(partial(shutil.rmtree, folder, ignore_errors=True), SYNC_SECONDS)


def below(account: str) -> str:
    """Return what comes before the paths of an account's streams and buckets: nothing for the default account.

    Raises: PermanentError for an account that no folder can be named after.
    """
    if account == DEFAULT_ACCOUNT:
        return ""
    if not _SAFE_NAME.fullmatch(account):
        raise PermanentError(f"no folder can be named after the account {account!r}")
    return f"accounts/{account}/"


async def copy_buckets(
    disk: Disk, folder: Path, content: Content, account: str, streams: Sequence[Known]
) -> tuple[Mapping[str, FileEntry], Sequence[LeftOut]]:
    """Write the buckets among the streams as text, for people; nothing is lost with one that cannot be.

    Raises: TargetUnusable.
    """
    files: dict[str, FileEntry] = {}
    left_out: list[LeftOut] = []
    for stream in streams:
        bucket = stream.name.removeprefix(BUCKET_PREFIX)
        if bucket == stream.name or not _SAFE_NAME.fullmatch(bucket):
            continue
        name = f"{below(account)}kv/{bucket}.json"
        try:
            text = _as_text(await content.bucket(bucket))
        except SupervisorError as error:
            left_out.append(LeftOut(f"{name}, the bucket as text", str(error), is_fault=False))
            continue
        files[name] = await disk.do(partial(write_whole, folder / name, text), SYNC_SECONDS)
    return files, left_out


def write_whole(target: Path, content: bytes) -> FileEntry:
    """Write a small file of a snapshot, in place of one that is there. Raises: TargetUnusable."""
    target.unlink(missing_ok=True)
    writer = Writer(target)
    try:
        writer.open()
        writer.write(content)
        return writer.finish()
    finally:
        writer.close()


def _bytes(state: Mapping[str, Any]) -> int:
    value = state.get("bytes")
    return value if isinstance(value, int) else 0


def _as_text(values: Sequence[Value]) -> bytes:
    """Return keys, revisions and values as JSON: a value as text, or as base64 where it is none."""
    shown: list[dict[str, object]] = []
    for one in values:
        try:
            value = {"text": one.value.decode()}
        except UnicodeDecodeError:
            value = {"base64": base64.b64encode(one.value).decode()}
        shown.append({"key": one.key, "revision": one.revision, **value})
    return msgspec.json.format(msgspec.json.encode(shown), indent=2) + b"\n"
