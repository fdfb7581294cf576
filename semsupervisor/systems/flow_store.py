"""The flows that SemStreams stores in NATS: the present values of its bucket, asked of JetStream's API."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from semsupervisor.systems.bodies import Unreadable, json_as

BUCKET = "semstreams_flows"
STREAM = f"KV_{BUCKET}"
# Asking for a stream that is not there would count among the failed calls of the server, so its name is looked for.
NAMES = "$JS.API.STREAM.NAMES"
OF_BUCKET = msgspec.json.encode({"subject": f"$KV.{BUCKET}.>"})
INFO = f"$JS.API.STREAM.INFO.{STREAM}"
GET = f"$JS.API.STREAM.MSG.GET.{STREAM}"
ALL_SUBJECTS = b'{"subjects_filter":">"}'
# There is no such stream; JetStream is off for the server, or for the account.
NOT_THERE = frozenset({10059, 10039, 10076})
MOST_FLOWS = 200
REMOVED = (b"KV-Operation: DEL", b"KV-Operation: PURGE")

Ask = Callable[[str, bytes], Awaitable[bytes]]
"""Sends a payload to a subject and returns the answer. Raises: SupervisorError."""


class _Error(msgspec.Struct):
    err_code: int = 0
    description: str = ""


class _Names(msgspec.Struct):
    error: _Error | None = None
    streams: list[str] | None = None


class _State(msgspec.Struct):
    subjects: dict[str, int] | None = None


class _Info(msgspec.Struct):
    error: _Error | None = None
    state: _State | None = None


class _Message(msgspec.Struct):
    data: str = ""
    hdrs: str = ""


class _Answer(msgspec.Struct):
    error: _Error | None = None
    message: _Message | None = None


_NAMES = msgspec.json.Decoder(_Names)
_INFO = msgspec.json.Decoder(_Info)
_ANSWER = msgspec.json.Decoder(_Answer)


async def stored_flows(ask: Ask) -> Sequence[bytes] | None:
    """Return what is stored of each flow, of 200 at most; None where there is no such bucket.

    Raises: Unreadable, and whatever `ask` raises.
    """
    names = json_as(_NAMES, await ask(NAMES, OF_BUCKET))
    if _is_absent(names.error) or STREAM not in (names.streams or ()):
        return None
    info = json_as(_INFO, await ask(INFO, ALL_SUBJECTS))
    if _is_absent(info.error):
        return None
    if info.state is None:
        raise Unreadable(f"{BUCKET}: the answer has no state")
    subjects = sorted(info.state.subjects or {})[:MOST_FLOWS]
    values = [await _value(ask, subject) for subject in subjects]
    return [value for value in values if value is not None]


def _is_absent(error: _Error | None) -> bool:
    """Tell whether an error says that there is nothing stored. Raises: Unreadable for any other."""
    if error is not None and error.err_code not in NOT_THERE:
        raise Unreadable(f"{BUCKET}: {error.description}")
    return error is not None


async def _value(ask: Ask, subject: str) -> bytes | None:
    """Return the newest value under a subject, None if that is that it was removed."""
    answer = json_as(_ANSWER, await ask(GET, msgspec.json.encode({"last_by_subj": subject})))
    if answer.error is not None or answer.message is None:
        return None
    try:
        head, value = (base64.b64decode(part, validate=True) for part in (answer.message.hdrs, answer.message.data))
    except (binascii.Error, ValueError) as error:
        raise Unreadable(f"{BUCKET}: a value that is not in base 64") from error
    return None if any(mark in head for mark in REMOVED) else value
