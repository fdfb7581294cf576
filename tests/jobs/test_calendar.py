"""Since when schedules count."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from semsupervisor.jobs import calendar
from semsupervisor.jobs.calendar import Calendar, Counting
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Journal
from tests.support.clock import ManualClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def test_the_last_word_is_kept(tmp_path: Path) -> None:
    """Of each schedule for itself; of one that was never written there is nothing."""
    store = Store(tmp_path / "state.db", calendar.MIGRATIONS, ManualClock())
    kept = Calendar(store, Journal(store))
    try:
        assert await kept.find("backup") is None
        last = Counting("03:00 ", NOON, job="j7", followed="j6", tries=2)
        for one in (Counting("02:00 ", NOON), last):
            await kept.write("backup", one)
        assert await kept.find("backup") == last
        assert await kept.find("other") is None
    finally:
        await store.close()
