"""What the daemon says in its log, as a list that a test can look at."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

Logs = list[MutableMapping[str, Any]]


@pytest.fixture
def logs() -> Iterator[Logs]:
    """Collect the log's events, and print none: rendering a traceback reads files, which blocks the loop."""
    with capture_logs() as entries:
        yield entries
