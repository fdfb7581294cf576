"""How far the present step of a job is, how fast it goes, and how long it may still take. Pure."""

from __future__ import annotations

import msgspec


class Progress(msgspec.Struct, frozen=True):
    """How far a step is. `total` is None while it is not known; `began` and `at` are monotonic seconds."""

    step: str
    unit: str
    done: float
    total: float | None
    began: float
    at: float

    @property
    def rate_per_second(self) -> float | None:
        """Return how many units a second were done so far, None before that can be said."""
        gone = self.at - self.began
        return self.done / gone if gone > 0 and self.done > 0 else None

    @property
    def remaining_seconds(self) -> float | None:
        """Return how long the rest takes at this rate, None where that cannot be said."""
        rate = self.rate_per_second
        if rate is None or self.total is None:
            return None
        return max(0.0, self.total - self.done) / rate
