"""What an error of SQLite or of the system means for the state: whether a later try can help, and what to do."""

from __future__ import annotations

import errno
import sqlite3

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


def is_temporary(error: sqlite3.Error) -> bool:
    """Tell whether it is the fault of a disk, a lock or a lack of memory, and not of the statement."""
    return _code(error) in _TROUBLE


def is_broken(error: sqlite3.Error) -> bool:
    """Tell whether the file is no database, or a damaged one."""
    return _code(error) in _BROKEN


def is_full(error: sqlite3.Error) -> bool:
    """Tell whether there is no space."""
    return _code(error) == sqlite3.SQLITE_FULL


def is_locked(error: sqlite3.Error) -> bool:
    """Tell whether somebody else holds the file."""
    return _code(error) == sqlite3.SQLITE_BUSY


def damage(verdict: str) -> sqlite3.DatabaseError:
    """Return what SQLite's own check has found as the error that it stands for."""
    error = sqlite3.DatabaseError(verdict)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def advice(error: sqlite3.Error) -> str:
    """Return what an operator is to do about SQLite's error."""
    match _code(error):
        case sqlite3.SQLITE_FULL:
            return _FREE_SPACE
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN:
            return _LET_WRITE
        case _:
            return "check its disk (dmesg)"


def advice_for_files(error: OSError) -> str:
    """Return what an operator is to do about an error with the files themselves."""
    if error.errno == errno.ENOSPC:
        return _FREE_SPACE
    if error.errno == errno.EROFS:
        return "its file system is read-only: check its disk (dmesg) and mount it for writing"
    return _LET_WRITE


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's primary error code; 0 for an error of the Python module itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
