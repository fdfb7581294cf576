"""What is kept of jobs: the table `jobs`, and the mirror of those that are open."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import msgspec
import structlog

from semsupervisor.errors import StoreError
from semsupervisor.jobs import calendar
from semsupervisor.jobs.mirror import Mirror
from semsupervisor.jobs.record import JobRecord, JobState, unreadable
from semsupervisor.jobs.steps import newer
from semsupervisor.kit.blocking import BlockingCalls, Hanging
from semsupervisor.store.database import Migration, Store
from semsupervisor.store.journal import Journal

log = structlog.get_logger(__name__)

MIRROR_SECONDS = 5.0

T = TypeVar("T")

MIGRATIONS = (
    Migration(
        300,
        """
        CREATE TABLE jobs (
            id TEXT PRIMARY KEY, kind TEXT NOT NULL, is_open INTEGER NOT NULL, body TEXT NOT NULL
        );
        CREATE INDEX jobs_open ON jobs (is_open);
        """,
    ),
    *calendar.MIGRATIONS,
)
_OPEN = "SELECT id, body FROM jobs WHERE is_open = 1 ORDER BY id"
_NEWEST = "SELECT body FROM jobs ORDER BY id DESC LIMIT ?"
_OF_KIND = "SELECT body FROM jobs WHERE kind = ? AND is_open = 0 ORDER BY id DESC"
_ONE = "SELECT body FROM jobs WHERE id = ?"


class JobBook:
    """The only writer and reader of jobs' records."""

    def __init__(self, store: Store, journal: Journal, mirror: Mirror) -> None:
        self._store = store
        self._journal = journal
        self._mirror = mirror
        self._calls = BlockingCalls()

    async def hold(self) -> None:
        """Keep every other process from carrying out jobs. Raises: JobsHeld; StoreError."""
        await self._mirrored("hold", self._mirror.hold)

    def release(self) -> None:
        """Let others carry out jobs."""
        self._mirror.release()

    async def write(self, job: JobRecord) -> None:
        """Put a record on the disk; what follows from it may be done when this returns.

        Raises: StoreError when it is not there. A database that fails is no obstacle while the mirror holds it.
        """
        if job.is_open:
            await self._mirrored(job.id, partial(self._mirror.write, job))
        in_database = await self._journal.commit(lambda connection: _save(connection, job))
        if not job.is_open and in_database:
            await self._mirrored(job.id, partial(self._mirror.remove, job.id))
        elif not job.is_open:
            await self._mirrored(job.id, partial(self._mirror.write, job))

    async def open_jobs(self) -> Sequence[JobRecord]:
        """Return the jobs that an earlier run left open, oldest first, from the mirror and the database together.

        Raises: StoreError when neither can be read.
        """
        mirrored = {job.id: job for job in await self._mirrored("the open jobs", self._mirror.read)}
        try:
            stored = await self._store.read(lambda connection: connection.execute(_OPEN).fetchall())
        except StoreError as error:
            log.error("jobs.database_unreadable", error=str(error))
            stored = []
        for job_id, body in stored:
            job = _decoded_open(job_id, body)
            mirrored[job.id] = newer(mirrored.get(job.id, job), job)
        for ended in [job for job in mirrored.values() if not job.is_open]:
            await self.write(ended)
        return sorted((job for job in mirrored.values() if job.is_open), key=lambda job: job.id)

    async def newest(self, limit: int) -> Sequence[JobRecord]:
        """Return the newest jobs, ended or not, newest first. Raises: StoreError."""
        return _decoded(await self._store.read(lambda connection: connection.execute(_NEWEST, (limit,)).fetchall()))

    async def last_done(self, kind: str, besides: str) -> JobRecord | None:
        """Return the newest of a kind that is done, None if there is none, whoever but `besides` has asked for it.

        Raises: StoreError.
        """

        def find(connection: sqlite3.Connection) -> JobRecord | None:
            ended = (job for row in connection.execute(_OF_KIND, (kind,)) for job in _decoded([row]))
            return next((job for job in ended if job.state is JobState.DONE and job.asked_by != besides), None)

        return await self._store.read(find)

    async def find(self, job_id: str) -> JobRecord | None:
        """Return one job, None if there is none. Raises: StoreError."""
        found = _decoded(await self._store.read(lambda connection: connection.execute(_ONE, (job_id,)).fetchall()))
        return found[0] if found else None

    async def _mirrored(self, key: str, call: Callable[[], T]) -> T:
        """Do something with the mirror; a disk that hangs holds nothing else up. Raises: StoreError."""
        try:
            return await self._calls.run(key, call, MIRROR_SECONDS)
        except Hanging as error:
            raise StoreError(f"the folder of the open jobs does not answer: {error}") from error


def trim(connection: sqlite3.Connection, keep: int) -> None:
    """Keep the newest `keep` jobs that have ended."""
    connection.execute(
        "DELETE FROM jobs WHERE is_open = 0 AND id NOT IN "
        "(SELECT id FROM jobs WHERE is_open = 0 ORDER BY id DESC LIMIT ?)",
        (keep,),
    )


def _save(connection: sqlite3.Connection, job: JobRecord) -> None:
    body = msgspec.json.encode(job).decode()
    connection.execute(
        "INSERT OR REPLACE INTO jobs (id, kind, is_open, body) VALUES (?, ?, ?, ?)",
        (job.id, job.kind, int(job.is_open), body),
    )


def _decoded_open(job_id: str, body: str) -> JobRecord:
    try:
        return msgspec.json.decode(body, type=JobRecord)
    except msgspec.DecodeError as error:
        return unreadable(job_id, f"its row in the state database cannot be read: {error}")


def _decoded(rows: Sequence[tuple[str]]) -> list[JobRecord]:
    found = []
    for (body,) in rows:
        try:
            found.append(msgspec.json.decode(body, type=JobRecord))
        except msgspec.DecodeError as error:
            log.error("jobs.row_unreadable", error=str(error))
    return found
