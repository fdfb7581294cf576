"""The lives of the daemon, and the times between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# The engine's stamps, the product's and the witnesses' are of one clock; a stamp of an inspection lies a little before
# that of the event, and a scheduled look sees what it sees a moment late.
SLACK_SECONDS = 0.5
# From the word "ready" to the end of the first list.
FIRST_LIST_SECONDS = 3.0


@dataclass
class Run:
    """One run of the daemon: when it was ready (0: never), and when it was gone (None: it runs)."""

    ready: float = 0.0
    gone: float | None = None


@dataclass
class Gap:
    """A time in which no daemon was surely following."""

    begin: float
    end: float


def gaps(runs: Sequence[Run], begin: float, now: float) -> list[Gap]:
    """Return the times between the runs, a moment wider on either side."""
    found = []
    since = begin
    for run in runs:
        if run.ready:
            found.append(Gap(since, run.ready + FIRST_LIST_SECONDS))
            since = (now if run.gone is None else run.gone) - SLACK_SECONDS
    if not runs or runs[-1].gone is not None:
        found.append(Gap(since, now))
    return found
