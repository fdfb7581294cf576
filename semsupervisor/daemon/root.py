"""The composition root: builds the parts, hands each what it needs, starts and stops them in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import structlog

from semsupervisor import __version__
from semsupervisor.alerts import book as alert_book
from semsupervisor.alerts import outbox as alert_outbox
from semsupervisor.alerts import receivers
from semsupervisor.alerts.book import Book
from semsupervisor.alerts.delivery import Delivery
from semsupervisor.alerts.notification import Notification, NotificationKind
from semsupervisor.alerts.outbox import Outbox
from semsupervisor.api.readings import Acts
from semsupervisor.api.server import Server
from semsupervisor.daemon import parts
from semsupervisor.daemon.configuration import Configuration, configure, needing_restart, policy
from semsupervisor.daemon.reading import Sources, readings
from semsupervisor.daemon.upkeep import SETTINGS, Folders, StoreWatch, works
from semsupervisor.errors import SettingsError, StoreError
from semsupervisor.health import memory as service_memory
from semsupervisor.health import runs as run_record
from semsupervisor.health.following import Watched
from semsupervisor.health.memory import Memory
from semsupervisor.health.observation import Observation, Subject, SubjectKind
from semsupervisor.health.probes.freshness import Freshness
from semsupervisor.health.probing import ProbeRunner
from semsupervisor.health.runs import Run, Runs, story
from semsupervisor.health.watching import Watching
from semsupervisor.jobs.schedule import Job, Schedule
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.ids import new_id
from semsupervisor.kit.logging import configure as configure_logging
from semsupervisor.kit.looplag import LoopLag
from semsupervisor.kit.systemd import Notifier
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.pipeline import Pipeline
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Journal
from semsupervisor.systems import host
from semsupervisor.systems.docker import Docker
from semsupervisor.systems.http import HttpClient

log = structlog.get_logger(__name__)

MIGRATIONS = (*alert_book.MIGRATIONS, *alert_outbox.MIGRATIONS, *run_record.MIGRATIONS, *service_memory.MIGRATIONS)
DAEMON = Subject(SubjectKind.SUPERVISOR, "daemon")
HOST = Subject(SubjectKind.HOST, "host")
DAY_SECONDS = 86_400.0
FIRST_LIST_SECONDS = 2.0
STOP_PATIENCE_SECONDS = 1.0


class Daemon:
    """The running supervisor, from its start to its end."""

    def __init__(self, configuration: Configuration, path: Path | None, clock: Clock, notifier: Notifier) -> None:
        self._configuration = configuration
        self._path = path
        self._clock = clock
        self._notifier = notifier
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self._why = ""
        self._run: Run | None = None

    async def run(self) -> None:
        """Start, run until asked to end, and end in order.

        Raises: PermanentError when something is so that starting makes no sense: the state is in use, a port is taken.
        """
        self._listen_to_signals()
        async with asyncio.TaskGroup() as group:
            await self._build(TaskOwner(group, self._clock))
            try:
                await self._start()
                await self._stop.wait()
            finally:
                await self._end()

    async def _build(self, owner: TaskOwner) -> None:
        settings = self._configuration.settings
        self._boot_id = await asyncio.to_thread(host.boot_id)
        self._owner = owner
        self._lag = LoopLag(self._clock)
        self._store = Store(Path(settings.state.directory) / "state.db", MIGRATIONS, self._clock)
        self._journal = Journal(self._store)
        self._book = Book(self._store)
        self._folders = Folders(self._store.path, Path(settings.stack.directory))
        self._runs = Runs(self._store, self._journal)
        self._outbox = Outbox(self._store, self._journal, self._clock)
        self._http = HttpClient(self._clock)
        self._senders = receivers.build(settings.receivers, self._http, self._clock)
        self._docker = Docker(settings.docker.socket, settings.docker.timeout_seconds)
        self._pipeline = Pipeline(
            policy(self._configuration, self._senders),
            self._journal,
            self._outbox,
            self._clock,
            owner,
            self._evidence,
        )
        self._watching = Watching(
            self._docker,
            Watched(
                project=settings.stack.project,
                boot_id=self._boot_id,
                settle_seconds=settings.docker.settle_seconds,
                ping_interval_seconds=settings.docker.ping_interval_seconds,
            ),
            self._clock,
            self._pipeline.observe,
            Memory(self._store, self._journal, settings.stack.project),
            self._pipeline.note,
            host_is_shutting_down=host.is_shutting_down,
        )
        self._delivery = Delivery(
            self._outbox, self._senders, settings.delivery, self._clock, self._pipeline.evidence_of
        )
        self._runner = ProbeRunner(self._clock, self._pipeline.observe)
        self._schedule = Schedule(self._clock, owner)
        self._means = parts.Means(self._clock, self._http.get, self._docker, self._watching, self._lag.largest_since)
        self._own_probes = (
            self._delivery,
            StoreWatch(
                self._store,
                self._journal,
                self._clock,
                partial(self._pipeline.load, self._book),
                self._pipeline.save_all,
            ),
            Freshness(self._clock, self._runner, owner, self._lag),
        )
        self._server = Server(readings(self._sources()), settings.api)

    def _sources(self) -> Sources:
        return Sources(
            configuration=lambda: self._configuration,
            clock=self._clock,
            pipeline=self._pipeline,
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
            acts=Acts(
                testable=lambda: tuple(self._senders),
                test_receiver=self._test_receiver,
                reload=self._apply_settings,
                retry_dead_letter=self._outbox.retry,
            ),
        )

    async def _start(self) -> None:
        """Bring the parts up, from the state to the doors."""
        self._lag.start()
        await self._take_up()
        await self._docker.open()
        self._delivery.start(self._owner)
        self._owner.loop("watching.follow", self._watching.follow)
        self._owner.loop("watching.look", self._watching.look)
        await self._first_list()
        await self._folders.look()
        self._plan()
        self._schedule.start()
        self._owner.loop("reload", self._reload_when_asked)
        await self._server.start()
        if self._notifier.watchdog_seconds:
            self._owner.loop("watchdog", self._feed_watchdog)
        self._notifier.ready(self._status())
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
        kind, text = story(await self._runs.last(), self._boot_id)
        now = self._clock.now()
        self._run = Run(id=new_id(now), boot_id=self._boot_id, started_at=now)
        await self._runs.begin(self._run)
        await self._pipeline.note(kind, HOST if kind.startswith("host") else DAEMON, text, {"version": __version__})

    def _plan(self) -> None:
        """Schedule the probes of the settings and the upkeep; runs under way go on."""
        checks = self._configuration.settings.checks
        interval_seconds, timeout_seconds = float(checks.interval_seconds), float(checks.timeout_seconds)
        for probe in (*parts.probes(self._configuration.settings, self._means), *self._own_probes):
            self._runner.add(probe, interval_seconds, timeout_seconds)
        jobs = [Job(name, interval_seconds, partial(self._runner.run, name)) for name in self._runner.reports]
        jobs += [Job("folders", interval_seconds, self._folders.look), Job("trim", DAY_SECONDS, self._trim)]
        self._schedule.replace(jobs)

    async def _evidence(self, service: str) -> Mapping[str, str]:
        return await self._watching.evidence(service)

    async def _trim(self) -> None:
        await self._pipeline.trim(self._configuration.settings.state.timeline_entries)

    async def _feed_watchdog(self) -> None:
        """Feed systemd's watchdog while the loop turns, the schedule runs and the store's thread answers."""
        if works(self._runner.reports, self._clock):
            self._notifier.alive()
        await asyncio.sleep((self._notifier.watchdog_seconds or DAY_SECONDS) / 3)

    async def _reload_when_asked(self) -> None:
        await self._reload.wait()
        self._reload.clear()
        try:
            await self._apply_settings()
        except SettingsError as error:
            log.error("settings.refused", problems=list(error.problems))

    async def _apply_settings(self) -> Sequence[str]:
        """Read the settings again and go on with them; refused ones change nothing and make an alert.

        Raises: SettingsError.
        """
        self._notifier.reloading("reading the settings")
        try:
            fresh = await asyncio.to_thread(configure, self._path)
        except SettingsError as error:
            await self._tell_of_settings("; ".join(error.problems))
            raise
        finally:
            self._notifier.ready(self._status())
        before, self._configuration = self._configuration, fresh
        configure_logging(fresh.settings.log.level, fresh.settings.log.format)
        self._senders = receivers.build(fresh.settings.receivers, self._http, self._clock)
        self._delivery.replace(self._senders, fresh.settings.delivery)
        await self._pipeline.replace(policy(fresh, self._senders))
        self._plan()
        fixed = needing_restart(before.settings, fresh.settings)
        changed = [f"{name}: takes effect at the next start" for name in fixed] or ["all settings are in force"]
        await self._tell_of_settings("")
        log.info("settings.loaded", path=str(fresh.loaded.path), notes=changed)
        await self._pipeline.note("settings.loaded", DAEMON, f"settings read again: {'; '.join(changed)}", {})
        return changed

    async def _tell_of_settings(self, refused: str) -> None:
        evidence = {"error": refused} if refused else {}
        facts = {"refused": bool(refused)}
        observation = Observation(
            source="settings", subject=SETTINGS, at=self._clock.instant(), facts=facts, evidence=evidence
        )
        await self._pipeline.observe([observation])

    async def _test_receiver(self, name: str) -> str:
        """Send a marked test to a receiver at once, past the outbox, and return what came of it."""
        now = self._clock.now()
        key = f"test-{new_id(now)}"
        host_name = self._pipeline.policy.host
        message = Notification(key=key, kind=NotificationKind.TEST, host=host_name, at=now, alerts=())
        await self._senders[name].send(message)
        return f"{name} took the test message"

    async def _end(self) -> None:
        """Stop the parts, the doors first, and leave nothing unsaved."""
        self._notifier.stopping("ending")
        if await host.is_shutting_down():
            self._why = "the host is shutting down"
            await self._pipeline.note(
                "host.shutting_down", HOST, "the host is shutting down, and the stack with it", {}
            )
        await self._server.stop()
        await self._schedule.stop(STOP_PATIENCE_SECONDS)
        await self._owner.stop()
        self._lag.stop()
        await self._watching.save()
        await self._pipeline.save_all(ending=True)
        if self._run:
            await self._runs.end(self._run, self._clock.now(), self._why or "it failed")
        await self._store.close()
        await self._docker.close()
        await self._http.close()
        log.info("daemon.ended", why=self._why, unsaved=self._journal.waiting)

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ask_to_end, signal.Signals(number).name)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)

    def _ask_to_end(self, why: str) -> None:
        self._why = self._why or why
        self._stop.set()

    def _status(self) -> str:
        return f"watching the compose project {self._configuration.settings.stack.project}"
