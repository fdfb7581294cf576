"""One look at everything without the daemon: no state, no events, no `for`; what holds now is what counts."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from semsupervisor.alerts.lifecycle import Alert, AlertState
from semsupervisor.alerts.routing import Route
from semsupervisor.alerts.rules import Rule, Severity
from semsupervisor.alerts.turn import Policy, Turn
from semsupervisor.api import verdicts
from semsupervisor.api.knowledge import Known, merged
from semsupervisor.api.verdicts import Verdict
from semsupervisor.daemon import parts
from semsupervisor.daemon.configuration import topology
from semsupervisor.errors import EngineError, EngineForbidden, SupervisorError
from semsupervisor.health import describing, predecessors, setup, usage
from semsupervisor.health.headroom import overcommitted
from semsupervisor.health.jetstream import left_out
from semsupervisor.health.last_answers import LastAnswers
from semsupervisor.health.looking import Circumstances
from semsupervisor.health.observation import ENGINE, FactValue, Observation, Outcome, Subject, Unknown
from semsupervisor.health.probes.containers import measure
from semsupervisor.health.probing import ProbeRunner
from semsupervisor.health.roster import Roster
from semsupervisor.health.setup import SetupFinding, Surroundings
from semsupervisor.health.targets import TargetAbsent, TargetStopped
from semsupervisor.kit.blocking import BlockingCalls, Hanging
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.looplag import LoopLag
from semsupervisor.settings.model import Settings
from semsupervisor.systems import schedules
from semsupervisor.systems.docker import Docker
from semsupervisor.systems.http import HttpClient

T = TypeVar("T")

SOURCE = "check"
LONGEST_SECONDS = 300.0
NOBODY = Route(SOURCE, Severity.INFO, wants_updates=False)


class Once(msgspec.Struct, frozen=True, kw_only=True):
    """What one look found; `alerts` are those that would be told, consequences of another one left out."""

    known: Mapping[Subject, Known]
    alerts: tuple[Alert, ...]
    verdict: Verdict
    findings: tuple[SetupFinding, ...]


async def look(settings: Settings, rules: Sequence[Rule], clock: Clock) -> Once:
    """Look once at the containers, the endpoints and the file systems, all at the same time where that is possible."""
    seen: list[Observation] = []
    eye = _Eye(settings, clock)
    try:
        seen += await eye.containers()
        seen += await eye.probed()
    finally:
        await eye.close()
    known = merged(seen)
    alerts = _judged(settings, rules, seen, clock)
    stale_seconds = clock.monotonic()  # everything was seen just now: nothing is stale
    return Once(
        known=known,
        alerts=alerts,
        verdict=verdicts.stack(known, (), alerts, rules, clock.monotonic(), stale_seconds),
        findings=tuple(await eye.findings(seen)),
    )


class _Eye:
    """What one look needs, and what it learned of the containers."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._docker = Docker(settings.docker.socket, settings.docker.timeout_seconds)
        self._http = HttpClient(clock)
        self._lag = LoopLag(clock)
        self._calls = BlockingCalls()
        self._roster = Roster()
        self._engine_root = ""
        self._trouble: EngineError | EngineForbidden | None = None

    async def containers(self) -> list[Observation]:
        """Return what is to be said of the engine and of every service."""
        self._lag.start()
        await self._docker.open()
        try:
            engine = await self._docker.engine()
            asked = self._clock.monotonic()
            listed = await self._docker.containers(self._settings.stack.project)
            uses = await measure(self._docker, listed, self._calls)
        except (EngineError, EngineForbidden) as error:
            self._trouble = error
            return [await self._without_engine(error)]
        self._engine_root = engine.root_directory
        at = self._clock.instant()
        started = engine.started_at.timestamp() if engine.started_at else None
        met = Circumstances(engine_started=started, told_from=at.wall)  # no event tells what was before
        self._roster.see(listed, asked, at, met)
        found = [self._of_engine(Outcome.OK, {"reachable": True, "version": engine.version})]
        for name, service in self._roster.services.items():
            container = self._roster.containers.get(name)
            use = uses.get(container.id) if container else None
            more = usage.facts_of(use, container) if use and container else {}
            found.append(describing.observation(SOURCE, service, at, more))
        return found

    async def probed(self) -> list[Observation]:
        """Return what the probes see, each within its time."""
        seen: list[Observation] = []

        async def collect(observations: Sequence[Observation]) -> None:
            seen.extend(observations)

        means = parts.Means(
            self._clock,
            self._http,
            self._address,
            lambda: self._engine_root,
            self._lag.largest_since,
            lambda: self._roster.containers,
            LastAnswers(self._clock),
            remembers=False,
        )
        runner = ProbeRunner(self._clock, collect)
        for one in parts.probes(self._settings, means):
            runner.add(one.probe, one.interval_seconds, one.timeout_seconds)
        try:
            await asyncio.gather(*(runner.run(name) for name in runner.reports))
        finally:
            await means.close()
        return seen

    async def findings(self, seen: Sequence[Observation]) -> Sequence[SetupFinding]:
        """Return the weaknesses of the set-up; a folder that nobody can look for is taken to be there."""
        stack = self._settings.stack
        exists = await self._asked(Path(stack.directory).is_dir)
        scheduled = await self._asked(schedules.read) or ()
        around = Surroundings(
            directory_exists=True if exists is None else exists,
            project=stack.project,
            services=None if self._trouble else tuple(sorted(self._roster.services)),
            scripts=predecessors.active(((one.where, one.command) for one in scheduled), stack.directory),
            overcommitted=overcommitted(seen, stack.nats_service, self._roster.containers),
            left_out=left_out(seen),
        )
        return setup.findings(self._settings, around)

    async def close(self) -> None:
        """Close all connections."""
        self._lag.stop()
        await self._http.close()
        await self._docker.close()

    def _address(self, service: str) -> str | None:
        if self._trouble is not None:
            raise self._trouble
        known = self._roster.services.get(service)
        if known is not None and not known.lives:
            raise TargetStopped(f"the container of {service} does not run: {known.cause or known.state.value}")
        container = self._roster.containers.get(service)
        if known is None and container is None:
            raise TargetAbsent(f"there is no container of the service {service}")
        return next(iter(container.addresses.values()), None) if container else None

    async def _without_engine(self, error: SupervisorError) -> Observation:
        """Return what is to be said of an engine that cannot be asked.

        Who looks may be a monitoring system without the right to ask it: then nothing is known, rather than that it
        is down. The socket shows which it is: it is there.
        """
        is_there = await self._asked(Path(self._settings.docker.socket).exists)
        if isinstance(error, EngineForbidden) and is_there is not False:
            return self._of_engine(Outcome.UNKNOWN, {"reachable": Unknown(str(error))}, str(error))
        return self._of_engine(Outcome.DOWN, {"reachable": False}, str(error))

    async def _asked(self, look: Callable[[], T]) -> T | None:
        """Return what a look into the file system finds, None if that hangs or is not allowed."""
        try:
            return await self._calls.run("folders", look, self._settings.checks.timeout_seconds)
        except (Hanging, OSError):
            return None

    def _of_engine(self, outcome: Outcome, facts: Mapping[str, FactValue], error: str = "") -> Observation:
        return Observation(
            source=SOURCE,
            subject=ENGINE,
            at=self._clock.instant(),
            facts=facts,
            evidence={"error": error} if error else {},
            outcome=outcome,
        )


def _judged(settings: Settings, rules: Sequence[Rule], seen: Sequence[Observation], clock: Clock) -> tuple[Alert, ...]:
    """Return what fires at once if nothing has to hold for a while, but for what another alert explains.

    What has to hold for longer than `LONGEST_SECONDS` says something of the time: one look cannot tell.
    """
    short = (rule for rule in rules if rule.for_seconds <= LONGEST_SECONDS)
    at_once = [msgspec.structs.replace(rule, for_seconds=0.0) for rule in short]
    turn = Turn(Policy(settings.host.name, at_once, [NOBODY], topology(settings)), {}, [], clock.instant())
    numbers = itertools.count(1)
    turn.take(seen, lambda: str(next(numbers)))
    return tuple(alert for alert in turn.alerts.values() if alert.state is AlertState.FIRING and alert.told)
