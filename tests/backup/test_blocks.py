"""The messages in an archive are counted, and what is broken or missing among them is seen."""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.backup.blocks import Counts, MessageWalk, lacking
from semsupervisor.backup.framing import Malformed
from semsupervisor.backup.manifest import StreamEntry
from tests.support.archives import tar

ERASED, REMOVAL, HEADERS = 1 << 63, 1 << 62, 1 << 31


def record(sequence: int, message: bytes = b"message", *, headers: bytes = b"") -> bytes:
    """Return one record as a server writes it."""
    subject = b"ev.a"
    told = len(headers).to_bytes(4, "little") + headers if headers else b""
    length = 22 + len(subject) + len(told) + len(message) + 8
    mark = HEADERS if headers else 0
    return struct.pack("<IQqH", length | mark, sequence, 7, len(subject)) + subject + told + message + b"checksum"


def block(*sequences: int) -> bytes:
    """Return a block of messages."""
    return b"".join(record(one) for one in sequences)


WHOLE = tar({"meta.inf": b"{}", "msgs/1.blk": block(1, 2, 3), "msgs/1.idx": b"index", "msgs/2.blk": block(4, 5)})


def walked(content: bytes, size: int = 10_000, low: int = 1, high: int = 99) -> Counts:
    """Walk a tar in pieces of a size."""
    walk = MessageWalk(low, high)
    for at in range(0, len(content), size):
        walk.feed(content[at : at + size])
    return walk.end()


@given(st.integers(1, 3000))
def test_messages_are_counted_in_pieces_of_any_size(size: int) -> None:
    """All of them, and those that the state spoke of."""
    assert walked(WHOLE, size, low=2, high=4) == Counts(5, 1, 5, 3)


def test_what_is_no_message_is_not_counted() -> None:
    """What was removed, or written a second time; one that was erased is there."""
    content = tar({"msgs/1.blk": block(1, 2 | ERASED, 0, 3, 3, 7 | REMOVAL) + record(9, b"x" * 3000, headers=b"a: b")})
    assert walked(content) == Counts(4, 1, 9, 4)
    assert walked(tar({"meta.inf": b"{}", "msgs/1.blk": b""})) == Counts(0, 0, 0, 0)


@pytest.mark.parametrize(
    "broken",
    [
        block(1, 2)[:-1],
        block(1, 2)[:-30],
        block(1) + b"short",
        block(1) + bytes(60),
        block(1) + struct.pack("<IQqH", 40, 2, 7, 400) + bytes(60),
        block(1) + struct.pack("<IQqH", 2**31 - 1, 2, 7, 4) + bytes(60),
    ],
)
def test_a_block_that_is_broken_is_told(broken: bytes) -> None:
    """With the last message before it."""
    with pytest.raises(Malformed, match=r"msgs/1\.blk is broken behind the message 1"):
        walked(tar({"msgs/1.blk": broken, "msgs/2.blk": block(4)}))


@pytest.mark.parametrize("length", [600, 1100, 2600])
def test_a_tar_that_breaks_off_is_told(length: int) -> None:
    """Wherever that is."""
    with pytest.raises(Malformed):
        walked(WHOLE[:length])


def stream(**config: Any) -> StreamEntry:
    """Return a stream of ten messages from the 11th on, two of them deleted."""
    state = {"messages": 8, "first_seq": 11, "last_seq": 20}
    return StreamEntry(account="$G", name="EV", file="f", config=config, state=state, blocks=1)


@pytest.mark.parametrize(
    ("config", "found", "expected"),
    [
        ({}, Counts(8, 11, 20, 8), ""),
        ({}, Counts(30, 1, 30, 10), ""),
        ({}, Counts(7, 12, 20, 7), "7 of 8 messages are in it"),
        ({}, Counts(0, 0, 0, 0), "0 of 8 messages are in it"),
        ({"max_bytes": 1000}, Counts(7, 12, 20, 7), ""),
        ({"max_age": 10**9}, Counts(5, 12, 20, 5), "5 of 7 messages are in it"),
        ({"max_msgs": 10}, Counts(0, 0, 0, 0), ""),
        ({"max_msgs": -1, "max_msgs_per_subject": -1}, Counts(7, 11, 20, 7), "7 of 8 messages are in it"),
        ({"max_msgs_per_subject": 1}, Counts(1, 20, 20, 1), ""),
        ({"allow_rollup_hdrs": True}, Counts(1, 20, 20, 1), ""),
        ({"retention": "workqueue"}, Counts(1, 20, 20, 1), ""),
        ({"retention": "interest"}, Counts(1, 20, 20, 1), ""),
    ],
)
def test_what_is_missing_is_told(config: dict[str, Any], found: Counts, expected: str) -> None:
    """As far as the stream's own rules do not explain it."""
    words = lacking(stream(**config), found)
    assert words.startswith(expected)
    assert bool(words) is bool(expected)


def test_counts_go_through_the_other_process() -> None:
    """They are told as text."""
    counts = Counts(1, 2, 3, 4)
    assert msgspec.json.decode(msgspec.json.encode(counts), type=Counts) == counts
