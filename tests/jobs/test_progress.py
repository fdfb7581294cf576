"""The rate is what was done since the step began, and the rest takes as long at that rate."""

from __future__ import annotations

import pytest

from semsupervisor.jobs.progress import Progress


@pytest.mark.parametrize(
    ("done", "total", "gone", "rate", "remaining"),
    [
        (50.0, 200.0, 10.0, 5.0, 30.0),
        (200.0, 200.0, 10.0, 20.0, 0.0),
        (250.0, 200.0, 10.0, 25.0, 0.0),
        (50.0, None, 10.0, 5.0, None),
        (0.0, 200.0, 10.0, None, None),
        (50.0, 200.0, 0.0, None, None),
    ],
)
def test_rate_and_rest(
    done: float, total: float | None, gone: float, rate: float | None, remaining: float | None
) -> None:
    """Where nothing was done, or no time has passed, nothing is said; more than all leaves no time."""
    progress = Progress("copy", "bytes", done, total, 100.0, 100.0 + gone)
    assert progress.rate_per_second == rate
    assert progress.remaining_seconds == remaining
