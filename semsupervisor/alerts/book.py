"""What is kept of alerts and of all that was seen, decided and done: the tables `alerts` and `timeline`."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Container, Iterable, Mapping
from datetime import UTC, datetime

import msgspec
import structlog

from semsupervisor.alerts.lifecycle import Alert, AlertState, resolve
from semsupervisor.alerts.muting import Ended
from semsupervisor.alerts.notification import LOG_LINES
from semsupervisor.health.observation import FactValue
from semsupervisor.kit.clock import Instant
from semsupervisor.store.database import Migration, Store

log = structlog.get_logger(__name__)

LONGEST_SHOWN = 200

# All kinds of entry that are ever written, for those who ask for one of them.
TIMELINE_KINDS = (
    "alert.again",
    "alert.firing",
    "alert.muted",
    "alert.resolved",
    "alert.told",
    "daemon.first_start",
    "daemon.restarted",
    "daemon.state_removed",
    "engine.back",
    "engine.killed",
    "engine.left",
    "engine.lost",
    "engine.restarted",
    "engine.silent",
    "host.clock_set",
    "host.restarted",
    "host.shutting_down",
    "host.slept",
    "job.asked",
    "job.done",
    "job.given_up",
    "job.stuck",
    "job.undone",
    "job.withheld",
    "outbox.dropped",
    "service.completed",
    "service.forgotten",
    "service.image_changed",
    "service.oom_killed",
    "service.recreated",
    "service.restarted",
    "service.stopped",
    "settings.loaded",
)

# Log lines are by far the longest part of an alert. Of so many that ended they are kept; the rest of it stays longer.
MOST_WITH_LOG_LINES = 500
_SELECT_ALERTS = "SELECT body FROM alerts"
_OPEN = "WHERE state != ? ORDER BY rowid"

MIGRATIONS = (
    Migration(
        100,
        """
        CREATE TABLE alerts (
            id TEXT PRIMARY KEY, rule TEXT NOT NULL, subject TEXT NOT NULL, state TEXT NOT NULL, body TEXT NOT NULL
        );
        CREATE INDEX alerts_by_state ON alerts (state);
        CREATE TABLE timeline (
            id INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
            text TEXT NOT NULL, facts TEXT NOT NULL
        );
        CREATE INDEX timeline_by_subject ON timeline (subject, id);
        """,
    ),
    # What was written twice, as after a disk that hung, stands there once.
    Migration(101, "ALTER TABLE timeline ADD COLUMN key TEXT; CREATE UNIQUE INDEX timeline_by_key ON timeline (key)"),
    Migration(
        102,
        "CREATE TABLE ended_causes (alert_id TEXT PRIMARY KEY, boot_id TEXT NOT NULL, monotonic REAL NOT NULL)",
    ),
)


class TimelineLine(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was seen, decided or done, as it is written down; two lines of one key are one, "" is none."""

    key: str = ""
    at: datetime
    kind: str
    subject: str
    text: str
    facts: Mapping[str, FactValue] = {}


class TimelineEntry(TimelineLine, frozen=True, kw_only=True):
    """One line of the timeline as it stands there; `id` gives the order, also where the wall clock jumped."""

    id: int


class Book:
    """Reads what is kept; the changes themselves are the functions below, run inside the pipeline's transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def open_alerts(self) -> list[Alert]:
        """Return the alerts that were pending or firing when last written, oldest first.

        Those that can be salvaged of a broken database that was set aside stand in front, unless this one knows more.
        """
        resolved = (AlertState.RESOLVED.value,)
        salvaged = _alerts(await self._store.salvage(f"{_SELECT_ALERTS} {_OPEN}", resolved))
        known = await self._store.read(lambda db: {row[0] for row in db.execute("SELECT id FROM alerts")})
        return [*(alert for alert in salvaged if alert.id not in known), *await self._alerts(_OPEN, resolved)]

    async def ended_causes(self, boot_id: str) -> list[Ended]:
        """Return the causes that ended last, as far as they did in this boot of the host."""
        query = "SELECT monotonic, body FROM ended_causes JOIN alerts ON id = alert_id WHERE boot_id = ?"
        rows = await self._store.read(lambda db: db.execute(query, (boot_id,)).fetchall())
        return [Ended(alert, monotonic) for monotonic, body in rows for alert in _alerts([(body,)])]

    async def history(self, limit: int, name: str | None = None) -> list[Alert]:
        """Return the newest `limit` episodes, newest first, open ones included.

        With a name, only the episode of that id, or those of the rule or the subject of that name.
        """
        rest = "WHERE ?1 IS NULL OR ?1 IN (id, rule, subject) ORDER BY rowid DESC LIMIT ?2"
        return await self._alerts(rest, (name, limit))

    async def timeline(
        self,
        limit: int,
        *,
        before_id: int | None = None,
        after_id: int | None = None,
        subject: str | None = None,
        kind: str | None = None,
        since: datetime | None = None,
    ) -> list[TimelineEntry]:
        """Return timeline entries, newest first: at most `limit`, with ids between the given ones, filtered."""
        conditions = {
            "id < ?": before_id,
            "id > ?": after_id,
            "subject = ?": subject,
            "kind = ?": kind,
            "at >= ?": None if since is None else _stamp(since),
        }
        given = {condition: value for condition, value in conditions.items() if value is not None}
        where = f"WHERE {' AND '.join(given)}" if given else ""
        query = f"SELECT id, at, kind, subject, text, facts FROM timeline {where} ORDER BY id DESC LIMIT ?"  # noqa: S608
        rows = await self._store.read(lambda db: db.execute(query, (*given.values(), limit)).fetchall())
        return [_entry(row) for row in rows]

    async def _alerts(self, rest: str, parameters: tuple[object, ...]) -> list[Alert]:
        query = f"{_SELECT_ALERTS} {rest}"
        return _alerts(await self._store.read(lambda db: db.execute(query, parameters).fetchall()))


def save_alerts(connection: sqlite3.Connection, alerts: Iterable[Alert]) -> None:
    """Write the given state of each alert."""
    connection.executemany(
        "INSERT INTO alerts (id, rule, subject, state, body) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET state = excluded.state, body = excluded.body",
        [(alert.id, alert.rule, str(alert.subject), alert.state.value, _body(alert)) for alert in alerts],
    )


def forget_alerts(connection: sqlite3.Connection, ids: Iterable[str]) -> None:
    """Remove alerts that never fired."""
    connection.executemany("DELETE FROM alerts WHERE id = ?", [(alert_id,) for alert_id in ids])


def end_others(connection: sqlite3.Connection, known: Container[str], at: Instant) -> None:
    """End all open alerts but those known: how they ended could not be written."""
    others = [
        alert
        for alert in _alerts(connection.execute(f"{_SELECT_ALERTS} {_OPEN}", (AlertState.RESOLVED.value,)).fetchall())
        if alert.id not in known
    ]
    forget_alerts(connection, [alert.id for alert in others if alert.state is AlertState.PENDING])
    fired = [alert for alert in others if alert.state is AlertState.FIRING]
    save_alerts(connection, [resolve(alert, at, "It ended while the state could not be written.") for alert in fired])


def save_ended_causes(connection: sqlite3.Connection, ended: Iterable[Ended], boot_id: str) -> None:
    """Keep these as the causes that ended last."""
    connection.execute("DELETE FROM ended_causes")
    connection.executemany(
        "INSERT OR REPLACE INTO ended_causes (alert_id, boot_id, monotonic) VALUES (?, ?, ?)",
        [(past.alert.id, boot_id, past.monotonic) for past in ended],
    )


def save_timeline(connection: sqlite3.Connection, lines: Iterable[TimelineLine]) -> None:
    """Write lines below all that stand in the timeline, but for those that stand there already."""
    connection.executemany(
        "INSERT OR IGNORE INTO timeline (key, at, kind, subject, text, facts) VALUES (?, ?, ?, ?, ?, ?)",
        [(line.key or None, _stamp(line.at), line.kind, line.subject, line.text, _facts(line.facts)) for line in lines],
    )


def trim(connection: sqlite3.Connection, keep_entries: int) -> None:
    """Keep the newest entries of the timeline and as many ended alerts; counts, because clocks jump.

    Alerts that ended before the newest few hundred lose their log lines, else they would fill the disk.
    """
    connection.execute("DELETE FROM timeline WHERE id <= (SELECT max(id) FROM timeline) - ?", (keep_entries,))
    connection.execute(
        "DELETE FROM alerts WHERE state = ? AND rowid <= (SELECT max(rowid) FROM alerts) - ?",
        (AlertState.RESOLVED.value, keep_entries),
    )
    _shorten(connection)


def _shorten(connection: sqlite3.Connection) -> None:
    named = f"$.evidence.{LOG_LINES}"
    connection.execute(
        "UPDATE alerts SET body = json_remove(body, ?1) WHERE state = ?2 AND json_valid(body)"
        " AND json_extract(body, ?1) IS NOT NULL AND rowid <= (SELECT max(rowid) FROM alerts) - ?3",
        (named, AlertState.RESOLVED.value, MOST_WITH_LOG_LINES),
    )


def _stamp(at: datetime) -> str:
    """Return a moment as text that sorts as the moments do: in UTC, where a plus sign sorts before the point."""
    return at.astimezone(UTC).isoformat()


def _entry(row: tuple[int, str, str, str, str, str]) -> TimelineEntry:
    facts = msgspec.json.decode(row[5], type=dict[str, FactValue])
    return TimelineEntry(
        id=row[0], at=datetime.fromisoformat(row[1]), kind=row[2], subject=row[3], text=row[4], facts=facts
    )


def _alerts(rows: Iterable[tuple[str]]) -> list[Alert]:
    """Return rows as alerts; one that makes no sense any more is said and left out, and holds up no other."""
    alerts = []
    for (body,) in rows:
        try:
            alerts.append(msgspec.json.decode(body, type=Alert))
        except msgspec.DecodeError as error:
            log.error("book.row_unreadable", body=str(body)[:LONGEST_SHOWN], error=str(error))
    return alerts


def _body(alert: Alert) -> str:
    value = _writable(alert.value)
    kept = msgspec.structs.replace(alert, since_monotonic=None, seen_monotonic=None, without_since=None, value=value)
    return msgspec.json.encode(kept).decode()


def _facts(facts: Mapping[str, FactValue]) -> str:
    return msgspec.json.encode({name: _writable(value) for name, value in facts.items()}).decode()


def _writable(value: FactValue) -> FactValue:
    """Return the value as JSON has it: there, infinity is only a word."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
