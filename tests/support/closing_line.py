"""Print the last lines of tests/run and end with its code.

usage: python -m tests.support.closing_line RESULTS PYTEST_CODE FAILED_STEPS SKIPPED_PARTS

RESULTS is the folder with the outcomes of both runs; what passed only at the second is said, a line each.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.results import Outcome, count, merged, read
from tests.support.second_look import FIRST, SECOND, unsteady


def main(results: str, pytest_code: str, failed_steps: str, skipped_parts: str) -> int:
    """Print what passed, failed and was skipped, linters included; return 0 only if nothing failed."""
    first, second = read(Path(results, FIRST)), read(Path(results, SECOND))
    for name in unsteady(first, second):
        print(f"tests/run: unsteady: {name} passed only at its second run")
    whole = merged(first, second)
    failed = count(whole, Outcome.FAILED)
    if int(pytest_code) and not failed:
        failed = 1  # pytest itself failed: a usage error, nothing collected, an interrupted run
    failed += int(failed_steps)
    skipped = count(whole, Outcome.SKIPPED) + int(skipped_parts)
    print(f"{count(whole, Outcome.PASSED)} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
