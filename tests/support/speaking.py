"""Something that listens on a Unix socket and says what a test wants it to say, whatever it is asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

END_SECONDS = 60.0


@contextmanager
def speaking(path: Path, *words: bytes, pause_seconds: float = 0.0, holds: bool = False) -> Iterator[list[bytes]]:
    """Listen at `path`, say these words one by one to whoever comes first, and hang up unless the line is held.

    Yields what was asked. A line that is held is let go when the context ends.
    """
    asked: list[bytes] = []
    over = threading.Event()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        listening.settimeout(END_SECONDS)
        thread = threading.Thread(target=_speak, args=(listening, words, pause_seconds, holds, over, asked))
        thread.start()
        try:
            yield asked
        finally:
            over.set()
            thread.join(END_SECONDS)


def _speak(
    listening: socket.socket,
    words: Sequence[bytes],
    pause_seconds: float,
    holds: bool,
    over: threading.Event,
    asked: list[bytes],
) -> None:
    caller, _ = listening.accept()
    with caller, suppress(ConnectionError):
        caller.settimeout(END_SECONDS)
        asked.append(caller.recv(4096))
        for one in words:
            caller.sendall(one)
            if over.wait(pause_seconds):
                break
        if holds:
            over.wait(END_SECONDS)
