"""Blocks are unpacked to what was packed, and anything else is refused; a real server's are in the tests of backups."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.backup import s2
from semsupervisor.backup.s2 import Undecodable


def sized(length: int) -> bytes:
    """Return how a block says its length."""
    out = bytearray()
    while length >= 0x80:
        out.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*out, length])


def literal(content: bytes) -> bytes:
    """Return a literal, its length told in the fewest bytes."""
    count = len(content) - 1
    if count < 60:
        return bytes([count << 2]) + content
    width = (count.bit_length() + 7) // 8
    return bytes([(59 + width) << 2]) + count.to_bytes(width, "little") + content


def near(count: int, distance: int) -> bytes:
    """Return a copy of 4 to 11 bytes from at most 2047 bytes back; distance 0 repeats the last one."""
    return bytes([(distance >> 8) << 5 | (count - 4) << 2 | 1, distance & 0xFF])


def far(count: int, distance: int, width: int) -> bytes:
    """Return a copy of up to 64 bytes, its distance told in 2 or 4 bytes."""
    return bytes([(count - 1) << 2 | (2 if width == 2 else 3)]) + distance.to_bytes(width, "little")


ALPHABET = b"abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        (literal(b"a"), b"a"),
        (literal(ALPHABET * 3), ALPHABET * 3),
        (literal(ALPHABET * 30), ALPHABET * 30),
        (literal(bytes(70_000)), bytes(70_000)),
        (literal(ALPHABET) + near(4, 26), ALPHABET + b"abcd"),
        (literal(ALPHABET * 20) + near(11, 520), ALPHABET * 20 + b"abcdefghijk"),
        (literal(b"ab") + near(7, 2), b"ab" + b"abababa"),
        (literal(ALPHABET) + far(64, 1, 2), ALPHABET + b"z" * 64),
        (literal(ALPHABET) + far(3, 26, 4), ALPHABET + b"abc"),
        # The same distance again: of a length told in the tag, and in one, two and three bytes beside it.
        (literal(ALPHABET) + near(4, 26) + near(6, 0), ALPHABET + b"abcd" + b"efghij"),
        (literal(b"ab") + far(2, 2, 2) + near(9, 0) + b"\x00", b"ab" * 2 + b"ab" * 4),
        (literal(b"ab") + far(2, 2, 2) + near(10, 0) + b"\x00\x00", b"ab" * 2 + b"ab" * 130),
        (literal(b"ab") + far(2, 2, 2) + near(11, 0) + b"\x02\x00\x00", b"ab" * 2 + b"ab" * 32_771),
    ],
)
def test_each_element_is_unpacked(elements: bytes, expected: bytes) -> None:
    """As the format says."""
    assert s2.unpacked(sized(len(expected)) + elements) == expected


@pytest.mark.parametrize(
    ("block", "what"),
    [
        (b"", "without a length"),
        (b"\xff" * 9, "without a length"),
        (sized(s2.LARGEST_BLOCK_BYTES + 1), f"a block of {s2.LARGEST_BLOCK_BYTES + 1} bytes"),
        (sized(9) + bytes([8 << 2]) + b"abc", "a literal beyond its end"),
        (sized(900) + bytes([61 << 2, 1]), "ends within an element"),
        (sized(9) + literal(b"ab") + b"\x01", "ends within an element"),
        (sized(9) + literal(b"ab") + near(4, 3), "from before its beginning"),
        (sized(9) + literal(b"ab") + near(4, 0), "from before its beginning"),
        (sized(9) + literal(b"ab") + far(4, 0, 2), "from before its beginning"),
        (sized(2) + literal(b"abc"), "more in it than it says"),
        (sized(9) + literal(b"ab") + far(2, 2, 2) + near(11, 0) + b"\xff\xff\xff", "more in it than it says"),
        (sized(4) + literal(b"abc"), "3 bytes in it instead of 4"),
    ],
)
def test_what_is_no_block_is_refused(block: bytes, what: str) -> None:
    """It says why."""
    with pytest.raises(Undecodable, match=what):
        s2.unpacked(block)


@given(st.binary(max_size=200))
def test_no_bytes_do_harm(block: bytes) -> None:
    """Whatever they are, they are unpacked or refused, and never to more than a block may hold."""
    with contextlib.suppress(Undecodable):
        assert len(s2.unpacked(block)) <= s2.LARGEST_BLOCK_BYTES
