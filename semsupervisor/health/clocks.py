"""What became of the host's clocks between two looks, set or stood still in sleep, and what follows from it. Pure.

Linux stops the monotonic clock while the host sleeps, and what is measured by it (`for`, staleness, pauses) stops with
it: nothing was seen meanwhile. The clock since the boot goes on, so that a sleep is no jump of the wall clock.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from semsupervisor.kit.text import duration_text

# Less is a correction, such as those of NTP.
TOLERATED_SECONDS = 2.0
# A host whose clock has no battery starts in 1970: any time before there was this program is none.
OLDEST_PLAUSIBLE = datetime(2026, 1, 1, tzinfo=UTC)
# And no program is used for so long after it was written.
LATEST_PLAUSIBLE = datetime(2050, 1, 1, tzinfo=UTC)
# A clock that was set by so much may have been set wrong: for a while nothing is concluded from the date alone.
DOUBTED_STEP_SECONDS = 60.0
DOUBTED_SECONDS = 900.0


class Reading(msgspec.Struct, frozen=True):
    """The host's clocks at one moment: the wall clock, seconds awake (monotonic), and seconds since the boot."""

    wall: datetime
    monotonic: float
    since_boot: float


class Change(msgspec.Struct, frozen=True):
    """What happened to the clocks between two readings.

    `set_seconds` is by how much the wall clock was set, negative when back; `slept_seconds`, how long the host slept.
    Both are 0 when they are not worth a word. `first_set` says that the time was none before.
    """

    set_seconds: float = 0.0
    slept_seconds: float = 0.0
    first_set: bool = False

    @property
    def direction(self) -> str:
        """Return in which direction the clock was set."""
        return "back" if self.set_seconds < 0 else "forward"

    @property
    def words(self) -> str:
        """Return by how much the clock was set, for people."""
        return f"{self.direction} by {duration_text(abs(self.set_seconds))}"


def change(before: Reading, now: Reading) -> Change:
    """Return what happened between two readings."""
    passed = now.since_boot - before.since_boot
    slept = passed - (now.monotonic - before.monotonic)
    moved = (now.wall - before.wall).total_seconds() - passed
    was_set = abs(moved) > TOLERATED_SECONDS
    return Change(
        set_seconds=moved if was_set else 0.0,
        slept_seconds=slept if slept > TOLERATED_SECONDS else 0.0,
        first_set=was_set and before.wall < OLDEST_PLAUSIBLE <= now.wall,
    )


def implausible(wall: datetime) -> str:
    """Return why a time of the wall clock cannot be right, empty when it can."""
    if OLDEST_PLAUSIBLE <= wall < LATEST_PLAUSIBLE:
        return ""
    return f"this host's clock says {wall:%Y-%m-%d}, which cannot be right"


class Doubts:
    """Whether the date can be believed: not while it is none, nor just after it was set by more than a minute.

    A clock that is set from a time that is none to one that may be right is believed at once.
    """

    def __init__(self) -> None:
        self._last: Reading | None = None
        self._until = 0.0
        self._why = ""

    def why(self, now: Reading) -> str:
        """Take a reading in, and return why its date is not to be believed; empty when it is."""
        before, self._last = self._last, now
        if before is not None:
            found = change(before, now)
            if implausible(before.wall):
                self._until = now.monotonic
            elif abs(found.set_seconds) > DOUBTED_STEP_SECONDS:
                self._until = now.monotonic + DOUBTED_SECONDS
                self._why = f"this host's clock was just set {found.words}"
        return implausible(now.wall) or (self._why if now.monotonic < self._until else "")
