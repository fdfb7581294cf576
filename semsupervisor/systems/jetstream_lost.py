"""What JetStream's API says of messages that a stream's server could not read in its own files.

The monitoring port tells nothing of it, and the API only when the details of what was deleted are asked for. What was
lost is told as numbers of messages or, where a block's checksum is wrong, as so many bytes without any number; files
that are gone or cut short are not told of at all.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from semsupervisor.systems.bodies import json_as
from semsupervisor.systems.jetstream_state import Lost

SUBJECT = "$JS.API.STREAM.INFO"
REQUEST = b'{"deleted_details":true}'

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class _Lost(msgspec.Struct):
    msgs: list[Count] | None = None
    bytes: Count = 0


class _State(msgspec.Struct):
    lost: _Lost | None = None


class _Info(msgspec.Struct):
    state: _State


_INFO = msgspec.json.Decoder(_Info)


def parse_lost(body: bytes) -> Lost:
    """Read an answer of JetStream's API about a stream. Raises: Unreadable, also where there is no such stream."""
    told = json_as(_INFO, body).state.lost
    if told is None:
        return Lost(messages=0, bytes=0)
    return Lost(messages=None if told.msgs is None else len(told.msgs), bytes=told.bytes)
