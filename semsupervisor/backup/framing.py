"""Walks the frames of an S2 stream without unpacking them: that it begins, goes on and ends as it must. Pure.

The format is that of snappy's framing with a longer block and another magic word: each chunk is one byte of type and
three of length, little-endian, and then so many bytes. Source: github.com/klauspost/compress/s2, README and
framing_format.txt of google/snappy.
"""

from __future__ import annotations

from collections import deque

from semsupervisor.backup import s2
from semsupervisor.backup.s2 import Undecodable

MAGIC = b"\xff\x06\x00\x00S2sTwO"
# How much of the end is at hand unpacked: as long as the stream itself if that is shorter.
TAIL_BYTES = 64 * 1024

_HEADER_BYTES = 4
_COMPRESSED, _UNCOMPRESSED, _STREAM_BEGIN = 0x00, 0x01, 0xFF
_FIRST_SKIPPABLE = 0x80
_CHECKSUM_BYTES = 4
# A block that cannot be compressed grows by less than that.
_LARGEST_FRAME_BYTES = s2.LARGEST_BLOCK_BYTES + 2**20


class Malformed(ValueError):
    """The bytes are no such stream; the text says where it stops being one."""


class _Block:
    """A block of data as it came, and how long it is unpacked."""

    def __init__(self, kind: int) -> None:
        self.kind = kind
        self.pieces: list[bytes] = []
        self.unpacked_bytes = 0

    def close(self, at: int) -> None:
        """Tell how long it is unpacked, since all of it is there. Raises: Malformed."""
        body = self._body()
        try:
            self.unpacked_bytes = s2.length(body)[0] if self.kind == _COMPRESSED else len(body)
        except Undecodable as error:
            raise Malformed(f"{error}, before {at}") from error

    def unpacked(self) -> bytes:
        """Return what it holds. Raises: Malformed."""
        body = self._body()
        try:
            return s2.unpacked(body) if self.kind == _COMPRESSED else body
        except Undecodable as error:
            raise Malformed(f"one of its last blocks cannot be unpacked: {error}") from error

    def _body(self) -> bytes:
        return b"".join(self.pieces)[_CHECKSUM_BYTES:]


class FrameWalk:
    """Takes a stream piece by piece, of any size, and counts its blocks of data and their bytes unpacked.

    It keeps the last blocks, of at most 4 MiB each, until others with the length of the tail have come after them.
    """

    def __init__(self) -> None:
        self.blocks = 0
        self.unpacked_bytes = 0
        self._position = 0
        self._skip = 0
        self._head = b""
        self._begun = False
        self._block: _Block | None = None
        self._last: deque[_Block] = deque()

    def feed(self, piece: bytes | memoryview) -> None:
        """Take the next piece. Raises: Malformed."""
        view = memoryview(piece)
        while view:
            if self._skip:
                taken = min(self._skip, len(view))
                self._skip -= taken
                self._position += taken
                if self._block is not None:
                    self._fill(self._block, view[:taken])
            else:
                wanted = (len(MAGIC) if not self._begun else _HEADER_BYTES) - len(self._head)
                taken = min(wanted, len(view))
                self._head += bytes(view[:taken])
                self._position += taken
                if taken == wanted:
                    self._chunk()
            view = view[taken:]

    def end(self) -> None:
        """Say that nothing follows. Raises: Malformed when something should, or when there is no data at all."""
        if not self._begun or self._head or self._skip:
            raise Malformed(f"it ends within a frame, after {self._position} bytes")
        if not self.blocks:
            raise Malformed("it holds no data")

    def tail(self) -> bytes:
        """Return the end of what the stream holds unpacked, `TAIL_BYTES` or all of it. Raises: Malformed."""
        return b"".join(block.unpacked() for block in self._last)[-TAIL_BYTES:]

    def _fill(self, block: _Block, piece: memoryview) -> None:
        block.pieces.append(bytes(piece))
        if self._skip:
            return
        block.close(self._position)
        self._block = None
        self.blocks += 1
        self.unpacked_bytes += block.unpacked_bytes
        self._last.append(block)
        while sum(one.unpacked_bytes for one in self._last) - self._last[0].unpacked_bytes >= TAIL_BYTES:
            self._last.popleft()

    def _chunk(self) -> None:
        head, self._head = self._head, b""
        if not self._begun:
            if head != MAGIC:
                raise Malformed(f"it does not begin as an S2 stream: {head.hex()}")
            self._begun = True
            return
        at = self._position - _HEADER_BYTES
        kind, length = head[0], int.from_bytes(head[1:4], "little")
        if kind in (_COMPRESSED, _UNCOMPRESSED):
            if not _CHECKSUM_BYTES < length <= _LARGEST_FRAME_BYTES:
                raise Malformed(f"a block of {length} bytes at {at}")
            self._block = _Block(kind)
        elif kind == _STREAM_BEGIN:
            if length != len(MAGIC) - _HEADER_BYTES:
                raise Malformed(f"a second beginning of {length} bytes at {at}")
        elif kind < _FIRST_SKIPPABLE:
            raise Malformed(f"a frame of the unknown kind {kind:#04x} at {at}")
        self._skip = length
