"""What the API reads, filled with the parts that know it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from semsupervisor.alerts.book import Book
from semsupervisor.alerts.delivery import Delivery
from semsupervisor.alerts.outbox import Outbox
from semsupervisor.api.readings import (
    Acts,
    BackupReadings,
    JobReadings,
    KeepingReadings,
    Readings,
    StackReading,
    StoreReading,
)
from semsupervisor.daemon.configuration import Configuration, host_name
from semsupervisor.daemon.upkeep import Folders
from semsupervisor.health import setup
from semsupervisor.health.headroom import overcommitted
from semsupervisor.health.jetstream import left_out
from semsupervisor.health.last_answers import LastAnswers
from semsupervisor.health.observation import BACKUPS, Observation, SubjectKind, Unknown
from semsupervisor.health.probes.reach import FORBIDDEN
from semsupervisor.health.probing import ProbeRunner
from semsupervisor.health.setup import SetupFinding, Surroundings
from semsupervisor.health.watching import Watching
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.looplag import LoopLag
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.pipeline import Pipeline
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Journal


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of the daemon that readers ask. `configuration` is asked each time, since a reload replaces it."""

    configuration: Callable[[], Configuration]
    clock: Clock
    pipeline: Pipeline
    last_answers: LastAnswers
    watching: Watching
    runner: ProbeRunner
    outbox: Outbox
    delivery: Delivery
    book: Book
    store: Store
    journal: Journal
    folders: Folders
    owner: TaskOwner
    lag: LoopLag
    acts: Acts
    jobs: JobReadings
    backups: BackupReadings
    keeping: KeepingReadings


def readings(sources: Sources) -> Readings:
    """Return what the API may read and ask for."""
    return Readings(
        clock=sources.clock,
        started=sources.clock.instant(),
        stack=lambda: _stack(sources.configuration()),
        facts_version=lambda: sources.pipeline.version,
        latest=lambda: sources.pipeline.latest,
        alerts=sources.pipeline.alerts,
        rules=lambda: sources.pipeline.policy.rules,
        course=sources.pipeline.histories.of,
        last_answers=sources.last_answers.sources,
        listed=lambda: sources.watching.listed,
        services=lambda: sources.watching.services,
        stream=lambda: sources.watching.stream,
        probes=lambda: sources.runner.reports,
        receivers=sources.delivery.queues,
        depth=sources.outbox.depth,
        queued=sources.outbox.queued,
        loops=lambda: sources.owner.loops,
        loop_lag_seconds=lambda: sources.lag.largest_seconds,
        store=lambda: _store(sources.store, sources.journal, sources.folders.state_bytes),
        findings=lambda: _findings(sources),
        settings=lambda: sources.configuration().loaded,
        timeline=sources.book.timeline,
        history=sources.book.history,
        dead_letters=sources.outbox.dead_letters,
        acts=sources.acts,
        jobs=sources.jobs,
        backups=sources.backups,
        keeping=sources.keeping,
    )


def _stack(configuration: Configuration) -> StackReading:
    stack = configuration.settings.stack
    return StackReading(host=host_name(configuration.settings), project=stack.project, directory=stack.directory)


def _store(store: Store, journal: Journal, size_bytes: int) -> StoreReading:
    return StoreReading(
        problem=store.problem,
        size_bytes=size_bytes,
        waiting_changes=journal.waiting,
        set_aside=str(store.set_aside) if store.set_aside else None,
    )


def _findings(sources: Sources) -> Sequence[SetupFinding]:
    configuration, watching = sources.configuration(), sources.watching
    settings = configuration.settings
    nats = settings.stack.nats_service
    reachable = any(
        observation.facts.get("reachable") is True
        for (subject, _), observation in sources.pipeline.latest.items()
        if subject.kind is SubjectKind.ENGINE
    )
    around = Surroundings(
        directory_exists=sources.folders.stack_exists,
        project=settings.stack.project,
        services=tuple(sorted(watching.services)) if watching.listed and reachable else None,
        scripts=sources.folders.scripts.active,
        inside_is_shut=is_shut(sources.pipeline.latest.values()),
        **_backups(sources.pipeline.latest.values()),
        overcommitted=overcommitted(sources.pipeline.latest.values(), nats, watching.containers),
        left_out=left_out(sources.pipeline.latest.values()),
    )
    weak = [
        SetupFinding("settings", text, "see `semsupervisor settings show`") for text in configuration.loaded.findings
    ]
    return [*setup.findings(settings, around), *weak]


def _backups(latest: Iterable[Observation]) -> dict[str, bool]:
    """Return what the last look at the snapshots says about the set-up; nothing before the first."""
    facts = next((one.facts for one in latest if one.subject == BACKUPS), {})
    none = facts.get("snapshots") == 0
    return {"without_backup": none, "backup_beside_data": not none and facts.get("same_disk") is True}


def is_shut(latest: Iterable[Observation]) -> bool:
    """Tell whether the last look from inside a container's network was not allowed."""
    return any(Unknown(FORBIDDEN) in observation.facts.values() for observation in latest)
