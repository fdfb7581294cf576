"""The state database: SQLite in WAL mode, one connection in one thread, every commit synced to the disk.

The connection holds an exclusive lock: a second daemon on the same state is refused, and no shared-memory file is
needed, so that a database can be opened on a full disk. A broken database is set aside, never repaired in place.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

from semsupervisor.errors import PermanentError, StoreError
from semsupervisor.kit.clock import Clock

log = structlog.get_logger(__name__)

T = TypeVar("T")

_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PARTS = ("", "-wal", "-shm")


class Migration(msgspec.Struct, frozen=True):
    """One step of the schema, forward only; numbers are unique in the whole program and applied in their order."""

    number: int
    sql: str


class StateLocked(PermanentError):
    """Another process holds the state database."""


class StateTooNew(PermanentError):
    """The state database was written by a newer version of the supervisor."""


class Store:
    """The state database. Opens by itself when used; while it cannot be opened or written, calls raise StoreError."""

    def __init__(self, path: Path, migrations: tuple[Migration, ...], clock: Clock) -> None:
        self.path = path
        self.set_aside: Path | None = None
        self.problem = ""
        self._migrations = tuple(sorted(migrations, key=lambda migration: migration.number))
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

    async def open(self) -> None:
        """Open, check and migrate now.

        Raises: StoreError when the disk is full or failing (later calls try again); StateLocked; StateTooNew.
        """
        await self._in_thread(self._connected)

    async def write(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Run `change` in one transaction and return what it returns once the commit is on the disk.

        Raises: StoreError when it could not be committed; nothing of it is kept then.
        """
        return await self._in_thread(lambda: self._transact(change))

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run `query` and return what it returns. Raises: StoreError when the database cannot be read now."""
        return await self._in_thread(lambda: query(self._connected()))

    async def close(self) -> None:
        """Fold the write-ahead log in and close."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: self._translated(work))

    def _translated(self, work: Callable[[], T]) -> T:
        try:
            result = work()
        except sqlite3.Error as error:
            self.problem = f"{self.path}: {error}"
            if _is_broken(error):
                self._move_away(str(error))
            elif not (self._connection and self._connection.in_transaction):
                self._disconnect()
            raise StoreError(f"cannot use the state database {self.path}: {error}; {_advice(error)}") from error
        except OSError as error:
            self.problem = f"{self.path}: {error.strerror}"
            raise StoreError(f"cannot use the state database {self.path}: {error}; check its folder") from error
        self.problem = ""
        return result

    def _transact(self, change: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connected()
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = change(connection)
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        return result

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._connection = self._open_checked()
            except sqlite3.DatabaseError as error:
                if not _is_broken(error):
                    raise
                self._move_away(str(error))
                self._connection = self._open_checked()
        return self._connection

    def _open_checked(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=1.0)
        try:
            self.path.chmod(0o600)
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA cache_size=-512")
            connection.execute("PRAGMA journal_size_limit=1048576")
            connection.execute("PRAGMA wal_autocheckpoint=200")
            verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            if verdict != "ok":
                raise _damage(verdict)
            self._migrate(connection)
        except BaseException as error:
            connection.close()
            if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise StateLocked(
                    f"{self.path} is in use: another semsupervisor runs with this state directory; "
                    "stop it, or set another state.directory"
                ) from error
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        known = self._migrations[-1].number if self._migrations else 0
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > known:
            raise StateTooNew(
                f"{self.path} has schema {version}, this version knows up to {known}; "
                "install the newer semsupervisor again, or move the file away to begin afresh"
            )
        for migration in self._migrations:
            if migration.number > version:
                connection.executescript(
                    f"BEGIN IMMEDIATE; {migration.sql}; PRAGMA user_version={migration.number}; COMMIT;"
                )

    def _move_away(self, why: str) -> None:
        self._disconnect()
        stamp = self._clock.now().strftime("%Y%m%d-%H%M%S")
        target = self.path.with_name(f"{self.path.name}.broken-{stamp}")
        for part in _PARTS:
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self.path}{part}").replace(f"{target}{part}")
        self.set_aside = target
        log.error("store.set_aside", path=str(self.path), moved_to=str(target), error=why)

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None


def _is_broken(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code & 0xFF) in _BROKEN


def _damage(verdict: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(verdict)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _advice(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return "free space on its disk; until then nothing is lost but what a crash would take"
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        return "let the daemon's user write to its folder"
    return "check its disk (dmesg)"
