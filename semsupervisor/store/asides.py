"""Broken databases that were moved away: kept, and read until all that could be saved of them is in the fresh one.

A marker beside the database names those that are still to be read. It is written before the move and removed when
what was read of them is on the disk, so that a kill at any instant in between costs nothing: the next start reads on.
All of it blocks; it belongs into the store's thread.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from semsupervisor.kit.clock import Clock
from semsupervisor.kit.failpoints import reach
from semsupervisor.kit.files import sync_folder, write_atomically

log = structlog.get_logger(__name__)

# Each is as large as the database was; a second one shows whether it was the first time.
KEPT = 2
_PARTS = ("", "-wal", "-shm")


class Asides:
    """The broken databases beside the one at `path`; `is_marked` says whether there is a marker, as far as known."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._marker = path.with_name(f"{path.name}.salvage")
        self._clock = clock
        self._unread: tuple[Path, ...] = ()
        self.is_marked = False

    @property
    def unread(self) -> tuple[Path, ...]:
        """Return those from which something may still have to be saved, oldest first, as known since `look`."""
        return self._unread

    def look(self) -> None:
        """Read the marker, and finish a move that a kill cut short. Raises: OSError."""
        self._unread = tuple(place for place in self._named() if place.exists())
        if self._unread and not self._path.exists():
            self._move_to(self._unread[-1])

    def move(self, why: str) -> Path:
        """Move the database away and return where it is now. Raises: OSError; then it is where it was."""
        target = self._free_place()
        places = (*self._unread, target)
        write_atomically(self._marker, "\n".join(place.name for place in places).encode())
        self.is_marked = True
        reach("set_aside.marked")
        self._move_to(target)
        self._unread = places
        log.error("store.set_aside", path=str(self._path), moved_to=str(target), error=why)
        reach("set_aside.moved")
        try:
            self._prune()
        except OSError as error:
            log.warning("store.copies_not_removed", path=str(self._path.parent), error=str(error))
        return target

    def end_reading(self) -> None:
        """Take it that all that could be saved of them is on the disk. Raises: OSError."""
        if not self.is_marked:
            return
        reach("set_aside.saved")
        self._marker.unlink(missing_ok=True)
        sync_folder(self._path.parent)
        self._unread, self.is_marked = (), False

    def rows(self, query: str, parameters: Sequence[object]) -> list[Any]:
        """Return the rows that can still be read of those not yet read to the end, oldest first; no copy is changed."""
        rows: list[Any] = []
        for place in self._unread:
            before = len(rows)
            copy = f"{place.absolute().as_uri()}?mode=ro"
            try:
                with contextlib.closing(sqlite3.connect(copy, uri=True)) as connection:
                    rows.extend(connection.execute(query, parameters))
            except sqlite3.Error as error:
                log.warning("store.salvage_incomplete", path=str(place), rows=len(rows) - before, error=str(error))
        return rows

    def _named(self) -> list[Path]:
        """Return what the marker names, as far as it makes sense."""
        try:
            names = self._marker.read_text(errors="replace").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return []
        self.is_marked = True
        return [self._path.with_name(name) for name in names if self._is_copy(name)]

    def _is_copy(self, name: str) -> bool:
        return name.startswith(f"{self._path.name}.broken-") and not name.endswith(_PARTS[1:]) and "/" not in name

    def _move_to(self, target: Path) -> None:
        """Move what is there: the database first, so that what is left behind by a kill is known to belong to it."""
        for part in _PARTS:
            source, place = Path(f"{self._path}{part}"), Path(f"{target}{part}")
            if source.exists() and not place.exists():
                source.replace(place)
            reach("set_aside.half_moved")
        sync_folder(self._path.parent)

    def _free_place(self) -> Path:
        name = f"{self._path.name}.broken-{self._clock.now():%Y%m%d-%H%M%S}"
        places = (self._path.with_name(name if number == 1 else f"{name}-{number}") for number in itertools.count(1))
        return next(place for place in places if not place.exists())

    def _prune(self) -> None:
        """Keep the newest few, and those that are still to be read whatever the clock has called them."""
        copies = [place for place in self._path.parent.iterdir() if self._is_copy(place.name)]
        copies.sort(key=lambda place: place.stat().st_mtime_ns)
        for place in copies[:-KEPT]:
            if place not in self._unread:
                for part in _PARTS:
                    Path(f"{place}{part}").unlink(missing_ok=True)
                log.warning("store.copy_removed", path=str(place), kept=KEPT)
