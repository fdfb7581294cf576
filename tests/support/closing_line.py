"""Print the last line of tests/run and end with its code.

usage: python -m tests.support.closing_line JUNIT PYTEST_CODE FAILED_STEPS SKIPPED_PARTS
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.results import read


def main(junit: str, pytest_code: str, failed_steps: str, skipped_parts: str) -> int:
    """Print what passed, failed and was skipped, linters included; return 0 only if nothing failed."""
    results = read(Path(junit))
    failed = results.failed + int(failed_steps)
    if int(pytest_code) and not results.failed:
        failed += 1  # pytest itself failed: a usage error, nothing collected, an interrupted run
    print(f"{results.passed} passed, {failed} failed, {results.skipped + int(skipped_parts)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
