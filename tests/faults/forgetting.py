"""What nobody can be asked to know: the engine tells again only its last 256 events, those of all its projects counted.

On a machine where much else goes on, that is a matter of seconds. What happened while no daemon followed, and was
forgotten before the next one asked, is found by inspection only: that something died, but neither when nor how often;
that a container is gone, but not by whom.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.runs import FIRST_LIST_SECONDS, Run

# Fewer than the engine keeps: who counts here begins later and ends earlier than who asks.
KEPT_EVENTS = 200


@dataclass(frozen=True)
class Forgetting:
    """When the engine told any event at all, in seconds since 1970 and in order, and when who listened."""

    stamps: Sequence[float]
    runs: Sequence[Run]
    now: float

    def forgot(self, moment: float) -> bool:
        """Tell whether so much had happened until a daemon could ask that this moment may have been forgotten."""
        until = next((run.ready + FIRST_LIST_SECONDS for run in self.runs if _could_ask(run, moment)), self.now)
        return bisect_right(self.stamps, until) - bisect_left(self.stamps, moment) >= KEPT_EVENTS


def read_stamps(path: Path) -> list[float]:
    """Return the stamps that `docker events --format {{.TimeNano}}` wrote, in order."""
    content = path.read_bytes()
    return sorted(int(line) / 1e9 for line in content[: content.rfind(b"\n") + 1].split())


def _could_ask(run: Run, moment: float) -> bool:
    return run.ready > moment and (run.gone is None or run.gone - run.ready >= FIRST_LIST_SECONDS)
