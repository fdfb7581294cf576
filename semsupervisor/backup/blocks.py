"""Walks the messages in a stream's archive: whether each block is whole, and how many there are. Pure.

The blocks `msgs/N.blk` are records: length with a mark for headers, sequence with marks for what was erased or removed,
time, length of the subject, subject, headers, message, checksum. The checksums themselves are not computed. Source:
nats-server's server/filestore.go.
"""

from __future__ import annotations

import struct

import msgspec

from semsupervisor.backup.framing import Malformed
from semsupervisor.backup.manifest import StreamEntry, count

_TAR_BYTES = 512
_SIZE_AT, _SIZE_END = 124, 136
_TYPE_AT, _FILES = 156, b"0\0"
_HEADER = struct.Struct("<IQqH")
_CHECKSUM_BYTES = 8
_HEADERS_MARK = 1 << 31
_ERASED, _REMOVAL = 1 << 63, 1 << 62
_LARGEST_RECORD_BYTES = 32 * 2**20
_EMPTIED_BY_USE = ("workqueue", "interest")


class Counts(msgspec.Struct, frozen=True):
    """What is in an archive: its messages from `first` to `last`, and how many of them the state spoke of."""

    messages: int
    first: int
    last: int
    of_state: int


class MessageWalk:
    """Takes a stream's tar piece by piece and counts messages; `low` and `high` are the sequences of its state."""

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high
        self._buffer = bytearray()
        self._name = ""
        self._left = 0
        self._padding = 0
        self._messages = self._first = self._last = self._of_state = 0

    def feed(self, piece: bytes) -> None:
        """Take the next piece. Raises: Malformed."""
        self._buffer += piece
        while self._step():
            pass

    def end(self) -> Counts:
        """Say that nothing follows, and return what there was. Raises: Malformed."""
        if self._left or self._padding or self._buffer.strip(b"\0"):
            raise Malformed("the tar breaks off")
        return Counts(self._messages, self._first, self._last, self._of_state)

    def _step(self) -> bool:
        """Take one thing from the buffer if it is there as a whole; return whether it was."""
        if self._left:
            return self._record() if self._name.startswith("msgs/") and self._name.endswith(".blk") else self._skip()
        if self._padding:
            return self._drop(self._padding)
        if len(self._buffer) < _TAR_BYTES:
            return False
        header = bytes(self._buffer[:_TAR_BYTES])
        del self._buffer[:_TAR_BYTES]
        if any(header):
            is_file = header[_TYPE_AT] in _FILES
            self._name = header.partition(b"\0")[0].decode(errors="replace") if is_file else ""
            self._left = int(header[_SIZE_AT:_SIZE_END].strip(b" \0") or b"0", 8)
            self._padding = -self._left % _TAR_BYTES
        return True

    def _skip(self) -> bool:
        passed = min(self._left, len(self._buffer))
        del self._buffer[:passed]
        self._left -= passed
        return passed > 0

    def _drop(self, wanted: int) -> bool:
        passed = min(wanted, len(self._buffer))
        del self._buffer[:passed]
        self._padding -= passed
        return passed > 0

    def _record(self) -> bool:
        """Take all records that are there as a whole."""
        at, buffer, end = 0, self._buffer, min(self._left, len(self._buffer))
        while end - at >= _HEADER.size:
            marked, sequence, _, subject_bytes = _HEADER.unpack_from(buffer, at)
            length = marked & ~_HEADERS_MARK
            least = _HEADER.size + subject_bytes + _CHECKSUM_BYTES + (4 if marked & _HEADERS_MARK else 0)
            if not least <= length <= _LARGEST_RECORD_BYTES or at + length > self._left:
                raise Malformed(f"{self._name} is broken behind the message {self._last}")
            if at + length > end:
                break
            self._take(sequence)
            at += length
        if end == self._left and self._left - at and self._left - at < _HEADER.size:
            raise Malformed(f"{self._name} is broken behind the message {self._last}")
        del buffer[:at]
        self._left -= at
        return at > 0

    def _take(self, marked: int) -> None:
        sequence = marked & ~_ERASED
        if not sequence or sequence & _REMOVAL or sequence <= self._last:
            return
        self._first = self._first or sequence
        self._last = sequence
        self._messages += 1
        self._of_state += self._low <= sequence <= self._high


def lacking(stream: StreamEntry, found: Counts) -> str:
    """Return in words what an archive lacks of what the manifest says of its stream, empty if nothing.

    Of a stream that is emptied by use, or that keeps so many messages a subject, the number tells nothing.
    """
    config, state = stream.config, stream.state
    per_subject = count(config.get("max_msgs_per_subject")) or config.get("allow_rollup_hdrs")
    if config.get("retention") in _EMPTIED_BY_USE or per_subject:
        return ""
    expected = count(state.get("messages"))
    if any(count(config.get(limit)) for limit in ("max_age", "max_msgs", "max_bytes")):
        # What was evicted while it was copied is missing at its beginning.
        expected -= max(0, (found.first or count(state.get("last_seq")) + 1) - count(state.get("first_seq")))
    if found.of_state >= expected:
        return ""
    return f"{found.of_state} of {expected} messages are in it: blocks are missing or cut, or somebody purged meanwhile"
