"""What a failed test leaves open because it failed is said beside it, and not held against whichever test comes next.

What a test that passed leaves open goes on being an error, in the test during which it is collected.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Generator

import pytest

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Take note of the tests that fail."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Collect at once what a failed test held."""
    done = yield
    if item.stash.get(FAILED, False):
        for what in collected():
            item.config.get_terminal_writer().line(f"\n{item.nodeid} failed, and left open: {what}")
    return done


def collected() -> list[str]:
    """Collect garbage and return what complains of having been left open."""
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        if hasattr(sys, name):
            delattr(sys, name)
    found: list[str] = []
    before = sys.unraisablehook
    sys.unraisablehook = lambda unraisable: found.append(f"{unraisable.object!r}: {unraisable.exc_value}")
    try:
        gc.collect()
    finally:
        sys.unraisablehook = before
    return found
