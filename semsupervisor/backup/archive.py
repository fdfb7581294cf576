"""Walks a stream's snapshot as a server sends it, and tells whether the server got to its end. Pure.

It is an S2 stream of a tar. A server that cannot read something ends the tar early with a member `errors.txt`, closes
both as usual, and older ones say nothing else of it; one that dies leaves out the tar's own end. Source: streamSnapshot
in nats-server's server/filestore.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from semsupervisor.backup.framing import FrameWalk, Malformed
from semsupervisor.kit.text import shortened

_RECORD_BYTES = 512
_END = bytes(2 * _RECORD_BYTES)
_ERRORS = b"errors.txt"
_MAGIC_AT, _MAGIC = 257, b"ustar"
_SIZE_AT, _SIZE_BYTES = 124, 12
_LONGEST_WORDS = 300


class ArchiveWalk:
    """Takes a snapshot piece by piece; what it holds at a time is bounded by the size of a few blocks."""

    def __init__(self) -> None:
        self._frames = FrameWalk()

    @property
    def blocks(self) -> int:
        """Return how many blocks of data came so far."""
        return self._frames.blocks

    @property
    def unpacked_bytes(self) -> int:
        """Return how long the tar is so far."""
        return self._frames.unpacked_bytes

    def feed(self, piece: bytes | memoryview) -> None:
        """Take the next piece. Raises: Malformed."""
        self._frames.feed(piece)

    def end(self) -> None:
        """Say that nothing follows. It unpacks the last blocks: some ten milliseconds.

        Raises: Malformed when the archive or the tar in it is not whole, or the server tells in it what it could not
        read.
        """
        self._frames.end()
        tail = self._frames.tail()
        if self.unpacked_bytes % _RECORD_BYTES or not tail.endswith(_END):
            raise Malformed("the tar in it breaks off: the server did not get to its end")
        words = _errors(tail)
        if words is not None:
            raise Malformed(f"the server could not read all of it: {words}")


def too_small(config: Mapping[str, Any], unpacked_bytes: int, state_bytes: int) -> bool:
    """Tell whether a tar of that length cannot hold messages that take so many bytes in the store.

    A stream whose store is compressed may be any size in it.
    """
    return config.get("compression") in (None, "none") and unpacked_bytes < state_bytes


def _errors(tail: bytes) -> str | None:
    """Return what the server says in the last member that it could not read, None if that member is another one."""
    end = len(tail) - len(_END)
    for at in range(end - _RECORD_BYTES, -1, -_RECORD_BYTES):
        header = tail[at : at + _RECORD_BYTES]
        if header[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] != _MAGIC or header.partition(b"\0")[0] != _ERRORS:
            continue
        size = _size(header)
        if size is not None and at + _RECORD_BYTES + -(-size // _RECORD_BYTES) * _RECORD_BYTES == end:
            words = tail[at + _RECORD_BYTES : at + _RECORD_BYTES + size]
            return shortened(" ".join(words.decode(errors="replace").split()), _LONGEST_WORDS)
    return None


def _size(header: bytes) -> int | None:
    digits = header[_SIZE_AT : _SIZE_AT + _SIZE_BYTES].strip(b" \0")
    return int(digits, 8) if digits and not digits.strip(b"01234567") else None
