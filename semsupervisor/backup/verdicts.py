"""What was found when snapshots were looked at: the table `snapshot_verdicts`. What is lost can be found again."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime

import msgspec
import structlog

from semsupervisor.backup.comparing import Content
from semsupervisor.backup.verify import Verdict
from semsupervisor.kit.clock import Clock
from semsupervisor.store.database import Migration, Store
from semsupervisor.store.journal import Journal

log = structlog.get_logger(__name__)

MIGRATIONS = (
    Migration(
        310,
        "CREATE TABLE snapshot_verdicts (snapshot TEXT PRIMARY KEY, body TEXT NOT NULL);",
    ),
)

# Names and sizes alone prove nothing of what is in the files.
PROVING_LEVEL = 1

_ONE = "SELECT body FROM snapshot_verdicts WHERE snapshot = ?"


class Look(msgspec.Struct, frozen=True):
    """One look at a snapshot: when it was, up to which level it went, and what it found damaged, in words.

    `streams` are what they hold, by name, if a server has counted it.
    """

    at: datetime
    level: int
    damage: tuple[str, ...] = ()
    streams: Mapping[str, Content] = {}

    @property
    def proves(self) -> bool:
        """Tell whether it was deep enough for the snapshot to count as good, and found no damage."""
        return self.level >= PROVING_LEVEL and not self.damage


class Verdicts:
    """The only writer and reader of what was found."""

    def __init__(self, store: Store, journal: Journal, clock: Clock) -> None:
        self._store = store
        self._journal = journal
        self._clock = clock

    async def record(self, snapshot_id: str, verdict: Verdict) -> None:
        """Keep what a look found, in place of what an earlier one did.

        A look that went less deep and found nothing tells nothing against one that went deeper.
        """
        new = Look(self._clock.now(), verdict.level, verdict.damage, verdict.streams)
        body = msgspec.json.encode(new).decode()

        def write(connection: sqlite3.Connection) -> None:
            known = connection.execute(
                "SELECT body FROM snapshot_verdicts WHERE snapshot = ?", (snapshot_id,)
            ).fetchone()
            if known and not new.damage and new.level < _level(known[0]):
                return
            connection.execute(
                "INSERT OR REPLACE INTO snapshot_verdicts (snapshot, body) VALUES (?, ?)", (snapshot_id, body)
            )

        await self._journal.commit(write)

    async def latest(self) -> Mapping[str, Look]:
        """Return the last look at each snapshot, by its id. Raises: StoreError."""
        rows = await self._store.read(
            lambda connection: connection.execute("SELECT snapshot, body FROM snapshot_verdicts").fetchall()
        )
        found = {}
        for snapshot_id, body in rows:
            try:
                found[snapshot_id] = msgspec.json.decode(body, type=Look)
            except msgspec.DecodeError as error:
                log.error("verdicts.row_unreadable", snapshot=snapshot_id, error=str(error))
        return found


def _level(body: str) -> int:
    """Return up to which level a look went that is kept; one that cannot be read counts as none."""
    try:
        return msgspec.json.decode(body, type=Look).level
    except msgspec.DecodeError:
        return -1
