"""How long to wait before the next try."""

from __future__ import annotations

from collections.abc import Callable

_MOST_DOUBLINGS = 60


def pause_seconds(failures: int, first_seconds: float, longest_seconds: float, chance: Callable[[], float]) -> float:
    """Return the pause after so many failures in a row (1 or more): exponential with full jitter.

    Between nothing and a ceiling that begins at `first_seconds` and doubles up to `longest_seconds`; `chance` gives a
    number from 0 to 1. Spread over the whole range, those who lost the same server do not come back all at once
    ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
    """
    doublings = min(max(failures - 1, 0), _MOST_DOUBLINGS)
    return chance() * min(longest_seconds, first_seconds * 2.0**doublings)
