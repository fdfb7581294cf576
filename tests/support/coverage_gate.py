"""Hold the coverage that the design promises: all of what decides, nearly all of the rest.

usage: python -m tests.support.coverage_gate RESULTS SKIPPED_PARTS

A run that skipped something shows its figures and holds nothing, since the skipped tests are missing in them.
"""

from __future__ import annotations

import io
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from coverage import Coverage

from tests.support.commands import REPOSITORY
from tests.support.results import Outcome, count, read
from tests.support.second_look import FIRST

LEAST_PERCENT = 95.0


@dataclass(frozen=True)
class Shortfall:
    """A module, or the whole, that is covered less than promised; both in percent of its lines and branches."""

    what: str
    covered: float
    promised: float

    def __str__(self) -> str:
        return f"{self.what}: {self.covered:.1f} % covered, {self.promised:g} % promised"


def pure_modules() -> list[Path]:
    """Return the files of the modules under one of import-linter's purity contracts."""
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    names = [
        name for contract in contracts if contract["id"].startswith("purity") for name in contract["source_modules"]
    ]
    bases = [REPOSITORY / name.replace(".", "/") for name in names]
    return [file for base in bases for file in ([*base.rglob("*.py")] if base.is_dir() else [base.with_suffix(".py")])]


def percent(coverage: Coverage, files: list[Path] | None = None) -> float:
    """Return how much of the files, or of all, was covered, and print nothing."""
    return coverage.report(morfs=[str(file) for file in files] if files else None, file=io.StringIO())


def shortfalls(coverage: Coverage) -> list[Shortfall]:
    """Return where less is covered than promised."""
    whole = Shortfall("the whole package", percent(coverage), LEAST_PERCENT)
    parts = [Shortfall(str(file.relative_to(REPOSITORY)), percent(coverage, [file]), 100.0) for file in pure_modules()]
    return [part for part in (whole, *parts) if part.covered < part.promised]


def main(results: str, skipped_parts: str) -> int:
    """Print the coverage of every module that is not fully covered, and what falls short; return 0 if nothing does."""
    coverage = Coverage(config_file=str(REPOSITORY / "pyproject.toml"))
    coverage.load()
    coverage.report()
    skipped = count(read(Path(results, FIRST)), Outcome.SKIPPED) + int(skipped_parts)
    if skipped:
        print(f"coverage is shown and not held: {skipped} skipped")
        return 0
    short = shortfalls(coverage)
    for each in short:
        print(each)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
