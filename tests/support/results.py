"""What pytest counted, read from its JUnit file."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Results:
    """How many tests ended how; an error in a fixture counts as a failure."""

    passed: int
    failed: int
    skipped: int


def read(junit: Path) -> Results:
    """Read pytest's JUnit file; one that is missing counts nothing."""
    if not junit.is_file():
        return Results(0, 0, 0)
    suites = list(ET.parse(junit).getroot().iter("testsuite"))
    total, failed, errors, skipped = (
        sum(int(suite.get(key, 0)) for suite in suites) for key in ("tests", "failures", "errors", "skipped")
    )
    return Results(passed=total - failed - errors - skipped, failed=failed + errors, skipped=skipped)
