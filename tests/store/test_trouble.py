"""What errors of the state mean, and what is advised."""

from __future__ import annotations

import errno
import sqlite3

import pytest

from semsupervisor.store import trouble


def failure(code: int) -> sqlite3.Error:
    """Return an error of SQLite."""
    error = sqlite3.OperationalError("it fails")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "temporary", "broken", "words"),
    [
        (sqlite3.SQLITE_CORRUPT, True, True, "dmesg"),
        (sqlite3.SQLITE_NOTADB, True, True, "dmesg"),
        (sqlite3.SQLITE_IOERR_FSYNC, True, False, "dmesg"),
        (sqlite3.SQLITE_FULL, True, False, "free space"),
        (sqlite3.SQLITE_READONLY_DBMOVED, True, False, "let the daemon's user write"),
        (sqlite3.SQLITE_CONSTRAINT, False, False, "dmesg"),
    ],
)
def test_an_error_of_the_disk_is_told_from_one_of_the_statement(
    code: int, temporary: bool, broken: bool, words: str
) -> None:
    """What a disk can do is temporary, what is damaged is broken, and each says what to do."""
    error = failure(code)
    assert (trouble.is_temporary(error), trouble.is_broken(error)) == (temporary, broken)
    assert words in trouble.advice(error)


def test_full_locked_and_damaged_are_known() -> None:
    """Each is known by its code, and an error of Python's module itself is none of them."""
    assert trouble.is_full(failure(sqlite3.SQLITE_FULL))
    assert trouble.is_locked(failure(sqlite3.SQLITE_BUSY))
    assert trouble.is_broken(trouble.damage("row 3 is missing"))
    assert not trouble.is_temporary(sqlite3.ProgrammingError("closed"))


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "free space"), (errno.EROFS, "read-only"), (errno.EACCES, "write to its")]
)
def test_an_error_with_files_says_what_to_do(number: int, words: str) -> None:
    """A full disk, one that is read-only and a missing right each have their advice."""
    assert words in trouble.advice_for_files(OSError(number, "it fails"))
