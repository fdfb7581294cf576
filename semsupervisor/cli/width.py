"""How wide a terminal is. Imports next to nothing, for commands that are to start quickly."""

from __future__ import annotations

import os
from typing import TextIO

USUAL_WIDTH = 80


def columns(stream: TextIO) -> int:
    """Return how wide the terminal behind a stream is, as its user or it itself says; the usual width if neither."""
    said = os.environ.get("COLUMNS", "")
    if said.isascii() and said.isdecimal() and 0 < len(said) < 5:
        return int(said)
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except OSError:
        return USUAL_WIDTH
