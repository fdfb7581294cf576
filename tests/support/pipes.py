"""A file that hangs whoever opens it to read, until the end: a pipe into which nobody writes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def pipe(file: Path) -> Iterator[Path]:
    """Make it; in the end all who hang in it find it empty, and it is gone."""
    os.mkfifo(file)
    try:
        yield file
    finally:
        opened = os.open(file, os.O_RDWR | os.O_NONBLOCK)
        file.unlink()
        os.close(opened)
