"""What was found when snapshots were looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from semsupervisor.backup import verdicts
from semsupervisor.backup.verdicts import Look, Verdicts
from semsupervisor.backup.verify import Verdict
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Journal
from tests.support.clock import ManualClock

pytestmark = pytest.mark.usefixtures("logs")


async def test_the_last_look_is_kept(tmp_path: Path) -> None:
    """Of each snapshot, also for the next run; a row that cannot be read hides no other."""
    clock = ManualClock()
    store = Store(tmp_path / "state.db", verdicts.MIGRATIONS, clock)
    kept = Verdicts(store, Journal(store), clock)
    await kept.record("a", Verdict(1, ("EV is missing",), 5))
    await kept.record("b", Verdict(1, (), 5))
    await kept.record("a", Verdict(0, (), 0))
    assert await kept.latest() == {"a": Look(clock.now(), 0), "b": Look(clock.now(), 1)}
    await store.write(lambda db: db.execute("UPDATE snapshot_verdicts SET body = '{' WHERE snapshot = 'a'"))
    assert set(await Verdicts(store, Journal(store), clock).latest()) == {"b"}
    await store.close()
