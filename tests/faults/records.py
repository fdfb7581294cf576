"""The daemon's own records, held against the receiver's log once the daemon has ended."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.faults.arrivals import Violation
from tests.faults.episodes import Episodes

NAME = "state.db"


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open a copy of the database, so that the daemon finds its own as it left it. Raises: Violation."""
    with tempfile.TemporaryDirectory() as copy:
        for file in folder.glob(f"{NAME}*"):
            shutil.copy(file, copy)
        if broken := sorted(folder.glob(f"{NAME}.broken*")):
            raise Violation(f"the database was set aside: {broken[0].name}")
        with contextlib.closing(sqlite3.connect(Path(copy, NAME))) as connection:
            yield connection


def hold_after_cut(folder: Path, episodes: Episodes) -> None:
    """Hold that a cut left the database whole, and all in it that the receiver was ever sent. Raises: Violation."""
    if not (folder / NAME).exists():
        if episodes.arrivals:
            raise Violation("the power cut left no database, though alerts had been sent")
        return
    with opened(folder) as connection:
        try:
            _hold_whole(connection)
            if episodes.arrivals:
                _hold_known(connection, episodes)
        except sqlite3.DatabaseError as error:
            raise Violation(f"the power cut left a database that cannot be read: {error}") from error


def hold_at_end(folder: Path, episodes: Episodes) -> None:
    """Hold that nothing waits, that what is marked as delivered was taken, and that both know the same alerts open.

    One message may wait that was taken: the end came before it could be marked. Raises: Violation.
    """
    with opened(folder) as connection:
        _hold_whole(connection)
        _hold_known(connection, episodes)
        rows = connection.execute("SELECT key, state, last_error FROM outbox").fetchall()
        for key, state, error in rows:
            if key not in episodes.taken:
                raise Violation(f"the message {key} is {state} at the end, but the receiver never took it: {error}")
        waiting = [key for key, state, _ in rows if state != "delivered"]
        if len(waiting) > 1:
            raise Violation(f"messages that were taken still wait at the end: {', '.join(waiting)}")
        bodies = connection.execute("SELECT body FROM alerts WHERE state = 'firing'").fetchall()
        told = {alert["id"] for (body,) in bodies if (alert := json.loads(body))["told"]}
        heard = {episode.first.alert for episode in episodes.open.values()}
        if told != heard:
            raise Violation(f"open and told by the database: {sorted(told)}; by the receiver: {sorted(heard)}")


def _hold_whole(connection: sqlite3.Connection) -> None:
    verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
    if verdict != "ok":
        raise Violation(f"the database is damaged: {verdict}")


def _hold_known(connection: sqlite3.Connection, episodes: Episodes) -> None:
    keys = {key for (key,) in connection.execute("SELECT key FROM outbox")}
    if unknown := sorted(episodes.keys.keys() - keys):
        raise Violation(f"the receiver was sent what the database does not know: {', '.join(unknown)}")
    alerts = {alert for (alert,) in connection.execute("SELECT id FROM alerts")}
    if lost := sorted(episodes.by_id.keys() - alerts):
        raise Violation(f"the receiver was told of alerts that the database does not know: {', '.join(lost)}")
    twice = connection.execute("SELECT key FROM outbox GROUP BY key, receiver HAVING count(*) > 1").fetchall()
    if twice:
        raise Violation(f"more than one message under one key: {twice}")
