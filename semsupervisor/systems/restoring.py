"""A stream given back to a server from its snapshot, by the server's own request, piece by piece.

Each piece is a request that is answered when it is on the server's disk, so that no more than one is in the memory. A
server takes as whole what has lost messages, and answers "OK": whoever restores compares afterwards. It gives a restore
up, and leaves nothing, when it hears nothing for 5 s.

Source: nats-server's server/jetstream_api.go (stream restore), and measurements on 2.9.10 and 2.14.0.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout

from semsupervisor.errors import PermanentError, TemporaryError
from semsupervisor.systems.snapshots import Stream

CHUNK_BYTES = 512 * 1024
# What goes beside the content in a message that a server takes.
_ROOM_BYTES = 4096
REQUEST_SECONDS = 10.0
CHUNK_SECONDS = 60.0
# When all is there, the server unpacks it: as long as its disk takes for all messages.
END_SECONDS = 3600.0

_EXISTS = (10058, 10130)
_SUBJECTS_OVERLAP = 10065

Read = Callable[[int], Awaitable[bytes]]
"""Return the next piece, of so many bytes at most; empty when there is no more."""


class RestoreRefused(PermanentError):
    """The server does not take this stream; the text says why."""


class RestoreBroken(TemporaryError):
    """The restore ended before it was whole; the server removes what it had of it."""


class _ApiError(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _Begun(msgspec.Struct):
    error: _ApiError | None = None
    deliver_subject: str = ""


class _Response(msgspec.Struct):
    error: _ApiError | None = None
    config: dict[str, Any] = {}
    state: dict[str, Any] = {}


async def give(client: Client, config: Mapping[str, Any], state: Mapping[str, Any], read: Read) -> Stream:
    """Let a server have a stream again that it does not have; return what it says of it then.

    `config` and `state` are those that came with the snapshot; its name cannot be another than the snapshot's.
    Raises: RestoreRefused; RestoreBroken; and whatever `read` raises.
    """
    name = str(config.get("name", ""))
    request = msgspec.json.encode({"config": config, "state": state})
    begun = msgspec.json.decode(
        await _asked(client, f"$JS.API.STREAM.RESTORE.{name}", request, REQUEST_SECONDS, name), type=_Begun
    )
    if begun.error is not None:
        raise _refused(name, begun.error)
    most_bytes = min(CHUNK_BYTES, max(client.max_payload - _ROOM_BYTES, _ROOM_BYTES))
    while piece := await read(most_bytes):
        if said := await _asked(client, begun.deliver_subject, piece, CHUNK_SECONDS, name):
            raise _answered(name, said)
    ended = msgspec.json.decode(await _asked(client, begun.deliver_subject, b"", END_SECONDS, name), type=_Response)
    if ended.error is not None:
        raise _refused(name, ended.error)
    return Stream(ended.config, ended.state)


def _answered(name: str, said: bytes) -> RestoreRefused:
    """Return what a server means that answers a piece with more than that it has it."""
    response = msgspec.json.decode(said, type=_Response)
    return _refused(name, response.error or _ApiError(description="it answers a piece with something unknown"))


def _refused(name: str, error: _ApiError) -> RestoreRefused:
    said = f"{error.description} ({error.err_code})"
    if error.err_code in _EXISTS:
        return RestoreRefused(f"the stream {name} is there already: {said}")
    if error.err_code == _SUBJECTS_OVERLAP:
        return RestoreRefused(f"another stream takes subjects of {name}: {said}")
    return RestoreRefused(f"the server does not take the stream {name}: {said}")


async def _asked(client: Client, subject: str, content: bytes, limit_seconds: float, name: str) -> bytes:
    """Return what answers a request about a stream. Raises: RestoreRefused; RestoreBroken."""
    try:
        return bytes((await client.request(subject, content, timeout=limit_seconds)).data)
    except NoRespondersError as error:
        if subject.startswith("$JS.API."):
            raise RestoreRefused(f"the server has no JetStream for this account, asked for {name}") from error
        raise RestoreBroken(f"the server has given the restore of {name} up") from error
    except NatsTimeout as error:
        raise RestoreBroken(f"{name}: no answer of the server within {limit_seconds:g} s") from error
    except NatsError as error:
        raise RestoreBroken(f"{name}: {str(error) or type(error).__name__}") from error
