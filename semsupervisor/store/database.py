"""The state database: SQLite in WAL mode, one connection in one thread, every commit synced to the disk.

The connection holds an exclusive lock: a second daemon on the same state is refused, and no shared-memory file is
needed, so that a database can be opened on a full disk. A broken database is set aside, never repaired in place;
what can still be read of it can be salvaged.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import structlog

from semsupervisor.errors import PermanentError, StoreError
from semsupervisor.kit.clock import Clock
from semsupervisor.store.worker import Silent, Worker

log = structlog.get_logger(__name__)

T = TypeVar("T")

_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# What a disk, a lock or a lack of memory can do. Any other error is a faulty statement: no later try would mend it.
_TROUBLE = (
    *_BROKEN,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOLFS,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
)
_FREE_SPACE = "free space on its disk; until then nothing is lost but what a crash would take"
_LET_WRITE = "let the daemon's user write to its folder"
_PARTS = ("", "-wal", "-shm")


class Migration(msgspec.Struct, frozen=True):
    """One step of the schema, forward only; numbers are unique in the whole program and applied in their order.

    Each is applied once, also when a greater number was applied before: chapters number their own tables apart.
    """

    number: int
    sql: str


class StateLocked(PermanentError):
    """Another process holds the state database."""


class StateTooNew(PermanentError):
    """The state database was written by a newer version of the supervisor."""


class Store:
    """The state database. Opens by itself when used; while it cannot be opened or written, calls raise StoreError.

    `set_aside` is where a broken database was moved. Reads wait for one another, so that a write waits for one at most.
    """

    def __init__(self, path: Path, migrations: tuple[Migration, ...], clock: Clock) -> None:
        self.path = path
        self.set_aside: Path | None = None
        self._unwritten = ""
        self._unread = ""
        self._migrations = tuple(sorted(migrations, key=lambda migration: migration.number))
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._worker = Worker("store")
        self._one_read = asyncio.Lock()

    @property
    def problem(self) -> str:
        """Return what failed last, empty while all is well; only a write that works ends a problem of writing."""
        return self._unwritten or self._unread

    async def open(self) -> None:
        """Open, check and migrate now.

        Raises: StoreError when the disk is full or failing (later calls try again); StateLocked; StateTooNew.
        """
        await self._in_thread(self._connected)

    async def write(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Run `change` in one transaction and return what it returns once the commit is on the disk.

        Raises: StoreError when it could not be committed; nothing of it is kept then, unless the disk hung: a change
        must be one that can be made twice.
        """
        return await self._in_thread(lambda: self._transact(change), writes=True)

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run `query` and return what it returns. Raises: StoreError when the database cannot be read now."""
        async with self._one_read:
            return await self._in_thread(lambda: query(self._at_run_time()))

    async def salvage(self, query: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Return the rows that can still be read of the broken database that was set aside; none without one.

        The copy is not changed. Raises: StoreError when the database cannot be opened now, which alone tells.
        """
        async with self._one_read:
            return await self._in_thread(lambda: self._salvaged(query, parameters))

    async def close(self) -> None:
        """Fold the write-ahead log in and close."""
        try:
            await self._in_thread(self._disconnect)
        except StoreError as error:
            log.error("store.not_closed", error=str(error))
        self._worker.stop()

    async def _in_thread(self, work: Callable[[], T], *, writes: bool = False) -> T:
        try:
            return await self._worker.run(lambda: self._translated(work, writes=writes))
        except Silent as error:
            raise self._failed(error, "check it (dmesg)", writes=writes) from error

    def _translated(self, work: Callable[[], T], *, writes: bool) -> T:
        try:
            result = self._watched(work)
        except sqlite3.Error as error:
            if _code(error) not in _TROUBLE:
                raise
            raise self._failed(error, _advice(error), writes=writes) from error
        except OSError as error:
            raise self._failed(error, _advice_for_files(error), writes=writes) from error
        except StoreError as error:
            self._note(str(error), writes=writes)
            raise
        self._unread = ""
        if writes:
            self._unwritten = ""
        return result

    def _watched(self, work: Callable[[], T]) -> T:
        """Run `work` and leave the connection behind where it may be the reason why it failed."""
        try:
            return work()
        except sqlite3.Error as error:
            if _code(error) in _BROKEN:
                self._move_away(str(error))
            elif _code(error) in _TROUBLE and _code(error) != sqlite3.SQLITE_FULL:
                self._disconnect()
            raise

    def _note(self, problem: str, *, writes: bool) -> None:
        if writes:
            self._unwritten = problem
        else:
            self._unread = problem

    def _failed(self, error: Exception, advice: str, *, writes: bool) -> StoreError:
        self._note(f"{self.path}: {error}", writes=writes)
        return StoreError(f"cannot use the state database {self.path}: {error}; {advice}")

    def _transact(self, change: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._at_run_time()
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = change(connection)
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        return result

    def _at_run_time(self) -> sqlite3.Connection:
        """Return the connection; where opening is refused for good, that is only one more reason to wait by now."""
        try:
            return self._connected()
        except PermanentError as error:
            raise StoreError(str(error)) from error

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._connection = self._open_checked()
            except sqlite3.DatabaseError as error:
                if _code(error) not in _BROKEN:
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
            if isinstance(error, sqlite3.Error) and _code(error) == sqlite3.SQLITE_BUSY:
                raise StateLocked(
                    f"{self.path} is in use: another semsupervisor runs with this state directory; "
                    "stop it, or set another state.directory"
                ) from error
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY)")
        applied = {int(row[0]) for row in connection.execute("SELECT number FROM migrations")}
        newer = applied - {migration.number for migration in self._migrations}
        if newer:
            raise StateTooNew(
                f"{self.path} was written by a newer version, which this one does not know (schema {max(newer)}); "
                "install the newer semsupervisor again, or move the file away to begin afresh"
            )
        for migration in self._migrations:
            if migration.number not in applied:
                applied_now = f"INSERT INTO migrations VALUES ({migration.number})"  # noqa: S608 - a number of our own
                connection.executescript(f"BEGIN IMMEDIATE; {migration.sql}; {applied_now}; COMMIT;")

    def _move_away(self, why: str) -> None:
        self._disconnect()
        name = f"{self.path.name}.broken-{self._clock.now():%Y%m%d-%H%M%S}"
        places = (self.path.with_name(name if number == 1 else f"{name}-{number}") for number in itertools.count(1))
        target = next(place for place in places if not place.exists())
        for part in _PARTS:
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self.path}{part}").replace(f"{target}{part}")
        self.set_aside = target
        log.error("store.set_aside", path=str(self.path), moved_to=str(target), error=why)

    def _salvaged(self, query: str, parameters: Sequence[object]) -> list[Any]:
        rows: list[Any] = []
        self._at_run_time()
        if self.set_aside is None:
            return rows
        copy = f"{self.set_aside.absolute().as_uri()}?mode=ro"
        try:
            with contextlib.closing(sqlite3.connect(copy, uri=True)) as connection:
                rows.extend(connection.execute(query, parameters))
        except sqlite3.Error as error:
            log.warning("store.salvage_incomplete", path=str(self.set_aside), rows=len(rows), error=str(error))
        return rows

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's primary error code; 0 for an error of the Python module itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _damage(verdict: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(verdict)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _advice(error: sqlite3.Error) -> str:
    match _code(error):
        case sqlite3.SQLITE_FULL:
            return _FREE_SPACE
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN:
            return _LET_WRITE
        case _:
            return "check its disk (dmesg)"


def _advice_for_files(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return _FREE_SPACE
    if error.errno == errno.EROFS:
        return "its file system is read-only: check its disk (dmesg) and mount it for writing"
    return _LET_WRITE
