"""What a daemon that does not come back has left open is settled: the stack is given back, nothing half stays.

It is what `semsupervisor jobs settle` does where no daemon runs, as systemd has it done when the daemon has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import structlog

from semsupervisor.alerts.book import TimelineLine, save_timeline
from semsupervisor.alerts.muting import Hold
from semsupervisor.daemon import job_parts, parts
from semsupervisor.daemon.root import MIGRATIONS
from semsupervisor.errors import StoreError, SupervisorError
from semsupervisor.health.last_answers import LastAnswers
from semsupervisor.health.observation import FactValue, Observation, Subject
from semsupervisor.jobs import steps
from semsupervisor.jobs.mirror import Mirror
from semsupervisor.jobs.record import JobRecord
from semsupervisor.jobs.runner import Wanted
from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.settings.model import Settings
from semsupervisor.store.database import StateTooNew, Store
from semsupervisor.store.journal import Journal
from semsupervisor.systems.docker import Docker
from semsupervisor.systems.http import HttpClient

log = structlog.get_logger(__name__)

# Below what systemd gives it by TimeoutStopSec.
LIMIT_SECONDS = 100.0
MIRROR_SECONDS = 10.0


async def settle(
    settings: Settings, clock: Clock, *, ended_well: bool, limit_seconds: float = LIMIT_SECONDS
) -> Sequence[JobRecord]:
    """Finish or undo what was left open, and return it as it is then; what is still open was not done in time.

    A daemon that `ended_well` has left for the next one what does not hold the stack: so it is here. What would only
    go on is left for the next one in any case. A database that cannot be used is no obstacle.
    Raises: StateLocked, JobsHeld when a daemon runs and looks after its jobs itself; StoreError when nothing at all
    can be read.
    """
    path = Path(settings.state.directory) / "state.db"
    left = Mirror(path.with_name(job_parts.MIRROR_FOLDER)).read
    if not await BlockingCalls().run("the folder of the open jobs", left, MIRROR_SECONDS):
        return ()
    settled: Sequence[JobRecord] = ()
    refused: SupervisorError | None = None
    async with asyncio.TaskGroup() as group:
        settling = _Settling(settings, Store(path, MIGRATIONS, clock), clock, TaskOwner(group, clock))
        try:
            settled = await settling.run(partial(steps.is_left_behind, ended_well=ended_well), limit_seconds)
        except SupervisorError as error:
            refused = error  # raised here it would come out of the group in a group
        finally:
            await settling.close()
    if refused is not None:
        raise refused
    return settled


class _Settling:
    """The parts that carry jobs out, and nothing that watches."""

    latest: Mapping[tuple[Subject, str], Observation] = {}

    def __init__(self, settings: Settings, store: Store, clock: Clock, owner: TaskOwner) -> None:
        self.hold: Callable[[], Hold | None] = lambda: None
        self._store = store
        self._clock = clock
        self._owner = owner
        self._journal = Journal(store)
        self._means = parts.Means(
            clock,
            HttpClient(clock),
            lambda _: None,
            lambda: "",
            lambda _: 0.0,
            dict,
            LastAnswers(clock),
            remembers=False,
        )
        self._docker = Docker(settings.docker.socket, settings.docker.timeout_seconds)
        self._jobs = job_parts.build(
            lambda: settings, self._means, self, store, self._journal, owner, docker=self._docker
        )

    async def run(self, wanted: Wanted, limit_seconds: float) -> Sequence[JobRecord]:
        """Settle what is wanted, and return it."""
        await self._docker.open()
        try:
            await self._store.open()
        except (StoreError, StateTooNew) as error:
            log.error("settle.without_database", error=str(error))
        settled = await self._jobs.acting.settle(wanted, limit_seconds)
        # No daemon runs, and what is left for the next one makes its own anew.
        await self._jobs.scratching.sweep(())
        return settled

    async def note(self, kind: str, subject: Subject, text: str, facts: Mapping[str, FactValue]) -> None:
        """Write a line into the timeline."""
        line = TimelineLine(at=self._clock.now(), kind=kind, subject=str(subject), text=text, facts=facts)
        await self._journal.commit(lambda connection: save_timeline(connection, [line]))

    async def close(self) -> None:
        """Leave all that is still under way as it is on record."""
        await self._jobs.acting.stop()
        await self._owner.stop()
        await self._docker.close()
        await self._means.close()
        await self._store.close()
