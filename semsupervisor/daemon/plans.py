"""What is done by itself, and when: the schedules of backups and of looks at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from semsupervisor.backup import checking, hot, pruning
from semsupervisor.daemon.acting import Acting
from semsupervisor.daemon.keeping import SNAPSHOT
from semsupervisor.daemon.predecessors import Predecessors
from semsupervisor.daemon.scheduling import Plan, When
from semsupervisor.jobs.record import JobRecord, JobState
from semsupervisor.jobs.runner import Asked
from semsupervisor.settings.model import Settings

BACKUP = "backup"
VERIFY = "verify"


class Snapshots(Protocol):
    """What is known of the snapshots."""

    @property
    def newest_complete(self) -> str:
        """Return the id of the newest one that lacks nothing, empty where there is none."""
        ...

    def cramped(self) -> str:
        """Return why the next one would leave the data's own disk too little room, empty where it leaves enough."""
        ...

    async def replaces(self, snapshot_id: str) -> bool:
        """Tell whether one is there, good, and lacks nothing that the one before had. Raises: TemporaryError."""
        ...

    async def spared(self, settled_at: datetime | None) -> str:
        """Return why no old one is to go by itself, `settled_at` being when somebody last removed some by hand.

        It is empty where nothing speaks against it. Raises: TemporaryError.
        """
        ...


class BackupPlans:
    """Makes the schedules of backups. `no_server` says why there is nothing to copy from, empty where there is.

    `scripts` are those of the runbook that the host still runs.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        acting: Acting,
        snapshots: Snapshots,
        no_server: Callable[[], str],
        scripts: Predecessors,
    ) -> None:
        self._settings = settings
        self._acting = acting
        self._snapshots = snapshots
        self._no_server = no_server
        self._scripts = scripts

    def plans(self) -> Sequence[Plan]:
        """Return them."""
        return (
            Plan(
                name=BACKUP,
                kind=hot.KIND,
                when=lambda: self._when(self._settings().backup.schedule),
                obstacle=self._no_backup,
                ask=self._back_up,
                follow=self._remove_old,
            ),
            Plan(
                name=VERIFY,
                kind=checking.KIND,
                when=lambda: self._when(self._settings().backup.verify.schedule),
                obstacle=self._nothing_to_verify,
                ask=self._verify,
            ),
        )

    def _when(self, schedule: str) -> When:
        backup = self._settings().backup
        return When(schedule, backup.time_zone, backup.jitter_seconds)

    async def _no_backup(self, owed: bool) -> str:
        """Return why no backup is taken now: a script must not take one at the same time, nor may none be expected."""
        if owed or not self._scripts.known:
            await self._scripts.look()
        if not self._scripts.known:
            return "it is not known yet whether the host runs the runbook's backup.sh"
        if any(one.takes_backups for one in self._scripts.active):
            return "the host still runs the runbook's backup.sh"
        if holder := self._acting.holder():
            return f"a job holds the stack: {holder.title} ({holder.id})"
        return self._no_server() or self._snapshots.cramped()

    async def _back_up(self, by: str) -> Asked:
        return await self._acting.submit(hot.KIND, hot.Request(), by)

    async def _remove_old(self, job: JobRecord, by: str) -> None:
        """Have old snapshots removed after a backup that has turned out good, and after no other.

        Where it is suspicious, the older ones may hold what is lost; so they may after any that was, or was found
        damaged, until somebody has looked after that.
        """
        if job.state is not JobState.DONE or not await self._snapshots.replaces(str(job.data.get(SNAPSHOT, ""))):
            return
        settled = await self._acting.last_done(pruning.KIND, besides=by)
        if why := await self._snapshots.spared(settled.created_at if settled else None):
            text = f"no old snapshot is removed: {why}; what is lost may be in an older one"
            await self._acting.note("job.withheld", f"{text}. Once that is settled: semsupervisor backup prune")
            return
        await self._acting.submit(pruning.KIND, pruning.Request(), by)

    async def _nothing_to_verify(self, _: bool) -> str:
        return "" if self._snapshots.newest_complete else "there is no complete snapshot to verify"

    async def _verify(self, by: str) -> Asked:
        level = self._settings().backup.verify.level
        return await self._acting.submit(checking.KIND, checking.Request(self._snapshots.newest_complete, level), by)
