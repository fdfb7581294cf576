"""One question to a name server: which IPv4 addresses a name has. Just so much of RFC 1035 as that takes.

The question goes to the server that Docker runs in each network of its own, by a socket that was made there: no
resolver takes such a socket, and a library for the messages alone would take 2.7 MB of memory for one short exchange.
"""

from __future__ import annotations

import ipaddress
import struct

LONGEST_MESSAGE_BYTES = 512

_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_QUESTION_END = struct.pack("!HH", 1, 1)
_ADDRESS = (1, 1)
_RECURSION_DESIRED = 0x0100
_ANSWER = 0x8000
_CODE = 0x000F
_POINTER = 0xC0

_WORDS = {1: "it did not understand the question", 2: "it failed", 3: "there is no such name", 5: "it refuses"}


class NotResolved(Exception):
    """The server gave no address; the text says why."""


def question(name: str, number: int) -> bytes:
    """Return the message that asks for a name's addresses; `number` (16 bits) tells its answer from others."""
    labels = b"".join(bytes([len(label)]) + label for label in name.encode("idna").split(b"."))
    return _HEADER.pack(number, _RECURSION_DESIRED, 1, 0, 0, 0) + labels + b"\0" + _QUESTION_END


def addresses(message: bytes, number: int) -> tuple[str, ...]:
    """Return the addresses that a message gives in answer to the question of that number.

    Raises: NotResolved when it gives none, or is no such answer.
    """
    try:
        return _addresses(message, number)
    except (struct.error, IndexError, ValueError) as error:
        raise NotResolved("its answer cannot be read") from error


def _addresses(message: bytes, number: int) -> tuple[str, ...]:
    answered, flags, questions, records, _, _ = _HEADER.unpack_from(message)
    if answered != number or not flags & _ANSWER:
        raise NotResolved("something else came back")
    if code := flags & _CODE:
        raise NotResolved(_WORDS.get(code, f"it answers with code {code}"))
    at = _HEADER.size
    for _ in range(questions):
        at = _after_name(message, at) + len(_QUESTION_END)
    found = []
    for _ in range(records):
        at = _after_name(message, at)
        kind, class_, _, length = _RECORD.unpack_from(message, at)
        at += _RECORD.size
        if (kind, class_) == _ADDRESS:
            found.append(str(ipaddress.IPv4Address(message[at : at + length])))
        at += length
    if not found:
        raise NotResolved("the name has no IPv4 address")
    return tuple(found)


def _after_name(message: bytes, at: int) -> int:
    """Return where a name ends: after a label of no length, or after a pointer to the rest."""
    while length := message[at]:
        if length >= _POINTER:
            return at + 2
        at += 1 + length
    return at + 1
