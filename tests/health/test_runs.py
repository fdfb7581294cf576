"""How the daemon's runs are written down and told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from semsupervisor.health.runs import KEPT_RUNS, MIGRATIONS, Run, Runs, story
from semsupervisor.kit.clock import SystemClock
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Journal

NOW = datetime(2026, 1, 10, 2, 0, tzinfo=UTC)


def run(number: int, boot: str = "boot-1", ended_how: str | None = None) -> Run:
    """Make a run."""
    return Run(id=f"run-{number}", boot_id=boot, started_at=NOW, ended_how=ended_how)


@pytest.mark.parametrize(
    ("last", "kind", "words"),
    [
        (None, "daemon.first_start", "first time"),
        (run(1, ended_how="SIGTERM"), "daemon.restarted", "SIGTERM"),
        (run(1), "daemon.restarted", "killed or crashed"),
        (run(1, boot="boot-0", ended_how="SIGTERM"), "host.restarted", "in order"),
        (run(1, boot="boot-0"), "host.restarted", "power cut"),
    ],
)
def test_story_tells_the_ends_apart(last: Run | None, kind: str, words: str) -> None:
    """A first start, a restart, a crash, a reboot and a power cut each have a name of their own."""
    told_kind, text = story(last, "boot-1")
    assert told_kind == kind
    assert words in text


async def test_last_run_is_remembered_with_its_end(tmp_path: Path) -> None:
    """What one run writes is what the next one reads, whether it ended in order or not."""
    store = Store(tmp_path / "state.db", MIGRATIONS, SystemClock())
    runs = Runs(store, Journal(store))
    assert await runs.last() is None
    await runs.begin(run(1))
    assert await runs.last() == run(1)
    await runs.end(run(1), NOW, "SIGTERM")
    assert await runs.last() == run(1, ended_how="SIGTERM")
    await store.close()


async def test_old_runs_are_forgotten(tmp_path: Path) -> None:
    """The table keeps a bounded number of runs, the newest ones."""
    store = Store(tmp_path / "state.db", MIGRATIONS, SystemClock())
    runs = Runs(store, Journal(store))
    for number in range(KEPT_RUNS + 20):
        await runs.begin(run(number))
    kept = await store.read(lambda db: db.execute("SELECT count(*) FROM runs").fetchone()[0])
    last = await runs.last()
    await store.close()
    assert kept == KEPT_RUNS
    assert last == run(KEPT_RUNS + 19)


async def test_unreadable_record_is_no_record(tmp_path: Path) -> None:
    """A state folder that cannot be made does not keep the daemon from starting."""
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "state.db", MIGRATIONS, SystemClock())
    assert await Runs(store, Journal(store)).last() is None
    await store.close()


async def test_a_state_that_is_removed_knows_the_run_again(tmp_path: Path) -> None:
    """With its file gone, the run that goes on is written into the new one: the next start is no first one."""
    store = Store(tmp_path / "state.db", MIGRATIONS, SystemClock())
    journal = Journal(store)
    runs = Runs(store, journal)
    await runs.begin(run(1))
    store.path.unlink()
    assert await runs.last() is None
    assert await journal.catch_up()
    await runs.end(run(1), NOW, "SIGTERM")
    assert await runs.last() == run(1, ended_how="SIGTERM")
    await store.close()
