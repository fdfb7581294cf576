"""The memory that the C library keeps back from the system, of which a small host has none to give away.

It makes a heap for each thread that asks for memory, of which most stays empty, and learns from each large block that
was freed to keep the next one. Where the library is another one than GNU's, nothing is done.
"""

from __future__ import annotations

import ctypes
import gc

# From malloc.h of the GNU C library.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGE_BYTES = 128 * 1024


def be_thrifty() -> None:
    """Keep one heap for all threads, and no large block that was freed; to be called before there are threads."""
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for parameter, value in ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, _LARGE_BYTES), (_TRIM_THRESHOLD, _LARGE_BYTES)):
            library.mallopt(parameter, value)


def give_back() -> None:
    """Give back what a start has used and does not need any more, and do not look through what it has left again."""
    gc.collect()
    gc.freeze()
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
