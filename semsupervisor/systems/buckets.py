"""What the keys of a KV bucket hold now, asked for one by one: nothing is made in the server for that.

Source: ADR-8 of nats-architecture-and-design: a bucket is the stream `KV_<bucket>`, a key the subject
`$KV.<bucket>.<key>`, and the header KV-Operation marks keys that were deleted.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TypeVar

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError

from semsupervisor.errors import PermanentError, TemporaryError

STREAM_PREFIX = "KV_"
MOST_BYTES = 16 * 2**20
REQUEST_SECONDS = 10.0

T = TypeVar("T")

_NO_MESSAGE = 10037
_REMOVED = (b"KV-Operation: DEL", b"KV-Operation: PURGE")


class BucketTooLarge(PermanentError):
    """The keys and values of a bucket are more than is written as text."""


class BucketUnread(TemporaryError):
    """The server does not tell what is in a bucket."""


class BucketKey(msgspec.Struct, frozen=True):
    """A key, the revision of its value, and the value."""

    key: str
    revision: int
    value: bytes


class _ApiError(msgspec.Struct):
    err_code: int = 0
    description: str = ""


class _State(msgspec.Struct):
    subjects: dict[str, int] | None = None


class _Info(msgspec.Struct):
    error: _ApiError | None = None
    state: _State = msgspec.field(default_factory=_State)


class _Message(msgspec.Struct):
    seq: int
    data: str = ""
    hdrs: str = ""


class _Got(msgspec.Struct):
    error: _ApiError | None = None
    message: _Message | None = None


async def read(client: Client, bucket: str, most_bytes: int = MOST_BYTES) -> list[BucketKey]:
    """Return the keys of a bucket by name. Raises: BucketTooLarge; BucketUnread."""
    prefix = f"$KV.{bucket}."
    found: list[BucketKey] = []
    left_bytes = most_bytes
    try:
        for subject in await _subjects(client, bucket, prefix):
            message = await _last(client, bucket, subject)
            if message is None or any(mark in base64.b64decode(message.hdrs) for mark in _REMOVED):
                continue
            one = BucketKey(subject.removeprefix(prefix), message.seq, base64.b64decode(message.data))
            left_bytes -= len(one.key) + len(one.value)
            if left_bytes < 0:
                raise BucketTooLarge(f"the bucket {bucket} holds more than {most_bytes // 2**20} MiB")
            found.append(one)
    except NatsError as error:
        said = str(error) or type(error).__name__
        raise BucketUnread(f"the bucket {bucket} could not be read: {said}") from error
    return found


async def _subjects(client: Client, bucket: str, prefix: str) -> list[str]:
    found: set[str] = set()
    while True:
        wanted = {"subjects_filter": f"{prefix}>", "offset": len(found)}
        info = await _asked(client, f"$JS.API.STREAM.INFO.{STREAM_PREFIX}{bucket}", wanted, _Info)
        if info.error is not None:
            raise BucketUnread(f"the bucket {bucket} could not be read: {info.error.description}")
        new = set(info.state.subjects or ()) - found
        found |= new
        if not new:
            return sorted(found)


async def _last(client: Client, bucket: str, subject: str) -> _Message | None:
    """Return the last message of a subject, None if there is none any more."""
    wanted = {"last_by_subj": subject}
    got = await _asked(client, f"$JS.API.STREAM.MSG.GET.{STREAM_PREFIX}{bucket}", wanted, _Got)
    if got.error is not None and got.error.err_code != _NO_MESSAGE:
        raise BucketUnread(f"the bucket {bucket} could not be read: {got.error.description}")
    return got.message


async def _asked(client: Client, subject: str, wanted: Mapping[str, object], kind: type[T]) -> T:
    answer = await client.request(subject, msgspec.json.encode(wanted), timeout=REQUEST_SECONDS)
    return msgspec.json.decode(answer.data, type=kind)
