"""The scheduled look where there is no engine; on real containers it is made in tests/integration."""

from __future__ import annotations

from pathlib import Path

import pytest

from semsupervisor.errors import EngineForbidden
from semsupervisor.health.probes.containers import ContainersProbe
from semsupervisor.kit.clock import SystemClock
from tests.support.watcher import Watcher


async def test_without_an_engine_nothing_is_known(tmp_path: Path) -> None:
    """The probe fails with the reason, and it has a name of its own."""
    async with Watcher(tmp_path / "none.sock", "project", tmp_path) as watcher:
        probe = ContainersProbe(watcher.watching, watcher.docker, SystemClock())
        assert probe.name == "containers"
        with pytest.raises(EngineForbidden):
            await probe.observe()
