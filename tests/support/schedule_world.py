"""Schedules on the real runner of jobs and a real database; what the jobs do is made up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from semsupervisor.backup import checking, hot, pruning, sparing
from semsupervisor.backup.catalogue import Entry
from semsupervisor.backup.verdicts import Look
from semsupervisor.daemon.acting import Acting
from semsupervisor.daemon.plans import BackupPlans
from semsupervisor.daemon.predecessors import Predecessors
from semsupervisor.daemon.scheduling import Schedules
from semsupervisor.daemon.serving import no_server
from semsupervisor.errors import TemporaryError
from semsupervisor.health.observation import FactValue, Observation, Subject, SubjectKind
from semsupervisor.jobs import book
from semsupervisor.jobs.book import JobBook
from semsupervisor.jobs.calendar import Calendar
from semsupervisor.jobs.kinds import AnyKind, JobKind
from semsupervisor.jobs.mirror import Mirror
from semsupervisor.jobs.record import JobRecord
from semsupervisor.kit.blocking import Hanging
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.settings.model import BackupSettings, Settings
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Journal
from semsupervisor.systems.containers import Container, Owner
from semsupervisor.systems.schedules import Scheduled
from tests.support.clock import ManualClock
from tests.support.container_words import container
from tests.support.waiting import eventually
from tests.support.workshop import World

DAY = 86_400.0
HOST = "edge-7"
CRON = Scheduled("/etc/crontab", "/opt/semstreams/backup.sh")
STOP = "stack.stop"
KINDS: Mapping[str, type[msgspec.Struct]] = {
    hot.KIND: hot.Request,
    pruning.KIND: pruning.Request,
    checking.KIND: checking.Request,
    STOP: hot.Request,
}


class Snapshots:
    """What a test says of the snapshots."""

    def __init__(self) -> None:
        self.newest_complete = ""
        self.good = True
        self.too_little_room = ""
        self.trouble: TemporaryError | None = None
        self.entries: list[Entry] = []
        self.looks: dict[str, Look] = {}

    def cramped(self) -> str:
        """Tell what the test says."""
        return self.too_little_room

    async def spared(self, settled_at: datetime | None) -> str:
        """Tell what speaks against removing any of those that the test says are there."""
        return sparing.why(self.entries, self.looks, HOST, settled_at)

    async def replaces(self, snapshot_id: str) -> bool:
        """Tell what the test says."""
        assert snapshot_id
        if self.trouble:
            raise self.trouble
        return self.good


class Host:
    """One run of the schedules of backups and of the jobs on a folder; the schedule of looks is off at first."""

    def __init__(self, folder: Path, owner: TaskOwner, world: World, clock: ManualClock) -> None:
        self.clock = clock
        self.world = world
        self.settings = Settings()
        self.set(schedule="02:00")
        self.store = Store(folder / "state.db", book.MIGRATIONS, clock)
        journal = Journal(self.store)
        self.book = JobBook(self.store, journal, Mirror(folder / "jobs"))
        kinds = [_kind(name, parameters, world) for name, parameters in KINDS.items()]
        self.acting = Acting(clock, self.book, owner, kinds, self._note, self._ended)
        self.containers: dict[str, Container] = {"a": container(owner=Owner("stack", "nats"))}
        self.connected = True
        self.tab: list[Scheduled] = []
        self.tables_hang = False
        self.told: list[tuple[str, str]] = []
        self.scripts = Predecessors("/opt/semstreams", self._read)
        self.snapshots = Snapshots()
        self.plans = BackupPlans(
            lambda: self.settings, self.acting, self.snapshots, self._no_server, self.scripts
        ).plans()
        self.schedules = Schedules(clock, Calendar(self.store, journal), self.acting, lambda: HOST, self.plans)

    def set(self, *, schedule: str = "off", verify: str = "off", jitter_seconds: float = 0.0) -> None:
        """Put settings in force; days are those of UTC."""
        backup = msgspec.convert(
            {"schedule": schedule, "time_zone": "UTC", "verify": {"schedule": verify}}, BackupSettings
        )
        backup = msgspec.structs.replace(backup, jitter_seconds=jitter_seconds)
        self.settings = msgspec.structs.replace(self.settings, backup=backup)

    async def look(self, after_seconds: float = 0.0) -> list[str]:
        """Look after so long, and return the kinds of what was asked for so far, oldest first, once all has ended."""
        self.clock.advance(after_seconds)
        await self.schedules.look()
        await eventually(self._rests, within_seconds=60)
        return [job.kind for job in await self.jobs()]

    async def jobs(self) -> Sequence[JobRecord]:
        """Return what the schedules asked for so far, oldest first."""
        return [job for job in reversed(await self.acting.newest(50)) if job.asked_by.startswith("the schedule ")]

    def _no_server(self) -> str:
        facts = {"client_connected": self.connected}
        seen = Observation("nats_client", Subject(SubjectKind.NATS, "nats"), self.clock.instant(), facts)
        return no_server(self.settings.checks.nats.client, self.containers.values(), [seen])

    async def _rests(self) -> bool:
        return not self.acting.open_jobs

    def _read(self) -> Sequence[Scheduled]:
        if self.tables_hang:
            raise Hanging("the host's tables: no answer")
        return tuple(self.tab)

    async def _note(self, kind: str, subject: Subject, text: str, facts: Mapping[str, FactValue]) -> None:
        self.told.append((kind, text))

    async def _ended(self) -> None:
        pass


def _kind(name: str, parameters: type[msgspec.Struct], world: World) -> AnyKind:
    step = "snapshot" if name == hot.KIND else name.replace(".", "_")
    return JobKind(
        name=name,
        parameters=parameters,
        title=lambda _: name,
        steps=lambda _: [world.step(step)],
        exclusive=name == STOP,
    )


@asynccontextmanager
async def a_host(folder: Path, clock: ManualClock | None = None, *, taken_up: bool = True) -> AsyncIterator[Host]:
    """Run one on a folder, which an earlier one may have used."""
    async with asyncio.TaskGroup() as group:
        host = Host(folder, TaskOwner(group, ManualClock()), World(folder / "world"), clock or ManualClock())
        if taken_up:
            await host.acting.take_up()
        try:
            yield host
        finally:
            await host.acting.stop()
            await host.store.close()
