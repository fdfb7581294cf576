"""How old what is known is, and which of our own loops fail. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class FailingLoop(msgspec.Struct, frozen=True):
    """One of our own loops that failed in its last turns."""

    name: str
    failures_in_row: int
    last_error: str


def stale_intervals(*, added: float, last_conclusive: float | None, interval_seconds: float, now: float) -> float:
    """Return how many of its intervals ago a probe last said something certain; 0 while it is younger than one.

    All times are monotonic seconds. A probe that never did counts from when it was added. That a target is down is
    certain; unknown is not.
    """
    since = added if last_conclusive is None else last_conclusive
    age = max(0.0, now - since) / interval_seconds
    return round(age, 1) if age >= 1.0 else 0.0


def loops_text(failing: Iterable[FailingLoop]) -> str:
    """Return the failing loops for people, by name: `deliver.ops (3 times in a row: OSError: …)`."""
    ordered = sorted(failing, key=lambda loop: loop.name)
    return "; ".join(f"{loop.name} ({loop.failures_in_row} times in a row: {loop.last_error})" for loop in ordered)
