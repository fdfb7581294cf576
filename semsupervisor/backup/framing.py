"""Walks the frames of an S2 stream without unpacking them: that it begins, goes on and ends as it must. Pure.

The format is that of snappy's framing with a longer block and another magic word: each chunk is one byte of type and
three of length, little-endian, and then so many bytes. Source: github.com/klauspost/compress/s2, README and
framing_format.txt of google/snappy.
"""

from __future__ import annotations

MAGIC = b"\xff\x06\x00\x00S2sTwO"
_HEADER_BYTES = 4
_COMPRESSED, _UNCOMPRESSED, _STREAM_BEGIN = 0x00, 0x01, 0xFF
_FIRST_SKIPPABLE = 0x80
_CHECKSUM_BYTES = 4


class Malformed(ValueError):
    """The bytes are no such stream; the text says where it stops being one."""


class FrameWalk:
    """Takes a stream piece by piece, of any size, and counts its blocks of data."""

    def __init__(self) -> None:
        self.blocks = 0
        self._position = 0
        self._skip = 0
        self._head = b""
        self._begun = False

    def feed(self, piece: bytes | memoryview) -> None:
        """Take the next piece. Raises: Malformed."""
        view = memoryview(piece)
        while view:
            if self._skip:
                taken = min(self._skip, len(view))
                self._skip -= taken
                self._position += taken
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
            if length < _CHECKSUM_BYTES:
                raise Malformed(f"a block of {length} bytes at {at}")
            self.blocks += 1
        elif kind == _STREAM_BEGIN:
            if length != len(MAGIC) - _HEADER_BYTES:
                raise Malformed(f"a second beginning of {length} bytes at {at}")
        elif kind < _FIRST_SKIPPABLE:
            raise Malformed(f"a frame of the unknown kind {kind:#04x} at {at}")
        self._skip = length
