"""An end for waiting that takes several steps.

Reads the monotonic clock itself: commands are to start quickly, and the modules behind `kit.clock` take long to load.
"""

from __future__ import annotations

import time


class Deadline:
    """A moment on the monotonic clock, so many seconds after it was made, at which all waiting is over."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds  # noqa: TID251 - see above

    def left(self) -> float:
        """Return the seconds that are left. Raises: TimeoutError when none are."""
        left = self._ends - time.monotonic()  # noqa: TID251 - see above
        if left <= 0:
            raise TimeoutError("the time is over")
        return left
