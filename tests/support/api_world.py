"""A supervisor that exists only in memory: everything that the API reads, to be set by a test as it likes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from semsupervisor.alerts.book import TimelineEntry
from semsupervisor.alerts.lifecycle import Alert, AlertState
from semsupervisor.alerts.notification import AlertFacts, Notification, NotificationKind, OutboxEntry
from semsupervisor.alerts.outbox import Depth
from semsupervisor.alerts.rules import Comparison, Rule, Severity
from semsupervisor.api.readings import Acts, Readings, StackReading, StoreReading
from semsupervisor.api.server import Server
from semsupervisor.errors import PermanentError, SettingsError, StoreError, SupervisorError, TemporaryError
from semsupervisor.health.last_answers import LastAnswer
from semsupervisor.health.leaving import UnknownService
from semsupervisor.health.observation import FactValue, Observation, Outcome, Subject, SubjectKind
from semsupervisor.health.probing import Durations, ProbeReport
from semsupervisor.health.series import Series
from semsupervisor.health.setup import SetupFinding
from semsupervisor.kit.clock import Instant
from semsupervisor.kit.tasks import LoopHealth
from semsupervisor.settings.load import Loaded, load
from semsupervisor.settings.model import ApiSettings
from tests.support.clock import ManualClock
from tests.support.job_world import JobWorld

NATS = Subject(SubjectKind.SERVICE, "nats")
SEMSTREAMS = Subject(SubjectKind.SERVICE, "semstreams")
RUNNING: Mapping[str, FactValue] = {
    "state": "running",
    "died": False,
    "stopped_on_request": False,
    "paused": False,
    "missing": False,
    "restarting": False,
    "restarts": 0,
    "image": "nats:2.14",
    "memory_used_bytes": 350 * 2**20,
    "memory_limit_bytes": 2**30,
    "memory_used_ratio": 350 / 1024,
}


class ServiceStandIn(msgspec.Struct, frozen=True):
    """What watching would say of a service beside its facts."""

    since: datetime | None
    intent: str = ""


class StreamStandIn(msgspec.Struct):
    """An event stream as a test wants it."""

    connected_since: Instant | None
    reconnects_total: int = 2
    last_lag_seconds: float | None = 0.003


class World:
    """All that can be read, and a record of what was asked for; a healthy small stack to begin with."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.version = 1
        self.latest: dict[tuple[Subject, str], Observation] = {}
        self.alerts: list[Alert] = []
        self.rules = [rule("container_died"), rule("memory_high", severity=Severity.WARNING)]
        self.courses: dict[tuple[str, Subject], Series] = {}
        self.last_answers: dict[str, LastAnswer] = {}
        self.listed = True
        self.services: dict[str, ServiceStandIn] = {}
        self.stream = StreamStandIn(self.clock.instant())
        self.probes = {name: probe(name, self.clock.instant()) for name in ("semstreams_health", "containers")}
        self.receivers = ["ops", "mail"]
        self.depths = {name: depth() for name in self.receivers}
        self.queued: list[OutboxEntry] = []
        self.dead: list[OutboxEntry] = []
        self.loops = {"watching": LoopHealth("watching"), "deliver.ops": LoopHealth("deliver.ops")}
        self.lag_seconds = 0.002
        self.store = StoreReading(problem="", size_bytes=65536, waiting_changes=0)
        self.findings = [SetupFinding("no_receiver", "no receiver is set", "set one")]
        self.loaded: Loaded = load(None, {})
        self.entries: list[TimelineEntry] = []
        self.episodes: list[Alert] = []
        self.store_fails = False
        self.mail_error: SupervisorError = TemporaryError("connection refused by mail.example:587")
        self.asked: list[str] = []
        self.refusal: SupervisorError | None = None
        self.work = JobWorld()
        self.see(SubjectKind.ENGINE, "docker", {"reachable": True, "version": "20.10.24"}, source="events")
        for name in ("nats", "semstreams"):
            self.see(SubjectKind.SERVICE, name, RUNNING, source="containers")
            self.services[name] = ServiceStandIn(self.clock.now() - timedelta(hours=2, minutes=5))
        self.see(SubjectKind.SEMSTREAMS, "semstreams", {"reachable": True, "status": "healthy", "version": "v1.2.0"})
        self.see(SubjectKind.NATS, "nats", {"reachable": True, "healthy": True, "version": "2.14.0", "connections": 2})
        self.see(SubjectKind.FILESYSTEM, "/", {"used_ratio": 0.42, "free_bytes": 8 * 2**30, "size_bytes": 16 * 2**30})
        self.see(
            SubjectKind.HOST,
            "host",
            {"memory_available_ratio": 0.5, "memory_available_bytes": 2**31, "memory_size_bytes": 2**32},
        )

    def see(
        self,
        kind: SubjectKind,
        name: str,
        facts: Mapping[str, FactValue],
        *,
        source: str = "test",
        evidence: Mapping[str, str] | None = None,
        gone: bool = False,
    ) -> None:
        """Let a source see these facts of a subject now."""
        subject = Subject(kind, name)
        seen = Observation(source, subject, self.clock.instant(), facts, evidence or {}, Outcome.OK, gone)
        self.latest[(subject, source)] = seen
        self.version += 1

    def readings(self) -> Readings:
        """Return what the API reads, always as it is at that moment."""
        return Readings(
            clock=self.clock,
            started=self.clock.instant(),
            stack=lambda: StackReading(host="edge-7", project="semstreams", directory="/opt/semstreams"),
            facts_version=lambda: self.version,
            latest=lambda: self.latest,
            alerts=lambda: self.alerts,
            rules=lambda: self.rules,
            course=lambda rule, subject: self.courses.get((rule.name, subject)),
            last_answers=lambda: self.last_answers,
            listed=lambda: self.listed,
            services=lambda: self.services,
            stream=lambda: self.stream,
            probes=lambda: self.probes,
            receivers=lambda: self.receivers,
            depth=lambda name: self.depths[name],
            queued=lambda: self.queued,
            loops=lambda: self.loops,
            loop_lag_seconds=lambda: self.lag_seconds,
            store=lambda: self.store,
            findings=lambda: self.findings,
            settings=lambda: self.loaded,
            timeline=self._timeline,
            history=self._history,
            dead_letters=self._dead_letters,
            acts=Acts(
                testable=lambda: self.receivers,
                test_receiver=self._test,
                reload=self._reload,
                retry_dead_letter=self._retry,
                drop_dead_letter=self._drop,
                forget_service=self._forget,
            ),
            jobs=self.work.readings(),
            backups=self.work.backups(),
            keeping=self.work.keeping(),
        )

    async def _timeline(
        self,
        limit: int,
        *,
        before_id: int | None = None,
        after_id: int | None = None,
        subject: str | None = None,
        kind: str | None = None,
        since: datetime | None = None,
    ) -> Sequence[TimelineEntry]:
        if self.store_fails:
            raise StoreError("cannot use the state database: disk I/O error")
        found = [
            entry
            for entry in sorted(self.entries, key=lambda one: -one.id)
            if (before_id is None or entry.id < before_id)
            and (after_id is None or entry.id > after_id)
            and (subject is None or entry.subject == subject)
            and (kind is None or entry.kind == kind)
            and (since is None or entry.at >= since)
        ]
        return found[:limit]

    async def _history(self, limit: int, name: str | None) -> Sequence[Alert]:
        found = [one for one in self.episodes if name in (None, one.id, one.rule, str(one.subject))]
        return found[:limit]

    async def _dead_letters(self, limit: int) -> Sequence[OutboxEntry]:
        return self.dead[:limit]

    async def _test(self, receiver: str) -> str:
        self.asked.append(f"test {receiver}")
        if receiver == "mail":
            raise self.mail_error
        return f"the receiver {receiver} took the test: 200 OK"

    async def _reload(self) -> Sequence[str]:
        self.asked.append("reload")
        if self.store_fails:
            raise SettingsError(("x.toml: checks.interval: found -1; allowed: a duration", "x.toml: typo: unknown"))
        return ("checks.interval is 20s now",)

    async def _retry(self, entry_id: int) -> bool:
        self.asked.append(f"retry {entry_id}")
        if entry_id == 13:
            raise PermanentError("an unlucky number")
        return any(entry.id == entry_id for entry in self.dead)

    async def _forget(self, name: str, by: str) -> None:
        self.asked.append(f"forget {name} by {by}")
        if self.refusal is not None:
            raise self.refusal
        if name not in self.services:
            raise UnknownService(f"no service {name!r} is known", f"known are: {', '.join(self.services)}")

    async def _drop(self, entry_id: int) -> bool:
        self.asked.append(f"drop {entry_id}")
        return any(entry.id == entry_id for entry in self.dead)


def rule(name: str, *, severity: Severity = Severity.CRITICAL) -> Rule:
    """Return a rule about services."""
    return Rule(
        name=name,
        kind=SubjectKind.SERVICE,
        fact="died",
        comparison=Comparison.EQUALS,
        limit=True,
        severity=severity,
        title=name.replace("_", " "),
        summary="{name} is in a bad way",
        diagnosis="its process ended",
        fix=("docker logs {name}",),
    )


def alert(
    name: str = "container_died", *, state: AlertState = AlertState.FIRING, severity: Severity = Severity.CRITICAL
) -> Alert:
    """Return an episode about NATS that began five minutes before the clock's start."""
    since = ManualClock().now() - timedelta(minutes=5)
    return Alert(
        id=f"id-{name}",
        rule=name,
        title=name.replace("_", " "),
        subject=NATS,
        severity=severity,
        state=state,
        since=since,
        seen_at=since,
        value=True,
        summary="nats ended with code 137",
        limit="equals yes",
        evidence={"exit_code": "137"},
        fired_at=since if state is not AlertState.PENDING else None,
        told=("ops",),
    )


def probe(name: str, ended: Instant | None) -> ProbeReport:
    """Return a probe that ran three times, once in vain."""
    durations = Durations().plus(0.004).plus(0.02).plus(30.0)
    return ProbeReport(
        name=name,
        interval_seconds=10.0,
        timeout_seconds=5.0,
        added=ManualClock().instant(),
        last_ended=ended,
        last_outcome=Outcome.OK if ended else None,
        outcomes={"ok": 2, "unknown": 1, "down": 0, "not_offered": 0},
        durations=durations,
    )


def depth(*, queued: int = 0, dead: int = 0) -> Depth:
    """Return a receiver's queue."""
    oldest = ManualClock().now() - timedelta(minutes=3) if queued else None
    return Depth(
        queued=queued,
        oldest_queued_at=oldest,
        dead=dead,
        delivered_total=7,
        failed_total=1,
    )


def message(entry_id: int, receiver: str = "ops", last_error: str = "") -> OutboxEntry:
    """Return a message about an alert on its way."""
    now = ManualClock().now()
    facts = AlertFacts(
        id="id-1",
        rule="container_died",
        title="container died",
        severity=Severity.CRITICAL,
        subject=NATS,
        summary="nats ended with code 137",
        value="yes",
        limit="equals yes",
        since=now,
    )
    told = Notification(key=f"key-{entry_id}", kind=NotificationKind.FIRING, host="edge-7", at=now, alerts=(facts,))
    return OutboxEntry(
        id=entry_id, receiver=receiver, notification=told, queued_at=now, attempts=2, last_error=last_error
    )


def entry(number: int, kind: str = "alert.firing", subject: str = "service:nats") -> TimelineEntry:
    """Return an entry of the timeline; the numbers are minutes after the clock's start."""
    at = ManualClock().now() + timedelta(minutes=number)
    return TimelineEntry(id=number, at=at, kind=kind, subject=subject, text=f"entry {number}", facts={"n": number})


@contextlib.asynccontextmanager
async def served(
    world: World, folder: Path, listen: str = "127.0.0.1:0", hosts: tuple[str, ...] = ()
) -> AsyncIterator[Server]:
    """Serve the world from a control socket in `folder`, and over TCP on a free port."""
    settings = ApiSettings(socket=str(folder / "control.sock"), listen=listen, hosts=hosts, group="")
    server = Server(world.readings(), settings)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@contextlib.contextmanager
def served_beside(world: World, folder: Path) -> Iterator[str]:
    """Serve the world from a loop in a thread of its own, for clients that block; return the control socket."""
    ready, done = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        async with served(world, folder):
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    try:
        assert ready.wait(10)
        yield str(folder / "control.sock")
    finally:
        loops[0].call_soon_threadsafe(done.set)
        thread.join(10)
