"""A file system that hangs whoever asks it anything: a FUSE mount whose server never says a word. Needs root."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DEVICE = Path("/dev/fuse")
DETACH = 2


@contextmanager
def hung_filesystem(point: Path) -> Iterator[None]:
    """Mount it on a folder; afterwards all who hang in it come back with an error. Skips where that is not allowed."""
    if os.geteuid() != 0 or not DEVICE.exists():
        pytest.skip("a FUSE mount needs root and /dev/fuse")
    c_library = ctypes.CDLL(None, use_errno=True)
    server = os.open(DEVICE, os.O_RDWR)
    options = f"fd={server},rootmode=40000,user_id=0,group_id=0".encode()
    try:
        if c_library.mount(b"hung", str(point).encode(), b"fuse", 0, options):
            pytest.skip(f"mounting FUSE is not allowed: {os.strerror(ctypes.get_errno())}")
    except BaseException:
        os.close(server)
        raise
    try:
        yield
    finally:
        os.close(server)
        c_library.umount2(str(point).encode(), DETACH)
