"""Which snapshots of this host are kept: by the settings, by a pin, or because a job works with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from semsupervisor.api.readings import KeepingReadings
from semsupervisor.backup.disk import Disk
from semsupervisor.backup.folders import Folders
from semsupervisor.backup.pruning import KIND, Pruning, Request, Rule
from semsupervisor.backup.retention import Policy
from semsupervisor.backup.verdicts import Verdicts
from semsupervisor.daemon.acting import Acting
from semsupervisor.daemon.configuration import host_name
from semsupervisor.jobs.kinds import AnyKind
from semsupervisor.jobs.record import JobRecord
from semsupervisor.jobs.runner import Asked
from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.zones import zone
from semsupervisor.settings.model import KeepSettings, Settings

SNAPSHOT = "snapshot"


class Keeping:
    """Knows what is kept, and makes the kind of job that removes the rest; `open_jobs` are not to be disturbed."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        clock: Clock,
        verdicts: Verdicts,
        open_jobs: Callable[[], Sequence[JobRecord]],
    ) -> None:
        self._settings = settings
        self._open_jobs = open_jobs
        self._calls = BlockingCalls()
        self._pruning = Pruning(clock, self._directory, self._rule, verdicts.latest, self._in_use)

    def kind(self) -> AnyKind:
        """Return the kind of job."""
        return self._pruning.kind()

    def readings(self, acting: Acting) -> KeepingReadings:
        """Return what the API may read and ask for."""

        async def prune(by: str) -> Asked:
            return await acting.submit(KIND, Request(), by)

        return KeepingReadings(plan=self._pruning.plan, prune=prune, pin=self._pin, unpin=self._unpin)

    async def _pin(self, snapshot_id: str, why: str) -> None:
        disk = self._disk()
        await disk.do(lambda: disk.folders.pin(snapshot_id, why))

    async def _unpin(self, snapshot_id: str) -> None:
        disk = self._disk()
        await disk.do(lambda: disk.folders.unpin(snapshot_id))

    def _disk(self) -> Disk:
        return Disk(Folders(self._directory()), self._calls)

    def _directory(self) -> Path:
        return Path(self._settings().backup.directory)

    def _rule(self) -> Rule:
        settings = self._settings()
        return Rule(policy(settings.backup.keep), zone(settings.backup.time_zone), host_name(settings))

    def _in_use(self) -> Collection[str]:
        """Return the ids of the snapshots that open jobs take or look at."""
        jobs = [job for job in self._open_jobs() if job.is_open]
        return {str(job.data.get(SNAPSHOT) or job.parameters.get(SNAPSHOT) or "") for job in jobs}


def policy(keep: KeepSettings) -> Policy:
    """Return what the settings say of keeping."""
    return Policy(
        last=keep.last,
        hourly=keep.hourly,
        daily=keep.daily,
        weekly=keep.weekly,
        monthly=keep.monthly,
        within_seconds=keep.within_seconds,
        most_bytes=keep.size_bytes,
    )
