"""What is remembered of the streams, put together with the snapshots that may hold what they have lost."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from semsupervisor.backup import holders
from semsupervisor.health.baselines import Baselines
from semsupervisor.kit.clock import Clock
from semsupervisor.settings.model import Settings

BASELINES = "stream-baselines"


def baselines(settings: Settings, clock: Clock) -> Baselines:
    """Return what remembers in the folder of the state how far each stream had got."""
    file = Path(settings.state.directory) / BASELINES
    return Baselines(clock, file, partial(holders.newest, Path(settings.backup.directory)))
