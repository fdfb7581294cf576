"""A file that knows what a disk would know: which bytes were written to it, and which of them were synced.

It is a FUSE mount whose root is that one file; a loop device on it takes it for its backing file. Each write of the
device arrives here before it is acknowledged, and each flush as an fsync, so that there is an exact instant at which
the power can go: between any two of them, also in the middle of a commit. Then nobody gets an answer any more.

The protocol is that of /dev/fuse, version 7.31 (linux/fuse.h), as much of it as one file needs.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

DEVICE = Path("/dev/fuse")
SECTOR_BYTES = 512
LARGEST_WRITE_BYTES = 128 * 1024
BUFFER_BYTES = LARGEST_WRITE_BYTES + 4096
PROTOCOL = (7, 31)
BIG_WRITES = 1 << 5
NO_DELAYED_UNMOUNT = 0
UNMOUNTED_WITHIN_SECONDS = 10.0
PAUSE_SECONDS = 0.01

IN_HEADER = struct.Struct("<IIQQIIII")
OUT_HEADER = struct.Struct("<IiQ")
INIT_OUT = struct.Struct("<IIIIHHIIHHI7I")
ATTRIBUTES_OUT = struct.Struct("<QII6Q10I")
OPEN_OUT = struct.Struct("<QII")
TRANSFER_IN = struct.Struct("<QQIIQII")
WRITE_OUT = struct.Struct("<II")
STATFS_OUT = struct.Struct("<5Q4I24x")


class Call(IntEnum):
    """The calls that one file needs."""

    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    FLUSH = 25
    INIT = 26
    INTERRUPT = 36
    DESTROY = 38
    BATCH_FORGET = 42


NOTHING_TO_DO = {Call.FLUSH, Call.RELEASE}
SILENT = {Call.FORGET, Call.INTERRUPT, Call.DESTROY, Call.BATCH_FORGET}


class NoBlocks(Exception):
    """No such file can be mounted here; the text says why."""


@dataclass(frozen=True)
class Capture:
    """What a disk held at one instant: what was surely there, and what was written since its last flush, in order."""

    synced: bytes
    written: tuple[tuple[int, bytes], ...]

    @property
    def sectors_in_cache(self) -> int:
        """Return how many sectors were written, and could get lost."""
        return sum(1 for _ in self.sectors())

    def sectors(self) -> Iterator[tuple[int, bytes]]:
        """Yield what was written, cut into sectors, each with its place."""
        for offset, content in self.written:
            for begin in range(0, len(content), SECTOR_BYTES):
                yield offset + begin, content[begin : begin + SECTOR_BYTES]


class Blocks:
    """The file, in memory, and the thread that serves it at `point`, an empty file of its own."""

    def __init__(self, content: bytes, point: Path) -> None:
        self.point = point
        self.still = threading.Event()
        self._synced = bytearray(content)
        self._content = bytearray(content)
        self._written: list[tuple[int, bytes]] = []
        self._left: int | None = None
        self._dead = False
        self._order = threading.Condition()
        self._c_library = ctypes.CDLL(None, use_errno=True)
        self._server = -1
        self._thread = threading.Thread(target=self._serve, name="blocks", daemon=True)

    def mount(self) -> None:
        """Make the file appear. Raises: NoBlocks."""
        try:
            self._server = os.open(DEVICE, os.O_RDWR)
        except OSError as error:
            raise NoBlocks(f"{DEVICE}: {error.strerror}") from error
        options = f"fd={self._server},rootmode={stat.S_IFREG:o},user_id=0,group_id=0".encode()
        if self._c_library.mount(b"blocks", str(self.point).encode(), b"fuse", 0, options):
            reason = os.strerror(ctypes.get_errno())
            os.close(self._server)
            raise NoBlocks(f"mounting FUSE: {reason}")
        self._thread.start()

    def unmount(self) -> None:
        """Take the file away; a loop device on it may hold it a moment longer than its mount."""
        deadline = time.monotonic() + UNMOUNTED_WITHIN_SECONDS
        while self._c_library.umount2(str(self.point).encode(), NO_DELAYED_UNMOUNT):
            if time.monotonic() > deadline:
                raise AssertionError(f"cannot unmount {self.point}: {os.strerror(ctypes.get_errno())}")
            time.sleep(PAUSE_SECONDS)
        self._thread.join()
        os.close(self._server)

    def stand_still_after(self, operations: int) -> None:
        """Let the power go at that write or flush from now on, counted from 1: it and all after it get no answer.

        `still` is set when it has come so far.
        """
        with self._order:
            self._left = operations

    def capture(self) -> Capture:
        """Return what the disk holds at this instant; nothing is answered while that is looked at."""
        with self._order:
            return Capture(bytes(self._synced), tuple(self._written))

    def die(self) -> None:
        """Answer everything from now on with an error, so that all who wait for the disk come back."""
        with self._order:
            self._dead = True
            self._left = None
            self._order.notify_all()

    def _serve(self) -> None:
        while True:
            try:
                request = os.read(self._server, BUFFER_BYTES)
            except OSError as error:
                if error.errno in {errno.EINTR, errno.ENOENT, errno.EAGAIN}:
                    continue
                return  # unmounted
            _, call, unique, *_ = IN_HEADER.unpack_from(request)
            if call in SILENT:
                continue
            failure, answer = self._answer(call, request[IN_HEADER.size :])
            try:
                os.write(self._server, OUT_HEADER.pack(OUT_HEADER.size + len(answer), -failure, unique) + answer)
            except FileNotFoundError:
                continue  # who asked has been killed meanwhile
            except OSError:
                return

    def _answer(self, call: int, asked: bytes) -> tuple[int, bytes]:
        """Return an error number, 0 for none, and the answer."""
        with self._order:
            match call:
                case Call.INIT:
                    return 0, INIT_OUT.pack(*PROTOCOL, 0, BIG_WRITES, 16, 12, LARGEST_WRITE_BYTES, 1, 0, 0, *[0] * 8)
                case Call.GETATTR | Call.SETATTR:
                    return 0, self._attributes()
                case Call.OPEN:
                    return 0, OPEN_OUT.pack(0, 0, 0)
                case Call.STATFS:
                    blocks = len(self._content) // 4096
                    return 0, STATFS_OUT.pack(blocks, 0, 0, 1, 0, 4096, 255, 4096, 0)
                case Call.READ:
                    return self._read(asked)
                case Call.WRITE:
                    return self._write(asked)
                case Call.FSYNC:
                    return self._sync()
                case _:
                    return (0 if call in NOTHING_TO_DO else errno.ENOSYS), b""

    def _read(self, asked: bytes) -> tuple[int, bytes]:
        _, offset, size, *_ = TRANSFER_IN.unpack_from(asked)
        return (errno.EIO, b"") if self._dead else (0, bytes(self._content[offset : offset + size]))

    def _write(self, asked: bytes) -> tuple[int, bytes]:
        _, offset, size, *_ = TRANSFER_IN.unpack_from(asked)
        content = asked[TRANSFER_IN.size : TRANSFER_IN.size + size]
        if self._dead:
            return errno.EIO, b""
        self._content[offset : offset + size] = content
        self._written.append((offset, content))
        return (errno.EIO, b"") if self._stands_still() else (0, WRITE_OUT.pack(size, 0))

    def _sync(self) -> tuple[int, bytes]:
        if self._dead or self._stands_still():
            return errno.EIO, b""
        for offset, content in self._written:
            self._synced[offset : offset + len(content)] = content
        self._written.clear()
        return 0, b""

    def _stands_still(self) -> bool:
        """Count one more write or flush; if it is the one, wait until the disk is dead, and tell so."""
        if self._left is None:
            return False
        self._left -= 1
        if self._left > 0:
            return False
        self.still.set()
        self._order.wait_for(lambda: self._dead)
        return True

    def _attributes(self) -> bytes:
        size = len(self._content)
        return ATTRIBUTES_OUT.pack(
            3600, 0, 0,
            1, size, size // SECTOR_BYTES, 0, 0, 0,
            0, 0, 0, stat.S_IFREG | 0o600, 1, 0, 0, 0, 4096, 0,
        )  # fmt: skip
