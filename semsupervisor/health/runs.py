"""How the daemon's runs began and ended: the table `runs`, and what the next start says of the last one."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from functools import partial

import msgspec

from semsupervisor.errors import StoreError
from semsupervisor.store.database import Migration, Store
from semsupervisor.store.journal import Change, Journal

MIGRATIONS = (
    Migration(
        120,
        """
        CREATE TABLE runs (
            id TEXT PRIMARY KEY, boot_id TEXT NOT NULL, started_at TEXT NOT NULL, ended_at TEXT, ended_how TEXT
        );
        """,
    ),
)

KEPT_RUNS = 100


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the daemon: within which boot of the host, and how it ended (None: nobody wrote it down)."""

    id: str
    boot_id: str
    started_at: datetime
    ended_how: str | None = None


def story(last: Run | None, boot_id: str) -> tuple[str, str]:
    """Return the kind and the text of the timeline entry about what lies between the last run and this one."""
    if last is None:
        return "daemon.first_start", "the supervisor starts on this state for the first time"
    if last.boot_id != boot_id:
        if last.ended_how is None:
            return (
                "host.restarted",
                "the host came back after a power cut or a hard reset: the last run did not end in order",
            )
        return "host.restarted", f"the host was restarted; the last run ended in order ({last.ended_how})"
    if last.ended_how is None:
        return "daemon.restarted", "the supervisor was killed or crashed, and was started again"
    return "daemon.restarted", f"the supervisor was started again; the last run ended in order ({last.ended_how})"


class Runs:
    """Writes down this run, and tells of the last one."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self._store = store
        self._journal = journal
        self._run: Run | None = None
        journal.keeps(self._whole)

    async def last(self) -> Run | None:
        """Return the newest run on record; None when there is none or the record cannot be read now."""
        query = "SELECT id, boot_id, started_at, ended_how FROM runs ORDER BY rowid DESC LIMIT 1"
        try:
            rows = await self._store.read(lambda db: db.execute(query).fetchall())
        except StoreError:
            return None
        if not rows:
            return None
        run_id, boot_id, started_at, ended_how = rows[0]
        return Run(id=run_id, boot_id=boot_id, started_at=datetime.fromisoformat(started_at), ended_how=ended_how)

    async def begin(self, run: Run) -> None:
        """Write down that a run begins."""
        self._run = run
        await self._journal.commit(partial(_write, run=run))

    async def end(self, run: Run, at: datetime, how: str) -> None:
        """Write down that a run ends in order, and why."""
        await self._journal.commit(
            lambda connection: connection.execute(
                "UPDATE runs SET ended_at = ?, ended_how = ? WHERE id = ?", (at.isoformat(), how, run.id)
            )
        )

    def _whole(self, _others_end: bool) -> Change:
        """Return what writes this run again; nothing before it was begun."""
        run = self._run

        def write(connection: sqlite3.Connection) -> None:
            if run is not None:
                _write(connection, run)

        return write


def _write(connection: sqlite3.Connection, run: Run) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO runs (id, boot_id, started_at) VALUES (?, ?, ?)",
        (run.id, run.boot_id, run.started_at.isoformat()),
    )
    connection.execute("DELETE FROM runs WHERE rowid <= (SELECT max(rowid) FROM runs) - ?", (KEPT_RUNS,))
