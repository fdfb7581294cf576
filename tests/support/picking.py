"""Which of the tests marked `table`, rows most of them, a run plays: a part of them, other ones each time, or all."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence

import pytest

WHOLE = "SEMSUPERVISOR_WHOLE_TABLE"
PART = 12


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out all that is marked `table` but some, drawn by the seed that pytest-randomly prints."""
    rows = [item for item in items if item.get_closest_marker("table")]
    if os.environ.get(WHOLE) or len(rows) <= PART:
        return
    left_out = set(rows) - drawn(rows, int(config.getoption("randomly_seed", 0) or 0))
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


def drawn(rows: Sequence[pytest.Item], seed: int) -> set[pytest.Item]:
    """Return the part of the tests that a seed draws, whatever order they come in."""
    ordered = sorted(rows, key=lambda item: item.nodeid)
    return set(random.Random(seed).sample(ordered, PART))
