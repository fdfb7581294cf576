"""What earlier runs of the tests have left on the engine is told from what a run still uses."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from tests.support.clock import START
from tests.support.engine import Engine, dead_runs, is_anothers

pytestmark = pytest.mark.integration


@contextmanager
def left(engine: Engine, prefix: str) -> Iterator[None]:
    """Leave a volume on the engine as a run does."""
    engine.docker("volume", "create", f"{prefix}data")
    try:
        yield
    finally:
        engine.remove_by_prefix(prefix)


def test_only_runs_that_are_over_are_found(engine: Engine, run_prefix: str) -> None:
    """A run whose process is gone is over; one that goes on is not, and what is named otherwise is nobody's."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(60)
    gone, here = f"semt{ended.pid}xabcd-", f"semt{os.getpid()}xabcd-"
    with left(engine, gone), left(engine, here), left(engine, f"{run_prefix}semt1x0000-"):
        found = dead_runs(engine)
        assert gone in found
        assert here not in found
        assert run_prefix not in found
        engine.remove_by_prefix(gone)
        assert f"{gone}data" not in engine.names("volume")
        assert f"{here}data" in engine.names("volume")


@pytest.mark.parametrize(
    ("seconds", "anothers"), [((-500, -90), True), ((-30,), False), ((20, 700), False), ((), False)]
)
def test_a_number_that_is_used_again_is_another_process(seconds: tuple[int, ...], anothers: bool) -> None:
    """A process that began certainly later than a run's containers is not that run."""
    made = [START + timedelta(seconds=after) for after in seconds]
    assert is_anothers(START, made) is anothers
