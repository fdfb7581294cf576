"""Whether the files of an open database are those to which their names lead: else what is written there is lost."""

from __future__ import annotations

from pathlib import Path

Identity = tuple[int, int]


class Presence:
    """Watches over the database at `path` and its log. It blocks for as long as the disk does."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = Path(f"{path}-wal")
        self._opened: tuple[Identity | None, Identity | None] = (None, None)

    def opened(self) -> None:
        """Take it that what the names lead to now is open."""
        self._opened = self._found()

    def holds(self) -> bool:
        """Tell whether the names still lead to what is open; yes when nobody can say."""
        (database, log), (opened, opened_log) = self._found(), self._opened
        return database is not None and database == opened and opened_log in (None, log)

    def folder_is_lost(self) -> bool:
        """Tell whether the folder is gone, or is one that was deleted and only seems to be there, as a mount may."""
        try:
            return self._path.parent.stat().st_nlink == 0
        except (FileNotFoundError, NotADirectoryError):
            return True

    def _found(self) -> tuple[Identity | None, Identity | None]:
        try:
            return _identity(self._path), _identity(self._log)
        except OSError:
            return self._opened


def _identity(path: Path) -> Identity | None:
    """Return what a path leads to, None if to nothing. Raises: OSError when that cannot be said now."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino
