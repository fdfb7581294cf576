"""What the demonstration says on the terminal: one line a step, each with the seconds since the beginning."""

from __future__ import annotations

import os
import signal
import time

BEGUN = float(os.environ.get("QUICKSTART_BEGUN") or time.time())


class Trouble(Exception):
    """A step failed; `advice` says what to do about it."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.advice = advice


def say(text: str) -> None:
    """Print one line of progress."""
    _write(f"[{time.time() - BEGUN:6.1f} s] {text}\n")


def show(*lines: str) -> None:
    """Print lines that are no progress but its result."""
    for line in lines:
        _write(f"           {line}\n")


def _write(text: str) -> None:
    try:
        os.write(1, text.encode())
    except OSError:
        # Nobody reads any more: that ends the demonstration as Ctrl-C does, and does not disturb its taking down.
        signal.raise_signal(signal.SIGTERM)
