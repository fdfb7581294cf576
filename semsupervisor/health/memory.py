"""What was last known of each service, kept across restarts of the supervisor: the tables `services` and `watching`.

Written only when it changes, so that neither a request to stop nor a death is forgotten in between. What follows from
an event for the alerts and that the event is known go to the disk together, or a death would be told twice or never by
a supervisor that is killed in between.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from semsupervisor.health.engines import Bookmark
from semsupervisor.health.services import Service
from semsupervisor.kit.failpoints import reach
from semsupervisor.store.database import Migration, Store
from semsupervisor.store.journal import Change, Companion, Journal

T = TypeVar("T")

_MARKS = "SELECT body FROM watching WHERE project = ?"
_SERVICES = "SELECT name, body FROM services WHERE project = ?"

MIGRATIONS = (
    Migration(
        200,
        """
        CREATE TABLE services (
            project TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (project, name)
        );
        CREATE TABLE watching (project TEXT PRIMARY KEY, body TEXT NOT NULL);
        """,
    ),
)


class Remembered(msgspec.Struct, frozen=True):
    """All that was kept of one project; `bookmark` is None when nothing was."""

    bookmark: Bookmark | None
    services: Mapping[str, Service]


class Memory:
    """The tables' only reader and writer, for one project."""

    def __init__(self, store: Store, journal: Journal, project: str) -> None:
        self._store = store
        self._journal = journal
        self._project = project
        self._bookmark = ""
        self._services: dict[str, str] = {}
        journal.keeps(self._whole)

    async def load(self) -> Remembered:
        """Return what was kept, if only in a database that was set aside since: then it is written again.

        A row that this version cannot read counts as not kept. Raises: StoreError.
        """
        bookmarks, rows = await self._store.read(self._rows)
        if salvaged := [] if bookmarks else await self._store.salvage(_MARKS, (self._project,)):
            bookmarks, rows = salvaged, await self._store.salvage(_SERVICES, (self._project,))
        self._bookmark = bookmarks[-1][0] if bookmarks else ""
        self._services = dict(rows)
        if salvaged:
            await self._journal.commit(self._whole(False))
        read = {name: _decoded(body, Service) for name, body in self._services.items()}
        services = {name: service for name, service in read.items() if service is not None}
        return Remembered(_decoded(self._bookmark, Bookmark), services)

    async def save(self, bookmark: Bookmark, services: Mapping[str, Service]) -> None:
        """Keep what differs from what is kept, or was lost with a database that had to be begun afresh."""
        companion = self.companion(bookmark, services)
        if companion is None:
            await self._journal.catch_up()
        else:
            await self._journal.commit(companion.change, companion.then)
            reach("memory.after_save")

    def companion(self, bookmark: Bookmark, services: Mapping[str, Service]) -> Companion | None:
        """Return what keeps what differs from what is kept, None if nothing does.

        The bookmark moves along only if it has to: a stamp that is too old costs nothing, for the events since are
        told again and change nothing.
        """
        encoded = {name: msgspec.json.encode(service).decode() for name, service in services.items()}
        changed = {name: body for name, body in encoded.items() if self._services.get(name) != body}
        dropped = [name for name in self._services if name not in encoded]
        mark = msgspec.json.encode(bookmark).decode()
        if not changed and not dropped and self._same_place(bookmark):
            return None
        project = self._project

        def write(connection: sqlite3.Connection) -> None:
            _write(connection, project, mark, changed)
            connection.executemany(
                "DELETE FROM services WHERE project = ? AND name = ?", [(project, name) for name in dropped]
            )

        def kept() -> None:
            self._services, self._bookmark = encoded, mark

        return Companion(write, kept)

    def _whole(self, _others_end: bool) -> Change:
        """Return what writes all that is kept, and takes all else away; nothing while nothing is known."""
        project, mark, services = self._project, self._bookmark, self._services

        def write(connection: sqlite3.Connection) -> None:
            if mark:
                connection.execute("DELETE FROM services WHERE project = ?", (project,))
                _write(connection, project, mark, services)

        return write

    def _same_place(self, bookmark: Bookmark) -> bool:
        known = _decoded(self._bookmark, Bookmark)
        return known is not None and (known.boot_id, known.engine) == (bookmark.boot_id, bookmark.engine)

    def _rows(self, connection: sqlite3.Connection) -> tuple[list[tuple[str]], list[tuple[str, str]]]:
        marks = connection.execute(_MARKS, (self._project,)).fetchall()
        return marks, connection.execute(_SERVICES, (self._project,)).fetchall()


def _write(connection: sqlite3.Connection, project: str, mark: str, services: Mapping[str, str]) -> None:
    connection.execute("INSERT OR REPLACE INTO watching (project, body) VALUES (?, ?)", (project, mark))
    connection.executemany(
        "INSERT OR REPLACE INTO services (project, name, body) VALUES (?, ?, ?)",
        [(project, name, body) for name, body in services.items()],
    )


def _decoded(body: str, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError:
        return None
