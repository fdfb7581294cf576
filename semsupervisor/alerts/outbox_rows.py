"""Rows of the table `outbox`: entries become rows, and rows entries again."""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Iterable
from datetime import datetime

import msgspec
import structlog

from semsupervisor.alerts.notification import Notification, OutboxEntry
from semsupervisor.store.database import Migration

log = structlog.get_logger(__name__)

MIGRATIONS = (
    Migration(
        110,
        """
        CREATE TABLE outbox (
            id INTEGER PRIMARY KEY, receiver TEXT NOT NULL, key TEXT NOT NULL, state TEXT NOT NULL,
            queued_at TEXT NOT NULL, attempts INTEGER NOT NULL, tried_seconds REAL NOT NULL,
            last_error TEXT NOT NULL, done_at TEXT, body TEXT NOT NULL
        );
        CREATE INDEX outbox_by_state ON outbox (state, receiver, id);
        """,
    ),
)

QUEUED, DELIVERED, DEAD = "queued", "delivered", "dead"

# Nobody reads them again: they only show, when something is examined, what was sent of late.
MOST_DELIVERED = 1_000

_SELECT = "SELECT id, receiver, queued_at, attempts, tried_seconds, last_error, body FROM outbox"
SELECT_QUEUED = f"{_SELECT} WHERE state = '{QUEUED}' ORDER BY id"
SELECT_DEAD = f"{_SELECT} WHERE state = '{DEAD}' ORDER BY id"

Row = tuple[int, str, str, int, float, str, str]


def save(connection: sqlite3.Connection, entries: Iterable[OutboxEntry]) -> None:
    """Write queued entries as they are now."""
    connection.executemany(
        "INSERT INTO outbox (id, receiver, key, state, queued_at, attempts, tried_seconds, last_error, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " attempts = excluded.attempts, tried_seconds = excluded.tried_seconds,"
        " last_error = excluded.last_error, body = excluded.body",
        [
            (
                entry.id,
                entry.receiver,
                entry.notification.key,
                QUEUED,
                entry.queued_at.isoformat(),
                entry.attempts,
                entry.tried_seconds,
                entry.last_error,
                msgspec.json.encode(entry.notification).decode(),
            )
            for entry in entries
        ],
    )


def end(connection: sqlite3.Connection, ids: Iterable[int], state: str, done_at: str) -> None:
    """Say of entries that they wait no longer: they were delivered, or are dead."""
    connection.executemany(
        "UPDATE outbox SET state = ?, done_at = ? WHERE id = ?", [(state, done_at, entry_id) for entry_id in ids]
    )


def end_others(connection: sqlite3.Connection, waiting: Container[int], done_at: str) -> None:
    """Say of all that wait, but for the entries given, that they were delivered."""
    ids = [int(row[0]) for row in connection.execute("SELECT id FROM outbox WHERE state = ?", (QUEUED,))]
    end(connection, [entry_id for entry_id in ids if entry_id not in waiting], DELIVERED, done_at)


def absent(connection: sqlite3.Connection, entries: Iterable[OutboxEntry]) -> list[OutboxEntry]:
    """Return those of the entries that the table does not have, in whatever state."""
    present = {row[0] for row in connection.execute("SELECT id FROM outbox")}
    return [entry for entry in entries if entry.id not in present]


def forget(connection: sqlite3.Connection, entry_id: int) -> None:
    """Remove one entry."""
    connection.execute("DELETE FROM outbox WHERE id = ?", (entry_id,))


def trim(connection: sqlite3.Connection, keep_entries: int) -> None:
    """Keep the newest delivered entries, at most `MOST_DELIVERED`; what is queued or dead is never removed here."""
    connection.execute(
        "DELETE FROM outbox WHERE state = ? AND id <= (SELECT max(id) FROM outbox) - ?",
        (DELIVERED, min(keep_entries, MOST_DELIVERED)),
    )


def queued(connection: sqlite3.Connection) -> list[OutboxEntry]:
    """Return what waits, in the order in which it is to be sent."""
    return readable(connection.execute(SELECT_QUEUED))


def all_at_the_start(connection: sqlite3.Connection) -> tuple[list[OutboxEntry], int]:
    """Return what waits, and the highest id in the table."""
    return queued(connection), last_id(connection)


def dead(connection: sqlite3.Connection, limit: int) -> list[OutboxEntry]:
    """Return the newest dead letters."""
    query = f"{_SELECT} WHERE state = ? ORDER BY id DESC LIMIT ?"
    return readable(connection.execute(query, (DEAD, limit)))


def dead_of_id(connection: sqlite3.Connection, entry_id: int) -> OutboxEntry | None:
    """Return the dead letter of this id, if there is one."""
    found = readable(connection.execute(f"{_SELECT} WHERE state = ? AND id = ?", (DEAD, entry_id)))
    return found[0] if found else None


def dead_by_receiver(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how many dead letters each receiver has."""
    rows = connection.execute("SELECT receiver, count(*) FROM outbox WHERE state = ? GROUP BY receiver", (DEAD,))
    return {str(receiver): int(count) for receiver, count in rows}


def last_id(connection: sqlite3.Connection) -> int:
    """Return the highest id in the table, 0 when it is empty."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM outbox").fetchone()[0])


def readable(rows: Iterable[Row]) -> list[OutboxEntry]:
    """Return rows as entries; one that makes no sense any more is said and left out, and holds up no other."""
    entries = []
    for row in rows:
        try:
            entries.append(_entry(row))
        except (msgspec.DecodeError, TypeError, ValueError) as error:
            log.error("outbox.row_unreadable", id=row[0], receiver=row[1], error=str(error))
    return entries


def _entry(row: Row) -> OutboxEntry:
    return OutboxEntry(
        id=row[0],
        receiver=row[1],
        notification=msgspec.json.decode(row[6], type=Notification),
        queued_at=datetime.fromisoformat(row[2]),
        attempts=row[3],
        tried_seconds=row[4],
        last_error=row[5],
    )
