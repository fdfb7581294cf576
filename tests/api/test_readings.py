"""What the daemon gives the API to read."""

from __future__ import annotations

import inspect
from typing import get_type_hints

from semsupervisor.api.readings import Readings
from tests.support.api_world import World


def test_a_reading_is_always_as_it_is_now() -> None:
    """What changes is handed over as a callable, so that no answer is made of what was true once."""
    fixed = {"clock", "started", "acts", "jobs", "backups", "keeping"}
    readings = World().readings()
    for name in get_type_hints(Readings):
        assert callable(getattr(readings, name)) != (name in fixed), name


def test_only_the_store_is_waited_for() -> None:
    """Readings from memory answer at once; those that await are the ones that read the state database."""
    readings = World().readings()
    waited = {name for name in get_type_hints(Readings) if inspect.iscoroutinefunction(getattr(readings, name))}
    assert waited == {"timeline", "history", "dead_letters"}
