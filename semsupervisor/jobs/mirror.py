"""Open jobs in small files beside the database, each whole or not there: what was begun outlives a broken database.

A job's file is on the disk before the job's next act, and removed when the job has ended. It is what counts; the
database's row follows it, and serves those who ask what happened.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import structlog

from semsupervisor.errors import StoreError
from semsupervisor.jobs.record import JobRecord, unreadable
from semsupervisor.kit.files import sync_folder, write_atomically

log = structlog.get_logger(__name__)

SUFFIX = ".json"


class JobsHeld(StoreError):
    """Another process carries out the jobs of this state."""


class Mirror:
    """The folder of the open jobs. Its calls block: they are for a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: int | None = None

    def hold(self) -> None:
        """Keep every other process from carrying out jobs, until `release` or the end of this one.

        Raises: JobsHeld; StoreError.
        """
        if self._held is not None:
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            held = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise StoreError(f"cannot hold the open jobs in {self._folder}: {error.strerror}") from error
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(held)
            advice = "it looks after them itself, and tries one once more by semsupervisor jobs settle ID"
            raise JobsHeld(f"another semsupervisor carries out the jobs in {self._folder}: {advice}") from error
        self._held = held

    def release(self) -> None:
        """Let others carry out jobs."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def write(self, job: JobRecord) -> None:
        """Put a job's record on the disk. Raises: StoreError."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._file(job.id), msgspec.json.encode(job))
        except OSError as error:
            raise StoreError(f"cannot write down the job {job.id} in {self._folder}: {error.strerror}") from error

    def remove(self, job_id: str) -> None:
        """Forget a job that has ended. Raises: StoreError."""
        try:
            self._file(job_id).unlink(missing_ok=True)
            sync_folder(self._folder)
        except OSError as error:
            raise StoreError(f"cannot remove {self._file(job_id)}: {error.strerror}") from error

    def read(self) -> Sequence[JobRecord]:
        """Return the jobs that are open, oldest first; a file that cannot be read stands for a job that is stuck.

        Raises: StoreError when the folder itself cannot be read.
        """
        try:
            if not self._folder.is_dir():
                return ()
            files = sorted(self._folder.glob(f"*{SUFFIX}"))
        except OSError as error:
            raise StoreError(f"cannot read the open jobs in {self._folder}: {error.strerror}") from error
        return [_read(file) for file in files]

    def _file(self, job_id: str) -> Path:
        return self._folder / f"{job_id}{SUFFIX}"


def _read(file: Path) -> JobRecord:
    try:
        return msgspec.json.decode(file.read_bytes(), type=JobRecord)
    except (OSError, msgspec.DecodeError) as error:
        log.error("jobs.unreadable", file=str(file), error=str(error))
        return unreadable(file.stem, f"{file} cannot be read: {error}")
