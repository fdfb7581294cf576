"""What the daemon says in its log, as a list that a test can look at."""

from __future__ import annotations

import logging
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

Logs = list[MutableMapping[str, Any]]


@pytest.fixture
def logs() -> Iterator[Logs]:
    """Collect the log's events, and print none: rendering a traceback reads files, which blocks the loop."""
    with capture_logs() as entries:
        yield entries


@pytest.fixture
def logging_set_back() -> Iterator[None]:
    """Let a test configure the log as a command does; afterwards it is as it was."""
    root, own = logging.getLogger(), logging.getLogger("semsupervisor")
    before = (root.handlers[:], root.level, own.level)
    # A command that ran in an earlier test has taken the warnings, and pytest has taken them back unknown to the log.
    logging.captureWarnings(False)
    yield
    root.handlers[:], level, own_level = before
    root.setLevel(level)
    own.setLevel(own_level)
    logging.captureWarnings(False)
    structlog.reset_defaults()
