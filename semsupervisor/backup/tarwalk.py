"""Walks a tar, plain or packed, without keeping it: whether it is whole, and how much is in it. Pure.

Source: POSIX.1-2001, pax interchange format; RFC 1952 (gzip).
"""

from __future__ import annotations

import zlib

from semsupervisor.backup.framing import Malformed

_RECORD = 512
_EMPTY = bytes(_RECORD)
_SIZE_AT, _SIZE_END = 124, 136
_SUM_AT, _SUM_END = 148, 156
_TYPE_AT = 156
_FILES = b"0\x007"
_EXTENDED = b"x"
_DESCRIBING = b"xgLK"
_LONGEST_EXTENSION = 1024 * 1024
_GZIP = 31
_MOST_UNPACKED = 1024 * 1024


class TarWalk:
    """Takes a tar piece by piece. `members` are the files, folders and links so far, `content_bytes` the files'."""

    def __init__(self) -> None:
        self.members = 0
        self.content_bytes = 0
        self._record = bytearray()
        self._skip = 0
        self._extension: bytearray | None = None
        self._extension_bytes = 0
        self._size: int | None = None
        self._empty_records = 0

    def feed(self, piece: bytes | memoryview) -> None:
        """Take the next piece. Raises: Malformed."""
        rest = memoryview(piece)
        while rest:
            if self._skip:
                passed = min(self._skip, len(rest))
                self._pass(rest[:passed])
            else:
                passed = min(_RECORD - len(self._record), len(rest))
                self._record += rest[:passed]
                if len(self._record) == _RECORD:
                    record, self._record = bytes(self._record), bytearray()
                    self._take(record)
            rest = rest[passed:]

    def end(self) -> None:
        """Say that nothing follows. Raises: Malformed when it is not whole."""
        if self._empty_records < 2 or self._record or self._skip:
            raise Malformed("the tar breaks off before its end")

    def _pass(self, content: memoryview) -> None:
        """Take a part of what belongs to the last header."""
        if self._extension is not None:
            self._extension += content
        self._skip -= len(content)
        if not self._skip and self._extension is not None:
            self._size = _size_in(bytes(self._extension[: self._extension_bytes]), self._size)
            self._extension = None

    def _take(self, record: bytes) -> None:
        if record == _EMPTY:
            self._empty_records += 1
            return
        if self._empty_records:
            raise Malformed("something follows the end of the tar")
        if _number(record[_SUM_AT:_SUM_END]) != sum(record) - sum(record[_SUM_AT:_SUM_END]) + 32 * 8:
            raise Malformed("a header of the tar is damaged")
        kind, size = record[_TYPE_AT : _TYPE_AT + 1], _number(record[_SIZE_AT:_SIZE_END])
        if kind not in _DESCRIBING:
            size, self._size = size if self._size is None else self._size, None
            self.members += 1
            self.content_bytes += size if kind in _FILES else 0
        elif kind == _EXTENDED:
            if size > _LONGEST_EXTENSION:
                raise Malformed("a header of the tar is longer than any is")
            self._extension, self._extension_bytes = bytearray(), size
        self._skip = -(-size // _RECORD) * _RECORD


class PackedWalk:
    """Takes a gzip of a tar piece by piece."""

    def __init__(self) -> None:
        self.tar = TarWalk()
        self._unpacking = zlib.decompressobj(_GZIP)

    def feed(self, piece: bytes) -> None:
        """Take the next piece. Raises: Malformed."""
        while piece:
            if self._unpacking.eof:
                raise Malformed("something follows the end of the gzip")
            try:
                self.tar.feed(self._unpacking.decompress(piece, _MOST_UNPACKED))
            except zlib.error as error:
                raise Malformed(f"the gzip is damaged: {error}") from error
            piece = self._unpacking.unconsumed_tail or self._unpacking.unused_data

    def end(self) -> None:
        """Say that nothing follows. Raises: Malformed when it is not whole."""
        if not self._unpacking.eof:
            raise Malformed("the gzip breaks off before its end")
        self.tar.end()


def _number(field: bytes) -> int:
    """Return a number of a header, in octal digits or, what does not fit, in binary. Raises: Malformed."""
    if field[0] & 0x80:
        return int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
    digits = field.strip(b" \0")
    try:
        return int(digits or b"0", 8)
    except ValueError as error:
        raise Malformed("a header of the tar is damaged") from error


def _size_in(extension: bytes, known: int | None) -> int | None:
    """Return the size that an extended header gives to what follows it, what was known if it gives none."""
    rest = extension
    while rest:
        length, _, _ = rest.partition(b" ")
        if not length.isdigit() or not 0 < int(length) <= len(rest):
            raise Malformed("an extended header of the tar is damaged")
        name, _, value = rest[len(length) + 1 : int(length)].rstrip(b"\n").partition(b"=")
        if name == b"size":
            known = int(value) if value.isdigit() else known
        rest = rest[int(length) :]
    return known
