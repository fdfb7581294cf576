"""Process 1 of the container: answers signals before anything slow is imported, then runs the stand-in."""

from __future__ import annotations

import os
import signal
from types import FrameType


def leave_at_once(signum: int, frame: FrameType | None) -> None:
    """End with code 0 while the program is still being loaded: process 1 has no default signal action."""
    os._exit(0)


signal.signal(signal.SIGTERM, leave_at_once)
signal.signal(signal.SIGINT, leave_at_once)

from semstreams_standin.app import main  # noqa: E402 - the handlers above come first of all

if __name__ == "__main__":
    main()
