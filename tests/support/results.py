"""How each test of a run ended, written down as it ends; and what tests/run reads from it.

A run writes its file where the variable `SEMSUPERVISOR_OUTCOMES` says. What a test starts does not inherit that.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import msgspec
import pytest

VARIABLE = "SEMSUPERVISOR_OUTCOMES"


class Outcome(StrEnum):
    """How a test ended, the worst of its setup, call and teardown."""

    PASSED = "passed"
    SKIPPED = "skipped"
    FAILED = "failed"


ORDER = tuple(Outcome)


class Ended(msgspec.Struct, frozen=True):
    """How one test ended, and whether it is one of those that need a real engine, server or root."""

    outcome: Outcome
    integration: bool = False


Results = Mapping[str, Ended]
"""How tests ended, by their node ids; a module that could not be collected has failed."""


def count(results: Results, outcome: Outcome) -> int:
    """Return how many tests ended so."""
    return sum(ended.outcome is outcome for ended in results.values())


def read(file: Path) -> Results:
    """Read the outcomes of a run; of one that was killed, or never began, there are none."""
    return msgspec.json.decode(file.read_bytes(), type=dict[str, Ended]) if file.is_file() else {}


def merged(first: Results, second: Results) -> Results:
    """Return how tests ended of which some ran a second time: what passed then has passed."""
    passed = {name: ended for name, ended in second.items() if ended.outcome is Outcome.PASSED and name in first}
    return {**first, **passed}


class Recorder:
    """Writes down how the tests of this run end."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._integration: set[str] = set()
        self._outcomes: dict[str, Outcome] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Take note of the tests that need more than this process."""
        self._integration = {item.nodeid for item in session.items if item.get_closest_marker("integration")}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Count a module that cannot be collected, or is skipped as a whole."""
        if not report.passed:
            self._note(report.nodeid, Outcome(report.outcome))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a part of a test."""
        if report.when == "call" or not report.passed:
            self._note(report.nodeid, Outcome(report.outcome))

    def pytest_sessionfinish(self) -> None:
        """Write all down."""
        ended = {name: Ended(outcome, name in self._integration) for name, outcome in self._outcomes.items()}
        self._file.write_bytes(msgspec.json.encode(ended))

    def _note(self, name: str, outcome: Outcome) -> None:
        self._outcomes[name] = max(outcome, self._outcomes.get(name, Outcome.PASSED), key=ORDER.index)


def pytest_configure(config: pytest.Config) -> None:
    """Record the outcomes of this run, if somebody wants them."""
    if file := os.environ.pop(VARIABLE, ""):
        config.pluginmanager.register(Recorder(Path(file)))
