"""A run of the daemon on record."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from semsupervisor.alerts.turn import Policy
from semsupervisor.daemon.tenure import Tenure
from semsupervisor.health import runs
from semsupervisor.health.runs import Runs
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Journal
from semsupervisor.systems import host
from tests.support.alerting import TOPOLOGY
from tests.support.clock import ManualClock
from tests.support.heart import Heart

pytestmark = pytest.mark.usefixtures("logs")


async def test_a_run_tells_how_the_last_one_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first has none before it; one that nobody asked to end has failed; a host that shuts down is the reason."""
    clock = ManualClock()

    async def shuts_down() -> bool:
        return True

    async with asyncio.TaskGroup() as group:
        owner = TaskOwner(group, clock)
        heart = Heart(tmp_path / "state.db", Policy("edge-7", [], [], TOPOLOGY), owner, clock)
        store = Store(tmp_path / "runs.db", runs.MIGRATIONS, clock)
        await heart.load()
        for boot_id in ("boot", "boot"):
            tenure = Tenure(Runs(store, Journal(store)), heart.pipeline, clock, boot_id)
            await tenure.end()
            await tenure.begin()
            await tenure.note_shutdown()
            await tenure.end()
            monkeypatch.setattr(host, "is_shutting_down", shuts_down)
        entries = await heart.book.timeline(10)
        last = await Runs(store, Journal(store)).last()
        await owner.stop()
        await heart.close()
        await store.close()
    assert [entry.kind for entry in entries][::-1] == ["daemon.first_start", "daemon.restarted", "host.shutting_down"]
    assert "ended in order (it failed)" in entries[1].text
    assert last is not None
    assert last.ended_how == "the host is shutting down"
