"""The memory that the C library keeps back; each in a process of its own, whose memory nothing else uses."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from tests.support.commands import REPOSITORY

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only that of GNU is known")

HEAPS = """
import ctypes, sys, threading
from semsupervisor.kit.memory import be_thrifty
library = ctypes.CDLL(None)
library.malloc.restype = library.fdopen.restype = ctypes.c_void_p
if sys.argv[1] == "thrifty":
    be_thrifty()
met = threading.Barrier(5)
def ask():
    library.malloc(100_000)
    met.wait(30)
threads = [threading.Thread(target=ask) for _ in range(4)]
for thread in threads:
    thread.start()
met.wait(30)
out = library.fdopen(1, b"w")
library.malloc_info(0, ctypes.c_void_p(out))
library.fflush(ctypes.c_void_p(out))
"""

GIVEN_BACK = """
import gc
from pathlib import Path
from semsupervisor.kit.memory import give_back
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
blocks = [bytes(2000) for _ in range(20_000)]
last = bytes(2000)
full = resident()
blocks.clear()
give_back()
print(full - resident(), gc.get_freeze_count())
"""


def outcome(program: str, *arguments: str) -> str:
    """Return what a program prints."""
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True).stdout


def test_all_threads_share_one_heap() -> None:
    """Otherwise each gets one of its own."""
    assert outcome(HEAPS, "thrifty").count("<heap nr=") == 1
    assert outcome(HEAPS, "as it is").count("<heap nr=") > 1


def test_what_is_not_needed_any_more_is_given_back() -> None:
    """The system has it again, and what is left is not looked through again and again."""
    given_back, frozen = map(int, outcome(GIVEN_BACK).split())
    assert given_back > 20_000_000
    assert frozen > 1000
