"""The composition root: builds the parts, hands each what it needs, starts and stops them in order."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path

import structlog

from semsupervisor import __version__
from semsupervisor.alerts import book as alert_book
from semsupervisor.alerts import outbox as alert_outbox
from semsupervisor.alerts.book import Book
from semsupervisor.alerts.delivery import Delivery
from semsupervisor.alerts.outbox import Outbox
from semsupervisor.api.readings import Acts
from semsupervisor.api.server import Server
from semsupervisor.backup import verdicts
from semsupervisor.daemon import job_parts, parts
from semsupervisor.daemon.configuration import Configuration, policy
from semsupervisor.daemon.letters import Letters
from semsupervisor.daemon.reading import Sources, readings
from semsupervisor.daemon.reloading import InForce, Reloading
from semsupervisor.daemon.resting import Resting
from semsupervisor.daemon.standing import Standing
from semsupervisor.daemon.tenure import Tenure
from semsupervisor.daemon.upkeep import Folders, StoreWatch, works
from semsupervisor.errors import StoreError
from semsupervisor.health import memory as service_memory
from semsupervisor.health import runs as run_record
from semsupervisor.health.following import Watched
from semsupervisor.health.last_answers import LastAnswers
from semsupervisor.health.memory import Memory
from semsupervisor.health.probes.clocks import Clocks
from semsupervisor.health.probes.containers import ContainersProbe
from semsupervisor.health.probes.freshness import Freshness
from semsupervisor.health.probing import ProbeRunner
from semsupervisor.health.runs import Runs
from semsupervisor.health.watching import Watching
from semsupervisor.jobs import book as job_book
from semsupervisor.jobs.schedule import Job, Schedule
from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.looplag import LoopLag
from semsupervisor.kit.systemd import Notifier
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.pipeline import UNSEEN_SECONDS, Pipeline
from semsupervisor.settings.model import Settings
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Journal
from semsupervisor.systems import host
from semsupervisor.systems.docker import Docker
from semsupervisor.systems.http import HttpClient

log = structlog.get_logger(__name__)

CHAPTERS = (alert_book, alert_outbox, run_record, service_memory, job_book, verdicts)
MIGRATIONS = tuple(migration for chapter in CHAPTERS for migration in chapter.MIGRATIONS)
DAY_SECONDS = 86_400.0
BOOT_ID_SECONDS = 5.0
FIRST_LIST_SECONDS = 2.0
STOP_PATIENCE_SECONDS = 1.0


class Daemon:
    """The running supervisor, from its start to its end."""

    def __init__(self, configuration: Configuration, path: Path | None, clock: Clock, notifier: Notifier) -> None:
        self._path = path
        self._clock = clock
        self._notifier = notifier
        self._stop = asyncio.Event()
        self._http = HttpClient(clock)
        self._in_force = InForce(configuration, self._http, clock)

    @property
    def _settings(self) -> Settings:
        return self._in_force.configuration.settings

    async def run(self) -> None:
        """Start, run until asked to end, and end in order.

        Raises: PermanentError when something is so that starting makes no sense: the state is in use, a port is taken.
        """
        async with asyncio.TaskGroup() as group:
            self._owner = TaskOwner(group, self._clock)
            self._boot_id = await BlockingCalls().run("the boot id", host.boot_id, BOOT_ID_SECONDS)
            self._build_book()
            self._build_watch()
            self._build_doors()
            self._listen_to_signals()
            try:
                await self._start()
                await self._stop.wait()
            finally:
                await self._end()

    def _build_book(self) -> None:
        """Build what keeps, judges and tells."""
        self._lag = LoopLag(self._clock)
        self._store = Store(Path(self._settings.state.directory) / "state.db", MIGRATIONS, self._clock)
        self._journal = Journal(self._store)
        self._book = Book(self._store)
        self._outbox = Outbox(self._store, self._journal, self._clock)
        self._pipeline = Pipeline(
            policy(self._in_force.configuration, self._in_force.senders),
            self._journal,
            self._outbox,
            self._clock,
            self._owner,
            lambda service, ended_at: self._watching.evidence(service, ended_at),  # noqa: PLW0108 - it is built after this
            boot_id=self._boot_id,
        )
        self._tenure = Tenure(Runs(self._store, self._journal), self._pipeline, self._clock, self._boot_id)
        self._delivery = Delivery(
            self._outbox, self._in_force.senders, self._settings.delivery, self._clock, self._pipeline.evidence_of
        )

    def _build_watch(self) -> None:
        """Build what sees."""
        docker = self._settings.docker
        project = self._settings.stack.project
        self._docker = Docker(docker.socket, docker.timeout_seconds)
        self._watching = Watching(
            self._docker,
            Watched(
                project=project,
                boot_id=self._boot_id,
                settle_seconds=docker.settle_seconds,
                ping_interval_seconds=docker.ping_interval_seconds,
            ),
            self._clock,
            self._pipeline.observe,
            Memory(self._store, self._journal, project),
            self._pipeline.note,
            host_is_shutting_down=host.is_shutting_down,
        )
        self._runner = ProbeRunner(self._clock, self._pipeline.observe)
        self._schedule = Schedule(self._clock, self._owner)
        self._means = parts.Means(
            self._clock,
            self._http,
            self._watching.address,
            lambda: self._watching.engine_root,
            self._lag.largest_since,
            lambda: self._watching.containers,
            LastAnswers(self._clock),
        )
        self._own_probes = (
            ContainersProbe(self._watching, self._docker, self._clock),
            self._delivery,
            StoreWatch(
                self._store, self._journal, self._clock, partial(self._pipeline.load, self._book), self._pipeline.note
            ),
            Clocks(self._clock, self._pipeline.note),
            Freshness(self._clock, self._runner, self._owner, self._lag),
            Resting(self._clock, lambda: self._in_force.configuration.loaded),
        )

    def _build_doors(self) -> None:
        """Build what acts, shows, and takes requests."""
        docker = self._docker
        self._jobs = job_parts.build(
            lambda: self._settings, self._means, self._pipeline, self._store, self._journal, self._owner, docker=docker
        )
        self._folders = Folders(self._store.path, Path(self._settings.stack.directory), self._jobs.scripts)
        self._reloading = Reloading(
            self._path, self._in_force, self._pipeline, self._delivery, self._clock, self._notifier, plan=self._plan
        )
        known = readings(self._sources())
        self._standing = Standing(known, self._notifier)
        self._server = Server(known, self._settings.api)

    def _sources(self) -> Sources:
        letters = Letters(self._outbox, self._pipeline, self._book, self._delivery.retry_now)
        return Sources(
            configuration=lambda: self._in_force.configuration,
            clock=self._clock,
            pipeline=self._pipeline,
            last_answers=self._means.last_answers,
            watching=self._watching,
            runner=self._runner,
            outbox=self._outbox,
            delivery=self._delivery,
            book=self._book,
            store=self._store,
            journal=self._journal,
            folders=self._folders,
            owner=self._owner,
            lag=self._lag,
            jobs=self._jobs.acting.readings(self._jobs.schedules.readings),
            backups=self._jobs.backups.readings(self._jobs.acting),
            keeping=self._jobs.keeping.readings(self._jobs.acting),
            acts=Acts(
                testable=lambda: tuple(self._in_force.senders),
                test_receiver=self._in_force.test,
                reload=self._reloading.apply,
                retry_dead_letter=letters.retry,
                drop_dead_letter=letters.drop,
                forget_service=self._watching.forget,
            ),
        )

    async def _start(self) -> None:
        """Bring the parts up, from the state to the doors."""
        self._lag.start()
        await self._take_up()
        await self._docker.open()
        await self._jobs.acting.try_to_load()
        self._delivery.start(self._owner)
        self._owner.loop("watching.follow", self._watching.follow)
        self._owner.loop("watching.look", self._watching.look)
        await self._first_list()
        await self._jobs.acting.try_to_take_up()
        await self._folders.look()
        self._plan()
        self._schedule.start()
        await self._reloading.start(self._owner)
        await self._server.start()
        self._owner.loop("api.retry", self._server.retry)
        if self._notifier.watchdog_seconds:
            self._owner.loop("watchdog", self._feed_watchdog)
        self._standing.ready()
        log.info("daemon.ready", version=__version__, tcp=list(self._server.tcp_addresses))

    async def _first_list(self) -> None:
        """Give the first list of containers a moment, so that the first probes know where to look."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_LIST_SECONDS):
                await self._watching.first_list()

    async def _take_up(self) -> None:
        """Load what the last run left, and write down how it ended."""
        try:
            await self._store.open()
            await self._pipeline.load(self._book)
        except StoreError as error:
            log.error("store.unusable", error=str(error))
        await self._tenure.begin()

    def _plan(self) -> None:
        """Schedule the probes of the settings and the upkeep; runs under way go on."""
        checks = self._settings.checks
        probes = (*self._own_probes, self._jobs.acting, self._jobs.backups)
        own = [parts.Planned(probe, checks.interval_seconds, checks.timeout_seconds) for probe in probes]
        planned = [*parts.probes(self._settings, self._means), *own]
        for one in planned:
            self._runner.add(one.probe, one.interval_seconds, one.timeout_seconds)
        self._runner.keep_only({one.probe.name for one in planned})
        jobs = [Job(one.probe.name, one.interval_seconds, partial(self._runner.run, one.probe.name)) for one in planned]
        jobs.append(Job("folders", checks.interval_seconds, self._folders.look))
        jobs.append(Job("trim", DAY_SECONDS, lambda: self._pipeline.trim(self._settings.state.timeline_entries)))
        jobs += self._jobs.chores(checks.interval_seconds)
        jobs.append(Job("standing", checks.interval_seconds, self._standing.show))
        jobs.append(Job("end unseen", UNSEEN_SECONDS, self._pipeline.end_unseen))
        self._schedule.replace(jobs)

    async def _feed_watchdog(self) -> None:
        """Feed systemd's watchdog while the loop turns, the schedule runs and the store's thread answers."""
        if works(self._runner.reports, self._clock):
            self._notifier.alive()
        await asyncio.sleep((self._notifier.watchdog_seconds or DAY_SECONDS) / 3)

    async def _end(self) -> None:
        """Stop the parts, the doors first, and leave nothing unsaved; a step that fails keeps no other back."""
        self._notifier.stopping("ending")
        for step in (
            self._tenure.note_shutdown,
            self._server.stop,
            self._jobs.acting.stop,
            partial(self._schedule.stop, STOP_PATIENCE_SECONDS),
            self._owner.stop,
            self._watching.save,
            self._pipeline.save_all,
            self._tenure.end,
            self._store.close,
            self._docker.close,
            self._means.close,
        ):
            try:
                await step()
            except Exception:
                log.exception("daemon.end_step_failed")
        self._lag.stop()
        log.info("daemon.ended", why=self._tenure.why, unsaved=self._journal.waiting)

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ask_to_end, signal.Signals(number).name)
        loop.add_signal_handler(signal.SIGHUP, self._reloading.ask)

    def _ask_to_end(self, why: str) -> None:
        self._tenure.why = self._tenure.why or why
        self._stop.set()
