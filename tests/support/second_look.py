"""Say which tests are worth a second look, once the machine is quiet: some do not hold when all else is slow.

usage: python -m tests.support.second_look RESULTS PYTEST_CODE

Prints their node ids, one a line, or nothing. Only tests on real systems are looked at again, and only if nothing else
failed and they are few: what fails without them, or widely, has failed. RESULTS is the folder with the first run's
outcomes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from tests.support.results import Outcome, Results, read

FIRST, SECOND = "outcomes.json", "outcomes-again.json"
MOST = 6
TESTS_FAILED = 1
BUSY_PERCENT = 30.0
LONGEST_PAUSE_SECONDS = 30


def worth_it(results: Results, pytest_code: int) -> Sequence[str]:
    """Return the tests to run once more: all that failed, or none."""
    failed = {name: ended for name, ended in results.items() if ended.outcome is Outcome.FAILED}
    if pytest_code != TESTS_FAILED or len(failed) > MOST or not all(ended.integration for ended in failed.values()):
        return ()
    return tuple(failed)


def unsteady(first: Results, second: Results) -> Sequence[str]:
    """Return what failed at first and passed at its second run."""
    passed = {name for name, ended in second.items() if ended.outcome is Outcome.PASSED}
    return tuple(name for name, ended in first.items() if ended.outcome is Outcome.FAILED and name in passed)


def wait_for_quiet(busy_percent: Callable[[], float]) -> None:
    """Wait until the processors are idle for most of two looks of a second each, for half a minute at most."""
    quiet = 0
    for _ in range(LONGEST_PAUSE_SECONDS):
        quiet = quiet + 1 if busy_percent() < BUSY_PERCENT else 0
        if quiet == 2:
            return


def main(results: str, pytest_code: str) -> int:
    """Print what is to be run once more, when it can be."""
    again = worth_it(read(Path(results, FIRST)), int(pytest_code))
    if again:
        wait_for_quiet(lambda: psutil.cpu_percent(interval=1.0))
        print("\n".join(again))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
