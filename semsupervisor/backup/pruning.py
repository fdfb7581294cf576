"""The job that removes the snapshots that nobody needs any more, and only those.

What is removed loses its name first, on the disk, so that a kill at any instant leaves no part of a snapshot that could
be taken for one; the next run removes the rest. What nobody took here with the supervisor is never touched.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import msgspec
import structlog

from semsupervisor.backup import catalogue
from semsupervisor.backup.catalogue import Entry
from semsupervisor.backup.disk import SYNC_SECONDS, Disk
from semsupervisor.backup.folders import Folders, NoSnapshot
from semsupervisor.backup.retention import Decision, Kept, Policy, decide
from semsupervisor.backup.verdicts import Look
from semsupervisor.errors import PermanentError
from semsupervisor.jobs.kinds import At, JobKind, Step
from semsupervisor.jobs.record import OUTCOME
from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.kit.clock import Clock

log = structlog.get_logger(__name__)

KIND = "backup.prune"
LIMIT_SECONDS = 3600.0
# A clock that is kept may be as much behind the one that a snapshot was named by.
TOLERATED_LEAD = timedelta(hours=1)


class Request(msgspec.Struct, frozen=True):
    """What a removal is asked for with: nothing, since the settings say what is kept."""


class Rule(msgspec.Struct, frozen=True):
    """What decides: the policy, the zone of its days, and the host whose snapshots they are."""

    policy: Policy
    zone: tzinfo
    host: str


class Pruning:
    """Decides what is kept, and makes the steps that remove the rest.

    `rule` is asked in a thread. `looks` are the last looks at the snapshots; `in_use` are the ids of those that an
    open job works with.
    """

    def __init__(
        self,
        clock: Clock,
        directory: Callable[[], Path],
        rule: Callable[[], Rule],
        looks: Callable[[], Awaitable[Mapping[str, Look]]],
        in_use: Callable[[], Collection[str]],
    ) -> None:
        self._clock = clock
        self._directory = directory
        self._rule = rule
        self._looks = looks
        self._in_use = in_use
        self._calls = BlockingCalls()

    def kind(self) -> JobKind[Request]:
        """Return the kind of job."""
        return JobKind(
            name=KIND,
            parameters=Request,
            title=lambda _: "removal of old snapshots",
            steps=self._steps,
            exclusive=False,
            overlaps=False,
            finishes=True,
        )

    async def plan(self) -> Sequence[Decision]:
        """Return what becomes of each snapshot, newest first, with the reasons; nothing is removed.

        Raises: PermanentError while the clock cannot be right; TargetUnusable; StoreError.
        """
        disk = self._disk()
        # The rule too is for a thread: the zone of its days stands in a file.
        entries, rule = await disk.do(lambda: (catalogue.entries(disk.folders), self._rule()))
        looks, now = await self._looks(), self._clock.now()
        _expect_clock(entries, now)
        ours = [(one, one.taken_at) for one in entries if one.taken_at is not None and one.host == rule.host]
        kept = [_kept(one, taken_at, looks.get(one.id), self._in_use()) for one, taken_at in ours]
        decided = {one.id: one for one in decide(kept, rule.policy, now, rule.zone)}
        return [decided.get(one.id) or _foreign(one) for one in entries]

    def _steps(self, _: Request) -> Sequence[Step]:
        return (
            Step(name="decide", title="Decide what is kept", do=self._decide, limit_seconds=LIMIT_SECONDS),
            Step(name="remove", title="Remove the others", do=self._remove, limit_seconds=LIMIT_SECONDS),
        )

    async def _decide(self, at: At) -> None:
        decisions = await self.plan()
        doomed = {one.id: "; ".join(one.reasons) for one in decisions if not one.keep}
        log.info("snapshots.decided", kept=len(decisions) - len(doomed), removed=doomed)
        await at.keep({"doomed": doomed, "directory": str(self._directory())})

    async def _remove(self, at: At) -> None:
        """Remove what was decided on, unless somebody has pinned it or begun to read it since."""
        disk = Disk(Folders(Path(str(at.data["directory"]))), self._calls)
        folders, doomed = disk.folders, msgspec.convert(at.data["doomed"], dict[str, str])
        await disk.do(folders.remove_rest, SYNC_SECONDS)
        for number, snapshot_id in enumerate(doomed):
            at.progress(number, len(doomed), "snapshots")
            if snapshot_id in await disk.do(folders.pins) or snapshot_id in self._in_use():
                continue
            try:
                await disk.do(_removing(folders, snapshot_id), SYNC_SECONDS)
            except NoSnapshot:
                continue  # an earlier try of this step has removed it
            log.info("snapshot.removed", snapshot=snapshot_id, why=doomed[snapshot_id])
        there = await disk.do(folders.ids)
        gone = [f"{one} ({why})" for one, why in doomed.items() if one not in there]
        await at.keep({OUTCOME: f"removed {', '.join(gone)}" if gone else "nothing had to go"})

    def _disk(self) -> Disk:
        return Disk(Folders(self._directory()), self._calls)


def _removing(folders: Folders, snapshot_id: str) -> Callable[[], None]:
    return lambda: folders.remove(snapshot_id)


def _expect_clock(entries: Sequence[Entry], now: datetime) -> None:
    """Raise PermanentError where a snapshot is of the future: the clock that decides what is old cannot be right."""
    ahead = [one.id for one in entries if one.taken_at is not None and one.taken_at - now > TOLERATED_LEAD]
    if ahead:
        raise PermanentError(
            f"the clock says {now:%Y-%m-%d %H:%M} UTC, and {ahead[0]} was taken after that: nothing is removed while "
            "one of them is wrong; set the clock, or remove that snapshot by hand"
        )


def _kept(entry: Entry, taken_at: datetime, look: Look | None, in_use: Collection[str]) -> Kept:
    """Return what is to be known of a snapshot; one that was not read yet fills its place, but proves nothing."""
    protected = "a job works with it" if entry.id in in_use else ""
    if entry.pinned is not None:
        protected = f"pinned: {entry.pinned}" if entry.pinned else "pinned"
    return Kept(
        id=entry.id,
        taken_at=taken_at,
        size_bytes=entry.size_bytes,
        good=entry.complete and not (look and look.damage),
        verified=look is not None and look.proves,
        protected=protected,
    )


def _foreign(entry: Entry) -> Decision:
    of = f"taken on the host {entry.host}" if entry.host else "not taken by the supervisor, or not to be read by it"
    return Decision(entry.id, keep=True, reasons=(f"{of}: it is yours to remove",))
