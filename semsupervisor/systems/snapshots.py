"""A stream's snapshot by the server's own request, piece by piece and in bounded memory.

The server sends chunks to an inbox and goes on as they are acknowledged. What holds it back differs: 2.14 gives up
when nothing was acknowledged for 5 s, 2.9 goes on sending whatever is acknowledged. So each chunk is acknowledged as it
comes, and a target that does not keep up holds back the connection itself: it is not read for a while, but for a chunk
now and then that tells the server that somebody is there.

Source: nats-server's server/jetstream_api.go (stream snapshot), and measurements on 2.9.10 and 2.14.0.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout

from semsupervisor.errors import PermanentError, TemporaryError

# The smaller a chunk, the less 2.9 sends to a target that stands still; the larger, the faster a quick one gets them.
CHUNK_BYTES = 128 * 1024
SMALL_CHUNK_BYTES = 32 * 1024
MOST_QUEUED_BYTES = 8 * 2**20
# Beyond what is queued a chunk comes now and then, so that the server does not take us for gone.
MOST_HELD_BYTES = 16 * 2**20
SIGN_OF_LIFE_SECONDS = 1.0
SILENCE_SECONDS = 30.0
REQUEST_SECONDS = 10.0
# More than what can be under way at once: what exceeds it would be thrown away by the client.
MOST_PENDING_BYTES = 64 * 2**20

_BUSY = 10064
_NO_STREAM = 10059

Write = Callable[[bytes], Awaitable[None]]


class SnapshotRefused(PermanentError):
    """The server does not give a snapshot of this stream; the text says why."""


class SnapshotBroken(TemporaryError):
    """The snapshot ended before it was whole."""


class TargetTooSlow(TemporaryError):
    """What is written to took nothing for so long that the server would have been held back for good."""


class Begun(msgspec.Struct, frozen=True):
    """What the server says when it begins: the stream's configuration and its state at that moment, as it gave them."""

    config: dict[str, Any]
    state: dict[str, Any]


class Stream(msgspec.Struct, frozen=True):
    """A stream that the account has, as the server tells of it."""

    config: dict[str, Any]
    state: dict[str, Any]

    @property
    def name(self) -> str:
        """Return its name."""
        return str(self.config.get("name", ""))

    @property
    def in_memory(self) -> bool:
        """Tell whether it is kept in memory: the server gives no snapshot of such a one."""
        return self.config.get("storage") == "memory"

    @property
    def size_bytes(self) -> int:
        """Return what its messages take in the store."""
        size = self.state.get("bytes", 0)
        return size if isinstance(size, int) else 0


class _ApiError(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _Response(msgspec.Struct):
    error: _ApiError | None = None
    config: dict[str, Any] = {}
    state: dict[str, Any] = {}


class _Page(msgspec.Struct):
    error: _ApiError | None = None
    total: int = 0
    streams: list[Stream] | None = None


async def streams(client: Client) -> list[Stream]:
    """Return all streams of the client's account, by name. Raises: SnapshotRefused (no JetStream); SnapshotBroken."""
    found: dict[str, Stream] = {}
    while True:
        try:
            request = msgspec.json.encode({"offset": len(found)})
            answer = await client.request("$JS.API.STREAM.LIST", request, timeout=REQUEST_SECONDS)
        except NoRespondersError as error:
            raise SnapshotRefused("the server has no JetStream for this account") from error
        except NatsError as error:
            raise SnapshotBroken(f"the streams could not be listed: {_said(error)}") from error
        page = msgspec.json.decode(answer.data, type=_Page)
        if page.error is not None:
            raise SnapshotRefused(f"the server does not list the streams: {page.error.description}")
        new = {stream.name: stream for stream in page.streams or () if stream.name not in found}
        found |= new
        if not new or len(found) >= page.total:
            return [found[name] for name in sorted(found)]


async def take(client: Client, stream: str, write: Write, *, chunk_bytes: int = CHUNK_BYTES) -> Begun:
    """Hand a stream's snapshot to `write`, chunk by chunk in order; it is whole when this returns.

    `client` must be a connection for this alone: it is held back while `write` is. After SnapshotBroken or
    TargetTooSlow a target that is only slow may do with smaller chunks. Raises: SnapshotRefused; SnapshotBroken;
    TargetTooSlow; and whatever `write` raises.
    """
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox, pending_bytes_limit=MOST_PENDING_BYTES)
    try:
        await client.flush(timeout=int(REQUEST_SECONDS))
        begun = await _begin(client, stream, inbox, chunk_bytes)
        await _Flow(client, subscription, write).run()
        return begun
    except NatsError as error:
        raise SnapshotBroken(f"the snapshot of {stream} broke off: {_said(error)}") from error
    finally:
        await _leave(subscription)


async def _begin(client: Client, stream: str, inbox: str, chunk_bytes: int) -> Begun:
    wanted = {
        "deliver_subject": inbox,
        "no_consumers": False,
        "chunk_size": chunk_bytes,
        # A check by a live server truncates what it finds damaged: never asked for.
        "jsck": False,
    }
    request = msgspec.json.encode(wanted)
    try:
        answer = await client.request(f"$JS.API.STREAM.SNAPSHOT.{stream}", request, timeout=REQUEST_SECONDS)
    except NoRespondersError as error:
        raise SnapshotRefused(f"the server has no JetStream for this account, asked for {stream}") from error
    response = msgspec.json.decode(answer.data, type=_Response)
    if response.error is None:
        return Begun(response.config, response.state)
    said = f"{response.error.description} ({response.error.err_code})"
    if response.error.err_code == _NO_STREAM:
        raise SnapshotRefused(f"there is no stream {stream}: {said}")
    if response.error.err_code == _BUSY and "in progress" in response.error.description:
        raise SnapshotBroken(f"another snapshot of {stream} is under way: {said}")
    raise SnapshotRefused(f"the server gives no snapshot of {stream}: {said}")


class _Flow:
    """Chunks on their way from the server to the target."""

    def __init__(self, client: Client, subscription: Subscription, write: Write) -> None:
        self._client = client
        self._subscription = subscription
        self._write = write
        self._chunks: deque[bytes] = deque()
        self._held_bytes = 0
        self._ended = False
        self._changed = asyncio.Condition()

    async def run(self) -> None:
        """Bring all of them over; nothing is written any more when this returns. Raises: as `take` does."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._receive())
                group.create_task(self._pass_on())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            _read_on(self._client)

    async def _receive(self) -> None:
        while True:
            if not self._subscription.pending_msgs:
                _read_on(self._client)
            chunk = await self._subscription.next_msg(timeout=SILENCE_SECONDS)
            if not chunk.data:
                _expect_success(chunk)
                break
            if chunk.reply:
                await self._client.publish(chunk.reply)
            async with self._changed:
                self._chunks.append(chunk.data)
                self._held_bytes += len(chunk.data)
                self._changed.notify_all()
            await self._hold_back()
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def _hold_back(self) -> None:
        """While too much is queued, leave the connection unread, but for a sign of life.

        What the client has read already is taken first: it counts as read as long as it waits there.
        """
        if self._held_bytes <= MOST_QUEUED_BYTES:
            return
        if self._held_bytes > MOST_HELD_BYTES:
            raise TargetTooSlow(f"the target took nothing while {self._held_bytes // 2**20} MiB waited for it")
        _read_no_more(self._client)
        with suppress(TimeoutError):
            async with asyncio.timeout(SIGN_OF_LIFE_SECONDS), self._changed:
                await self._changed.wait_for(lambda: self._held_bytes <= MOST_QUEUED_BYTES // 2)

    async def _pass_on(self) -> None:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._chunks or self._ended)
                if not self._chunks:
                    return
                chunk = self._chunks.popleft()
            await self._write(chunk)
            async with self._changed:
                self._held_bytes -= len(chunk)
                self._changed.notify_all()


def _expect_success(end: Msg) -> None:
    """Raises: SnapshotBroken when the last message tells of a failure."""
    headers = end.headers or {}
    status = headers.get("Status", "204")
    if status != "204":
        raise SnapshotBroken(f"the server gave up: {status} {headers.get('Description', '')}".rstrip())


def _transport(client: Client) -> asyncio.Transport:
    """Return what the client reads from; it has no public name for it, and holding it back needs no less."""
    inner: Any = client._transport  # noqa: SLF001
    transport: asyncio.Transport = inner._io_writer.transport  # noqa: SLF001
    return transport


def _read_no_more(client: Client) -> None:
    _transport(client).pause_reading()


def _read_on(client: Client) -> None:
    if client.is_connected:
        _transport(client).resume_reading()


async def _leave(subscription: Subscription) -> None:
    """Take no more: a server that still sends sees that nobody listens, and stops."""
    try:
        await subscription.unsubscribe()
    except NatsError:
        return


def _said(error: NatsError) -> str:
    return "it fell silent" if isinstance(error, NatsTimeout) else str(error) or type(error).__name__
