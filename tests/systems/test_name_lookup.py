"""The question for a name's addresses, and answers to it: real ones, ones of no use, and broken ones."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.systems.name_lookup import NotResolved, addresses, question

NUMBER = 0x1234
ANSWER, POINTER = 0x8180, b"\xc0\x0c"
QUESTION = b"\x04nats\0\0\x01\0\x01"


def record(data: bytes, kind: int = 1, name: bytes = POINTER) -> bytes:
    """Return one record of an answer."""
    return name + struct.pack("!HHIH", kind, 1, 600, len(data)) + data


def message(*records: bytes, flags: int = ANSWER, number: int = NUMBER) -> bytes:
    """Return what a name server sends."""
    return struct.pack("!6H", number, flags, 1, len(records), 0, 0) + QUESTION + b"".join(records)


def test_the_question() -> None:
    """It has the number, asks for recursion, and holds the name by its labels."""
    assert question("nats", NUMBER) == bytes.fromhex("1234 0100 0001 0000 0000 0000") + QUESTION
    assert b"\x01a\x02bc\0" in question("a.bc", NUMBER)


def test_addresses() -> None:
    """All addresses are found, behind another name as well, and whatever kind of record lies between them."""
    alias = record(b"\x01x" + POINTER, kind=5)
    found = message(alias, record(b"\xac\x1c\0\x02", name=b"\x01x" + POINTER), record(b"\xac\x1c\0\x03", name=b"\0"))
    assert addresses(found, NUMBER) == ("172.28.0.2", "172.28.0.3")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (message(flags=ANSWER | 3), "there is no such name"),
        (message(flags=ANSWER | 2), "it failed"),
        (message(flags=ANSWER | 9), "it answers with code 9"),
        (message(), "the name has no IPv4 address"),
        (message(record(b"\0" * 16, kind=28)), "the name has no IPv4 address"),
        (message(record(b"\xac\x1c\0\x02"), number=1), "something else came back"),
        (message(flags=0x0100), "something else came back"),
        (message(record(b"\xac\x1c")), "its answer cannot be read"),
        (message(record(b"\xac\x1c\0\x02"))[:-7], "its answer cannot be read"),
        (b"", "its answer cannot be read"),
    ],
)
def test_answers_without_an_address(answer: bytes, why: str) -> None:
    """Whatever else came back is said in words."""
    with pytest.raises(NotResolved, match=why):
        addresses(answer, NUMBER)


@given(st.binary(max_size=64))
def test_no_bytes_do_harm(garbage: bytes) -> None:
    """Whatever follows a good beginning gives addresses or the error, and nothing else."""
    head = struct.pack("!6H", NUMBER, ANSWER, 1, 2, 0, 0)
    try:
        found = addresses(head + garbage, NUMBER)
    except NotResolved:
        return
    assert all(one.count(".") == 3 for one in found)
