"""A stream of frames is followed to its end in pieces of any size, and anything else is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.backup.framing import MAGIC, TAIL_BYTES, FrameWalk, Malformed
from tests.support.archives import frame, stored

BLOCK = frame(0x00, b"sum!" + b"x" * 500)
STORED = frame(0x01, b"sum!" + b"y" * 20)
PADDING = frame(0xFE, b"\0" * 7)
WHOLE = MAGIC + BLOCK + PADDING + STORED + MAGIC + BLOCK


def walked(stream: bytes, size: int = 64) -> int:
    """Feed a stream in pieces of that size and return how many blocks it has."""
    walk = FrameWalk()
    for start in range(0, len(stream), size):
        walk.feed(stream[start : start + size])
    walk.end()
    return walk.blocks


@given(st.integers(1, len(WHOLE)))
def test_a_stream_is_followed_in_pieces_of_any_size(size: int) -> None:
    """Blocks are counted, padding and a second beginning are not."""
    assert walked(WHOLE, size) == 3


@given(st.integers(0, len(WHOLE) - 1))
def test_a_stream_that_is_cut_is_seen_unless_between_two_frames(length: int) -> None:
    """Where a frame ends nothing tells that another was to come: that is known from the length alone."""
    ends = {len(MAGIC), len(MAGIC + BLOCK), len(MAGIC + BLOCK + PADDING), len(MAGIC + BLOCK + PADDING + STORED)}
    ends.add(len(WHOLE) - len(BLOCK))
    if length in ends - {len(MAGIC)}:
        assert walked(WHOLE[:length]) < 4
        return
    with pytest.raises(Malformed, match=r"ends within a frame|holds no data"):
        walked(WHOLE[:length])


@pytest.mark.parametrize(
    ("stream", "what"),
    [
        (b"\x1f\x8b" + b"\0" * 20, "does not begin as an S2 stream: 1f8b"),
        (MAGIC + frame(0x02, b"z" * 9), "unknown kind 0x02 at 10"),
        (MAGIC + frame(0x00, b"abc"), "a block of 3 bytes at 10"),
        (MAGIC + frame(0x01, b"sum!"), "a block of 4 bytes at 10"),
        (MAGIC + b"\x01\xff\xff\xff", "a block of 16777215 bytes at 10"),
        (MAGIC + frame(0x00, b"sum!\xff"), "a block without a length, before 19"),
        (MAGIC + frame(0xFF, b"abc"), "a second beginning of 3 bytes at 10"),
        (MAGIC, "holds no data"),
        (b"", "ends within a frame, after 0 bytes"),
    ],
)
def test_what_is_no_such_stream_is_refused(stream: bytes, what: str) -> None:
    """It says what stands where."""
    with pytest.raises(Malformed, match=what):
        walked(stream)


@pytest.mark.parametrize("length", [1, TAIL_BYTES - 1, TAIL_BYTES, TAIL_BYTES + 1, 5 * TAIL_BYTES + 7])
@pytest.mark.parametrize("block_bytes", [1000, TAIL_BYTES, 2**20])
def test_the_end_is_at_hand(length: int, block_bytes: int) -> None:
    """Whatever the blocks are, as much of it as is promised, and all of a stream that is shorter."""
    content = bytes(at % 251 for at in range(length))
    walk = FrameWalk()
    walk.feed(stored(content, block_bytes))
    walk.end()
    assert (walk.tail(), walk.unpacked_bytes) == (content[-TAIL_BYTES:], length)


def test_the_end_is_unpacked() -> None:
    """From a block that is packed, with what is before it; one that cannot be unpacked is refused."""
    packed = frame(0x00, b"sum!" + b"\x05\x00z\x01\x01")
    walk = FrameWalk()
    walk.feed(MAGIC + frame(0x01, b"sum!a") + packed)
    assert (walk.tail(), walk.unpacked_bytes) == (b"azzzzz", 6)
    walk.feed(BLOCK)
    with pytest.raises(Malformed, match="one of its last blocks cannot be unpacked"):
        walk.tail()
