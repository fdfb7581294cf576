"""Jobs and snapshots that exist only in memory, to be set by a test as it likes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from semsupervisor.api.readings import BackupReadings, JobReadings, KeepingReadings, ScheduleReading, SnapshotReading
from semsupervisor.backup.catalogue import Entry
from semsupervisor.backup.folders import NoSnapshot
from semsupervisor.backup.manifest import FileEntry, Kind, LeftOut, Manifest, StreamEntry
from semsupervisor.backup.retention import Decision
from semsupervisor.backup.verdicts import Look
from semsupervisor.errors import SupervisorError, TemporaryError
from semsupervisor.jobs import steps
from semsupervisor.jobs.progress import Progress
from semsupervisor.jobs.record import JobRecord, JobState, StepPlan, StepRecord, StepState
from semsupervisor.jobs.runner import Asked, NotSettled, UnknownJob
from tests.support.clock import ManualClock

SNAPSHOT = "20260301-120000"


def job(job_id: str = "j1", state: JobState = JobState.DONE, **changed: Any) -> JobRecord:
    """Return a backup's job of two steps."""
    at = ManualClock().now()
    states = {
        JobState.DONE: (StepState.DONE, StepState.DONE),
        JobState.RUNNING: (StepState.DONE, StepState.BEGUN),
        JobState.QUEUED: (StepState.WAITING, StepState.WAITING),
        JobState.UNDOING: (StepState.UNDOING, StepState.UNDONE),
        JobState.UNDONE: (StepState.UNDONE, StepState.FAILED),
        JobState.STUCK: (StepState.UNDOING, StepState.FAILED),
        JobState.GIVEN_UP: (StepState.UNDOING, StepState.FAILED),
    }[state]
    plans = (StepPlan("begin", "Find room"), StepPlan("streams", "Copy the streams"))
    record = JobRecord(
        id=job_id,
        kind="backup.hot",
        title="hot backup",
        asked_by="root",
        parameters={"note": ""},
        steps=tuple(
            StepRecord(
                plan=plan,
                state=one,
                began_at=None if one is StepState.WAITING else at,
                ended_at=at if one in (StepState.DONE, StepState.FAILED, StepState.UNDONE) else None,
                error="no room" if one is StepState.FAILED else "",
            )
            for plan, one in zip(plans, states, strict=True)
        ),
        created_at=at,
        began_at=at,
        ended_at=None if state in (JobState.QUEUED, JobState.RUNNING, JobState.UNDOING, JobState.STUCK) else at,
        exclusive=False,
        state=state,
        data={"snapshot": SNAPSHOT, "streams": [{"name": "EV"}]},
    )
    return msgspec.structs.replace(record, **changed)


def snapshot(snapshot_id: str = SNAPSHOT, **changed: Any) -> SnapshotReading:
    """Return a good hot snapshot that was read through when it was taken, some values of its entry exchanged."""
    at = ManualClock().now()
    entry = Entry(
        id=snapshot_id,
        kind="hot",
        taken_at=at,
        size_bytes=3 * 2**20,
        streams=1,
        messages=300,
        complete=True,
        left_out=(LeftOut("stream MEM", "it is kept in memory", is_fault=False),),
    )
    manifest = Manifest(
        version=1,
        id=snapshot_id,
        kind=Kind.HOT,
        host="edge-7",
        supervisor="0.1",
        began_at=at,
        ended_at=at,
        files={"streams/EV/stream.tar.s2": FileEntry(3 * 2**20, "ab" * 32)},
        streams=(
            StreamEntry(
                account="$G",
                name="EV",
                file="streams/EV/stream.tar.s2",
                config={"name": "EV"},
                state={"messages": 300, "bytes": 2**20, "first_seq": 1, "last_seq": 300, "consumer_count": "?"},
                blocks=1,
            ),
        ),
        nats_version="2.14.0",
    )
    entry = msgspec.structs.replace(entry, **changed)
    return SnapshotReading(entry=entry, look=Look(at, 1), manifest=manifest)


def a_schedule(**changed: Any) -> ScheduleReading:
    """Return a schedule of backups that has asked for none yet, some of its values exchanged."""
    at = ManualClock().now() + timedelta(hours=14)
    plain = ScheduleReading(name="backup", kind="backup.hot", schedule="02:00", next_at=at, last=None, waits="")
    return msgspec.structs.replace(plain, **changed)


class JobWorld:
    """What was asked for, and what there is; each look at a job may change it by the next of `courses`."""

    def __init__(self) -> None:
        self.jobs: list[JobRecord] = []
        self.courses: dict[str, list[JobRecord]] = {}
        self.progress: dict[str, Progress] = {}
        self.snapshots: list[SnapshotReading] = []
        self.trouble: TemporaryError | None = None
        self.undecided: SupervisorError | None = None
        self.asked: list[str] = []
        self.joins = False
        self.schedules: list[ScheduleReading] = []

    def readings(self) -> JobReadings:
        """Return what the API reads of jobs."""
        return JobReadings(
            shown=lambda: tuple(self.jobs),
            newest=self._newest,
            find=self._find,
            progress=self.progress.get,
            schedules=lambda: tuple(self.schedules),
            cancel=self._cancel,
            settle=self._settle,
            give_up=self._give_up,
        )

    def backups(self) -> BackupReadings:
        """Return what the API reads of snapshots."""
        return BackupReadings(
            all=self._all,
            one=self._one,
            newest_good=lambda: next((one.entry for one in self.snapshots if one.good), None),
            now=self._now,
            plan=lambda kind: [f"Find room for a {kind.value} snapshot", "Copy it"],
            verify=self._verify,
        )

    def keeping(self) -> KeepingReadings:
        """Return what the API reads of which snapshots are kept: each that is good."""
        return KeepingReadings(plan=self._plan, prune=self._prune, pin=self._pin, unpin=self._unpin)

    async def _plan(self) -> Sequence[Decision]:
        if self.undecided:
            raise self.undecided
        return [
            Decision(one.entry.id, one.good, ("it is good" if one.good else "damaged",)) for one in await self._all()
        ]

    async def _prune(self, by: str) -> Asked:
        self.asked.append(f"prune by {by}")
        return Asked(job("j1", JobState.QUEUED), self.joins)

    async def _pin(self, snapshot_id: str, why: str) -> None:
        await self._one(snapshot_id)
        self.asked.append(f"pin {snapshot_id}: {why}")

    async def _unpin(self, snapshot_id: str) -> None:
        await self._one(snapshot_id)
        self.asked.append(f"unpin {snapshot_id}")

    async def _newest(self, limit: int) -> Sequence[JobRecord]:
        return self.jobs[:limit]

    async def _find(self, job_id: str) -> JobRecord | None:
        course = self.courses.get(job_id, [])
        if course:
            return course.pop(0) if len(course) > 1 else course[0]
        return next((one for one in self.jobs if one.id == job_id), None)

    async def _cancel(self, job_id: str, by: str) -> JobRecord:
        self.asked.append(f"cancel {job_id} by {by}")
        return steps.cancel(self._open(job_id), by)

    async def _settle(self, job_id: str) -> JobRecord:
        self.asked.append(f"settle {job_id}")
        if self._open(job_id).kind == "strange":
            raise NotSettled("hot backup cannot be tried once more: this version knows no such kind")
        return steps.settle(self._open(job_id))

    async def _give_up(self, job_id: str, by: str) -> JobRecord:
        self.asked.append(f"give up {job_id} by {by}")
        return steps.give_up(self._open(job_id), by, ManualClock().now())

    def _open(self, job_id: str) -> JobRecord:
        found = [one for one in self.jobs if one.id == job_id and one.is_open]
        if not found:
            raise UnknownJob(f"there is no open job {job_id}")
        return found[0]

    async def _all(self) -> Sequence[SnapshotReading]:
        if self.trouble:
            raise self.trouble
        return self.snapshots

    async def _one(self, snapshot_id: str) -> SnapshotReading:
        found = [one for one in self.snapshots if one.entry.id == snapshot_id]
        if not found:
            raise NoSnapshot(f"there is no snapshot {snapshot_id}")
        return found[0]

    async def _now(self, kind: Kind, note: str, by: str) -> Asked:
        if self.trouble:
            raise self.trouble
        self.asked.append(f"back up {kind.value} {note!r} by {by}")
        return Asked(job("j1", JobState.QUEUED), self.joins)

    async def _verify(self, snapshot_id: str, level: int, by: str) -> Asked:
        self.asked.append(f"verify {snapshot_id} up to {level} by {by}")
        return Asked(job("j1", JobState.QUEUED), self.joins)
