"""The backups of this host: what they are taken of, where they are kept, and which there are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

from semsupervisor.api.readings import BackupReadings, SnapshotReading
from semsupervisor.backup import catalogue, source, sparing
from semsupervisor.backup.catalogue import Entry
from semsupervisor.backup.checking import KIND as VERIFY
from semsupervisor.backup.checking import Checking
from semsupervisor.backup.checking import Request as VerifyRequest
from semsupervisor.backup.cold import KIND as COLD
from semsupervisor.backup.cold import ColdBackup
from semsupervisor.backup.cold import Means as ColdMeans
from semsupervisor.backup.cold import Request as ColdRequest
from semsupervisor.backup.folders import Folders, NoSnapshot, Space
from semsupervisor.backup.hot import KIND as HOT
from semsupervisor.backup.hot import HotBackup
from semsupervisor.backup.hot import Request as HotRequest
from semsupervisor.backup.manifest import Kind
from semsupervisor.backup.monitor import Ask
from semsupervisor.backup.stack_files import StackFiles
from semsupervisor.backup.standing import Taken, cramped, standing
from semsupervisor.backup.taking import Source, Taking
from semsupervisor.backup.verdicts import Look, Verdicts
from semsupervisor.daemon import parts, stacks
from semsupervisor.daemon.acting import Acting
from semsupervisor.daemon.configuration import host_name
from semsupervisor.daemon.scratching import Scratching
from semsupervisor.errors import StoreError, SupervisorError
from semsupervisor.health.observation import BACKUPS, Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.probes.nats_client import Door
from semsupervisor.jobs.kinds import AnyKind
from semsupervisor.jobs.runner import Asked
from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.operations.stack import StackSteps
from semsupervisor.settings.model import Settings
from semsupervisor.systems.docker import Docker
from semsupervisor.systems.docker_acts import ContainerActs
from semsupervisor.systems.docker_archive import Archive

log = structlog.get_logger(__name__)

LOOK_SECONDS = 60.0
FOLDER_SECONDS = 8.0

NOT_LOOKED = Unknown("the snapshots have not been looked at yet")

T = TypeVar("T")


class Seen(msgspec.Struct, frozen=True):
    """What the last look at the folder found: our snapshots, the newest first, and the disk that they are on."""

    taken: Sequence[Taken]
    space: Space
    same_disk: bool


class Backups:
    """Knows the snapshots, and makes the kinds of job that take and verify them."""

    name = "backups"

    def __init__(
        self,
        settings: Callable[[], Settings],
        means: parts.Means,
        latest: Callable[[], Mapping[tuple[Subject, str], Observation]],
        verdicts: Verdicts,
        docker: Docker,
        stack: StackSteps,
        *,
        scratching: Scratching,
    ) -> None:
        self._settings = settings
        self._means = means
        self._latest = latest
        self._verdicts = verdicts
        self._docker = docker
        self._stack = stack
        self._scratching = scratching
        self._taken: Mapping[Kind, Sequence[str]] = {}
        self._calls = BlockingCalls()
        self._order = asyncio.Lock()
        self.newest_good: Entry | None = None
        self._seen: Seen | Unknown = NOT_LOOKED

    def kinds(self) -> Sequence[AnyKind]:
        """Return the kinds of job."""
        taking = Taking(self._means.clock, self._directory, self._source(), self._verdicts.record)
        cold = ColdBackup(
            taking,
            self._stack,
            ColdMeans(
                acts=ContainerActs(self._docker),
                names=partial(stacks.names, self._settings),
                archive=partial(Archive, self._docker.socket),
            ),
        )
        self._taken = {
            Kind.HOT: [step.title for step in HotBackup(taking).kind().steps(HotRequest())],
            Kind.COLD: [step.title for step in cold.kind().steps(ColdRequest())],
        }
        scratching = self._scratching
        checking = Checking(self._directory, self._verdicts.record, scratching.means(), scratching.turn)
        return HotBackup(taking).kind(), cold.kind(), checking.kind()

    async def look(self) -> None:
        """See which snapshot is the newest good one; a folder that cannot be read leaves it as it was."""
        try:
            found = await self._all()
            homes = self._means.containers().values()
            folders = [folder for one in homes for folder in one.folders]
            space, same_disk = await self._in_folder(lambda target: (target.space(), target.shares_disk(folders)))
        except SupervisorError as error:
            log.warning("backups.not_seen", error=str(error))
            self._seen = Unknown(str(error))
        else:
            self.newest_good = next((one.entry for one in found if one.good), None)
            taken = [_taken(one) for one in found if one.entry.taken_at is not None]
            self._seen = Seen(taken, space, same_disk)

    async def observe(self) -> Sequence[Observation]:
        """Return how the backups stand as the last look at their folder found them, and how old they are now."""
        at = self._means.clock.instant()
        if isinstance(self._seen, Unknown):
            facts = dict.fromkeys(("snapshots", "good_age_seconds"), self._seen)
            return [Observation(self.name, BACKUPS, at, facts, {"error": self._seen.reason}, Outcome.UNKNOWN)]
        seen = self._seen
        found = standing(seen.taken, seen.space.free_bytes, same_disk=seen.same_disk, now=at.wall)
        return [Observation(self.name, BACKUPS, at, found.facts, found.evidence)]

    @property
    def newest_complete(self) -> str:
        """Return the id of the newest snapshot that lacks nothing, as the last look found it; empty where is none."""
        taken = () if isinstance(self._seen, Unknown) else self._seen.taken
        return next((one.id for one in taken if one.complete), "")

    async def replaces(self, snapshot_id: str) -> bool:
        """Tell whether a snapshot is there, and may stand for older ones. Raises: Hanging; TemporaryError."""
        try:
            return replaces(await self._one(snapshot_id))
        except NoSnapshot:
            return False

    def cramped(self) -> str:
        """Return why the next one would leave the data's own disk too little room, as the last look found it."""
        return room(self._seen, self._latest().values())

    async def spared(self, settled_at: datetime | None) -> str:
        """Return why no old snapshot is to go by itself, empty where nothing speaks against it.

        `settled_at` is when somebody has last removed old ones by hand. Raises: Hanging; TargetUnusable; StoreError.
        """
        entries, looks = await self._in_folder(catalogue.entries), await self._verdicts.latest()
        return sparing.why(entries, looks, host_name(self._settings()), settled_at)

    def readings(self, acting: Acting) -> BackupReadings:
        """Return what the API may read and ask for."""

        async def now(kind: Kind, note: str, by: str) -> Asked:
            match kind:
                case Kind.HOT:
                    return await acting.submit(HOT, HotRequest(note), by)
                case Kind.COLD:
                    return await acting.submit(COLD, ColdRequest(note), by)

        async def verify(snapshot_id: str, level: int, by: str) -> Asked:
            await self._in_folder(lambda folders: folders.path(snapshot_id))
            return await acting.submit(VERIFY, VerifyRequest(snapshot_id, level), by)

        return BackupReadings(
            all=self._all,
            one=self._one,
            newest_good=lambda: self.newest_good,
            now=now,
            plan=self._taken.__getitem__,
            verify=verify,
        )

    def _source(self) -> Source:
        def door() -> Door:
            return parts.door(self._settings().checks.nats, self._means)

        def ask() -> Ask:
            return parts.monitor(self._settings().checks.nats, self._means).ask

        def files() -> StackFiles:
            return source.files(Path(self._settings().stack.directory), self._means.containers().values())

        return Source(
            opened=partial(source.opened, self._means.clock, door, ask),
            files=files,
            images=lambda: source.images(self._means.containers()),
            nats_version=lambda: nats_version(self._latest().values()),
            host=lambda: host_name(self._settings()),
        )

    def _directory(self) -> Path:
        return Path(self._settings().backup.directory)

    async def _all(self) -> Sequence[SnapshotReading]:
        entries = await self._in_folder(catalogue.entries)
        looks = await self._looks()
        return [SnapshotReading(entry=entry, look=looks.get(entry.id)) for entry in entries]

    async def _one(self, snapshot_id: str) -> SnapshotReading:
        entry, manifest = await self._in_folder(partial(catalogue.find, snapshot_id=snapshot_id))
        return SnapshotReading(entry=entry, look=(await self._looks()).get(snapshot_id), manifest=manifest)

    async def _looks(self) -> Mapping[str, Look]:
        """Return the last look at each snapshot; a database that fails keeps nobody from seeing the snapshots."""
        try:
            return await self._verdicts.latest()
        except StoreError as error:
            log.warning("backups.looks_unknown", error=str(error))
            return {}

    async def _in_folder(self, ask: Callable[[Folders], T]) -> T:
        """Return what the folder of the snapshots says. Raises: Hanging; what `ask` raises."""
        directory = self._directory()
        async with self._order:
            return await self._calls.run(str(directory), lambda: ask(Folders(directory)), FOLDER_SECONDS)


def replaces(one: SnapshotReading) -> bool:
    """Tell whether a snapshot is good and lacks nothing that the one before had, so that older ones may go."""
    return one.good and not one.entry.suspicions


def _taken(one: SnapshotReading) -> Taken:
    entry = one.entry
    return Taken(
        id=entry.id,
        taken_at=entry.taken_at or datetime.min.replace(tzinfo=UTC),
        took_seconds=entry.took_seconds,
        size_bytes=entry.size_bytes,
        content_bytes=entry.content_bytes,
        complete=entry.complete,
        good=one.good,
        left_out=tuple(f"{left.what}: {left.why}" for left in entry.left_out if left.is_fault),
        suspicions=entry.suspicions,
        damage=one.look.damage if one.look else (),
    )


def nats_version(latest: Iterable[Observation]) -> str:
    """Return the version that NATS was last seen with, empty before it was."""
    seen = (one.facts.get("version") for one in latest if one.subject.kind is SubjectKind.NATS)
    return next((version for version in seen if isinstance(version, str)), "")


def stored_bytes(latest: Iterable[Observation]) -> float | None:
    """Return what our account was last seen to hold on disk in NATS, None while that is not known."""
    seen = [one.facts.get("account_storage_used_bytes") for one in latest if one.subject.kind is SubjectKind.NATS]
    return next((float(held) for held in seen if isinstance(held, int | float)), None)


def room(seen: Seen | Unknown, latest: Iterable[Observation]) -> str:
    """Return why the next snapshot would leave the data's own disk too little room, empty where it leaves enough.

    A folder that cannot be looked at is no reason: a backup that is tried tells of it.
    """
    if isinstance(seen, Unknown):
        return seen.reason if seen is NOT_LOOKED else ""
    if not seen.same_disk:
        return ""
    known = stored_bytes(latest)
    last_bytes = seen.taken[0].content_bytes if seen.taken else 0
    return cramped(last_bytes if known is None else known, seen.space.free_bytes, seen.space.size_bytes)
