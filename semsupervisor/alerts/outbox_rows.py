"""Rows of the table `outbox` as entries, and what is read from it."""

from __future__ import annotations

import sqlite3
from datetime import datetime

import msgspec

from semsupervisor.alerts.notification import Notification, OutboxEntry

QUEUED, DELIVERED, DEAD = "queued", "delivered", "dead"

_SELECT = "SELECT id, receiver, queued_at, attempts, tried_seconds, last_error, body FROM outbox WHERE state = ?"


def queued(connection: sqlite3.Connection) -> list[OutboxEntry]:
    """Return what waits, in the order in which it is to be sent."""
    return [_entry(row) for row in connection.execute(f"{_SELECT} ORDER BY id", (QUEUED,))]


def dead(connection: sqlite3.Connection, limit: int) -> list[OutboxEntry]:
    """Return the newest dead letters."""
    return [_entry(row) for row in connection.execute(f"{_SELECT} ORDER BY id DESC LIMIT ?", (DEAD, limit))]


def dead_of_id(connection: sqlite3.Connection, entry_id: int) -> OutboxEntry | None:
    """Return the dead letter of this id, if there is one."""
    row = connection.execute(f"{_SELECT} AND id = ?", (DEAD, entry_id)).fetchone()
    return _entry(row) if row else None


def dead_by_receiver(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how many dead letters each receiver has."""
    rows = connection.execute("SELECT receiver, count(*) FROM outbox WHERE state = ? GROUP BY receiver", (DEAD,))
    return {str(receiver): int(count) for receiver, count in rows}


def last_id(connection: sqlite3.Connection) -> int:
    """Return the highest id in the table, 0 when it is empty."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM outbox").fetchone()[0])


def _entry(row: tuple[int, str, str, int, float, str, str]) -> OutboxEntry:
    return OutboxEntry(
        id=row[0],
        receiver=row[1],
        notification=msgspec.json.decode(row[6], type=Notification),
        queued_at=datetime.fromisoformat(row[2]),
        attempts=row[3],
        tried_seconds=row[4],
        last_error=row[5],
    )
