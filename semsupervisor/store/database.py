"""The state database: SQLite in WAL mode, one connection in one thread, every commit synced to the disk.

The connection holds an exclusive lock: a second daemon on the same state is refused, and no shared-memory file is
needed, so that a database can be opened on a full disk. A broken database is set aside, never repaired in place;
what can still be read of it can be salvaged. One whose file was taken away under it would be written to for ever and
found by nobody: each call looks whether it is there, and a fresh one is begun.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import structlog

from semsupervisor.errors import PermanentError, StoreError
from semsupervisor.kit.clock import Clock
from semsupervisor.store import trouble
from semsupervisor.store.asides import Asides
from semsupervisor.store.presence import Presence
from semsupervisor.store.worker import Silent, Worker

log = structlog.get_logger(__name__)

T = TypeVar("T")

_RESTART = (
    "its folder was taken away, and cannot be made again from here: when `semsupervisor outbox` shows that nothing "
    "waits any more, type systemctl restart semsupervisor; until then it goes on from memory"
)


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


class StoreRenewed(StoreError):
    """The database is another one than the caller knew of: what was in that one has to be written again first."""


class Store:
    """The state database. Opens by itself when used; while it cannot be opened or written, calls raise StoreError.

    `set_aside` is where a broken database was moved, `removed_total` how often the file was taken away. `generation`
    counts both: rows that were written before it changed are in the database no more. Reads wait for one another, so
    that a write waits for one at most.
    """

    def __init__(self, path: Path, migrations: tuple[Migration, ...], clock: Clock) -> None:
        self.path = path
        self.set_aside: Path | None = None
        self.removed_total = 0
        self.generation = 0
        self._unwritten = ""
        self._unread = ""
        self._migrations = tuple(sorted(migrations, key=lambda migration: migration.number))
        self._asides = Asides(path, clock)
        self._connection: sqlite3.Connection | None = None
        self._presence = Presence(path)
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

    async def write(self, change: Callable[[sqlite3.Connection], T], *, generation: int | None = None) -> T:
        """Run `change` in one transaction and return what it returns once the commit is on the disk.

        Raises: StoreRenewed, with nothing changed, if a generation is given and is not that of the database any more;
        StoreError when it could not be committed; nothing of it is kept then, unless the disk hung: a change
        must be one that can be made twice.
        """
        return await self._in_thread(lambda: self._transact(change, generation), writes=True)

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run `query` and return what it returns. Raises: StoreError when the database cannot be read now."""
        async with self._one_read:
            return await self._in_thread(lambda: query(self._at_run_time()))

    async def salvage(self, query: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Return the rows that can still be read of broken databases that were set aside; none without one.

        They can be read until `end_salvage`, in later runs too. The copies are not changed. Raises: StoreError when
        the database cannot be opened now, which alone tells.
        """
        async with self._one_read:
            return await self._in_thread(lambda: self._salvaged(query, parameters))

    async def end_salvage(self) -> None:
        """Say that all that could be salvaged is in this database, on the disk. Raises: StoreError."""
        if self._asides.is_marked:
            await self._in_thread(self._asides.end_reading)

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
            if not trouble.is_temporary(error):
                raise
            raise self._failed(error, self._advised(trouble.advice(error)), writes=writes) from error
        except OSError as error:
            raise self._failed(error, self._advised(trouble.advice_for_files(error)), writes=writes) from error
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
            if trouble.is_broken(error):
                self._move_away(str(error))
            elif trouble.is_temporary(error) and not trouble.is_full(error):
                self._disconnect()
            raise

    def _note(self, problem: str, *, writes: bool) -> None:
        if writes:
            self._unwritten = problem
        else:
            self._unread = problem

    def _failed(self, error: Exception, advice: str, *, writes: bool) -> StoreError:
        self._note(f"{self.path}: {error}; {advice}", writes=writes)
        return StoreError(f"cannot use the state database {self.path}: {error}; {advice}")

    def _transact(self, change: Callable[[sqlite3.Connection], T], generation: int | None) -> T:
        connection = self._at_run_time()
        if generation not in (None, self.generation):
            raise StoreRenewed(f"{self.path} was begun afresh")
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
        if self._connection is not None and not self._presence.holds():
            self._leave_behind()
        if self._connection is None:
            self._connection = self._opened()
            self._presence.opened()
        return self._connection

    def _opened(self) -> sqlite3.Connection:
        self._asides.look()
        if self._asides.unread:
            self.set_aside = self._asides.unread[-1]
        try:
            return self._open_checked()
        except sqlite3.DatabaseError as error:
            if not trouble.is_broken(error):
                raise
            self._move_away(str(error))
            return self._open_checked()

    def _leave_behind(self) -> None:
        """Close files whose names lead elsewhere by now; if only the log is gone, closing saves what it held."""
        log.error("store.removed", path=str(self.path))
        self._disconnect()
        self.removed_total += 1
        self.generation += 1

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
                raise trouble.damage(verdict)
            self._migrate(connection)
        except BaseException as error:
            connection.close()
            if isinstance(error, sqlite3.Error) and trouble.is_locked(error):
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
        self.set_aside = self._asides.move(why)
        self.generation += 1

    def _salvaged(self, query: str, parameters: Sequence[object]) -> list[Any]:
        self._at_run_time()
        return self._asides.rows(query, parameters)

    def _advised(self, usual: str) -> str:
        """Return what to do: the usual, unless the folder was taken away and it could not be helped."""
        lost = self.removed_total and self._connection is None and self._presence.folder_is_lost()
        return _RESTART if lost else usual

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
