"""What the streams should hold is remembered beside the state."""

from __future__ import annotations

from pathlib import Path

from semsupervisor.daemon.remembering import BASELINES, baselines
from semsupervisor.settings.model import BackupSettings, Settings, StateSettings
from tests.support.clock import ManualClock
from tests.support.jetstream import stream

STAMP = "2026-11-15T00:00:00Z"


async def test_a_fall_is_kept_in_the_folder_of_the_state(tmp_path: Path) -> None:
    """Where no snapshot is, none is named."""
    settings = Settings(
        state=StateSettings(directory=str(tmp_path)), backup=BackupSettings(directory=str(tmp_path / "backup"))
    )
    kept = baselines(settings, ManualClock())
    await kept.look("A", [stream(created=STAMP)], 60.0)
    found = await kept.look("B", [stream(created=STAMP, last_sequence=7)], 60.0)
    assert found is not None
    assert (found.falls["EVENTS"].has, found.falls["EVENTS"].snapshot) == (7, "")
    assert (tmp_path / BASELINES).exists()
