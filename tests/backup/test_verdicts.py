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
    assert await kept.latest() == {"a": Look(clock.now(), 1, ("EV is missing",)), "b": Look(clock.now(), 1)}
    await kept.record("a", Verdict(1, (), 5))
    assert await kept.latest() == {"a": Look(clock.now(), 1), "b": Look(clock.now(), 1)}
    await store.write(lambda db: db.execute("UPDATE snapshot_verdicts SET body = '{' WHERE snapshot = 'a'"))
    assert set(await Verdicts(store, Journal(store), clock).latest()) == {"b"}
    await kept.record("a", Verdict(0, (), 0))
    assert (await kept.latest())["a"] == Look(clock.now(), 0)
    await store.close()


async def test_a_shallow_look_takes_nothing_back(tmp_path: Path) -> None:
    """What a look at every byte found is not undone by one at names and sizes; what that finds itself counts."""
    clock = ManualClock()
    store = Store(tmp_path / "state.db", verdicts.MIGRATIONS, clock)
    kept = Verdicts(store, Journal(store), clock)
    await kept.record("a", Verdict(1, ("EV has another content",), 5))
    await kept.record("a", Verdict(0, (), 0))
    assert (await kept.latest())["a"].damage == ("EV has another content",)
    await kept.record("a", Verdict(0, ("EV is missing",), 0))
    assert (await kept.latest())["a"].damage == ("EV is missing",)
    await store.close()
