"""What carries jobs out, put together: the runner, the book of jobs, and the chapters that give it kinds of job."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec

from semsupervisor.alerts.muting import Hold
from semsupervisor.backup.verdicts import Verdicts
from semsupervisor.daemon import parts, stacks
from semsupervisor.daemon.acting import Acting, trim_jobs
from semsupervisor.daemon.backups import LOOK_SECONDS, Backups
from semsupervisor.daemon.configuration import host_name
from semsupervisor.daemon.keeping import Keeping
from semsupervisor.daemon.plans import BackupPlans
from semsupervisor.daemon.predecessors import LOOK_SECONDS as SCRIPTS_SECONDS
from semsupervisor.daemon.predecessors import Predecessors
from semsupervisor.daemon.scheduling import LOOK_SECONDS as SCHEDULE_SECONDS
from semsupervisor.daemon.scheduling import Schedules
from semsupervisor.daemon.scratching import SWEEP_SECONDS, Scratching
from semsupervisor.daemon.serving import no_server
from semsupervisor.health.observation import FactValue, Observation, Subject
from semsupervisor.jobs.book import JobBook
from semsupervisor.jobs.calendar import Calendar
from semsupervisor.jobs.mirror import Mirror
from semsupervisor.jobs.schedule import Job
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.operations.holding import Holding
from semsupervisor.settings.model import Settings
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Journal
from semsupervisor.systems.docker import Docker

MIRROR_FOLDER = "jobs"
DAY_SECONDS = 86_400.0


class JobParts(msgspec.Struct, frozen=True):
    """The parts, and what each has to do again and again."""

    acting: Acting
    backups: Backups
    keeping: Keeping
    scratching: Scratching
    scripts: Predecessors
    schedules: Schedules
    journal: Journal

    def chores(self, interval_seconds: float) -> Sequence[Job]:
        """Return what is to be done beside the jobs themselves; `interval_seconds` is the usual one."""
        return (
            Job("open jobs", interval_seconds, self.acting.try_to_take_up),
            Job("old jobs", DAY_SECONDS, partial(trim_jobs, self.journal)),
            Job("snapshots", LOOK_SECONDS, self.backups.look),
            Job("scratch servers", SWEEP_SECONDS, self._sweep),
            Job("scripts", SCRIPTS_SECONDS, self.scripts.look),
            Job("schedules", SCHEDULE_SECONDS, self.schedules.look),
        )

    async def _sweep(self) -> None:
        await self.scratching.sweep({job.id for job in self.acting.open_jobs})


class Heart(Protocol):
    """What jobs need of the pipeline: what was seen last, and the timeline; it asks `hold` what a job has stopped."""

    @property
    def latest(self) -> Mapping[tuple[Subject, str], Observation]:
        """Return the last observation of each subject by each source."""
        ...

    hold: Callable[[], Hold | None]

    async def note(self, kind: str, subject: Subject, text: str, facts: Mapping[str, FactValue]) -> None:
        """Write a line into the timeline."""
        ...


def build(
    settings: Callable[[], Settings],
    means: parts.Means,
    pipeline: Heart,
    store: Store,
    journal: Journal,
    owner: TaskOwner,
    *,
    docker: Docker,
) -> JobParts:
    """Return the parts. `settings` are asked each time, since a reload replaces them."""
    clock = means.clock
    holding = Holding(clock, lambda: acting.holder())  # noqa: PLW0108 - it is built after this
    stack = stacks.steps(settings, means, docker, holding.now)
    verdicts = Verdicts(store, journal, clock)
    keeping = Keeping(settings, clock, verdicts, lambda: acting.open_jobs)
    scratching = Scratching(settings, means, docker)
    backups = Backups(settings, means, lambda: pipeline.latest, verdicts, docker, stack, scratching=scratching)
    book = JobBook(store, journal, Mirror(Path(store.path).with_name(MIRROR_FOLDER)))
    kinds = (*backups.kinds(), keeping.kind())
    acting = Acting(clock, book, owner, kinds, pipeline.note, backups.look)
    pipeline.hold = holding.now
    scripts = Predecessors(settings().stack.directory)

    def away() -> str:
        return no_server(settings().checks.nats.client, means.containers().values(), pipeline.latest.values())

    plans = BackupPlans(settings, acting, backups, away, scripts).plans()
    schedules = Schedules(clock, Calendar(store, journal), acting, lambda: host_name(settings()), plans)
    return JobParts(acting, backups, keeping, scratching, scripts, schedules, journal)
