"""The project's containers, listed and then watched: what happens to them becomes observations at once.

Two guarded loops: `follow` hears the engine's events and hands on what they say before anything else is done; `look`
does what may take longer: it lists after a change, settles who asked for a stop, notes, and remembers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
import structlog

from semsupervisor.errors import EngineError, EngineForbidden, StoreError
from semsupervisor.health import describing, evidence
from semsupervisor.health.engines import Bookmark
from semsupervisor.health.following import Follower, StreamReport, Watched
from semsupervisor.health.leaving import Leaving
from semsupervisor.health.memory import Memory
from semsupervisor.health.observation import ENDED_AT, Observation
from semsupervisor.health.roster import Roster
from semsupervisor.health.services import Service
from semsupervisor.health.targets import TargetAbsent, TargetStopped
from semsupervisor.health.telling import EngineTrouble, HandOn, IsShuttingDown, Teller, WriteNote, never_shuts_down
from semsupervisor.health.usage import Measured
from semsupervisor.kit.clock import Clock
from semsupervisor.store.journal import Companion
from semsupervisor.systems.containers import Container
from semsupervisor.systems.docker import Docker

log = structlog.get_logger(__name__)

PROBE_SOURCE = "containers"
LOOK_AGAIN_SECONDS = 1.0
IDLE_SECONDS = 60.0


class Watching:
    """What is known of the project's containers, kept up to date by events and lists."""

    def __init__(
        self,
        docker: Docker,
        watched: Watched,
        clock: Clock,
        hand_on: HandOn,
        memory: Memory,
        note: WriteNote,
        *,
        host_is_shutting_down: IsShuttingDown = never_shuts_down,
    ) -> None:
        self._docker = docker
        self._watched = watched
        self._clock = clock
        self._memory = memory
        self._roster = Roster()
        self._teller = Teller(self._roster, clock, hand_on, self._companion, note, host_is_shutting_down)
        self._follower = Follower(docker, watched, clock, self._roster, self._teller)
        self._leaving = Leaving(self._roster)
        self._loaded = False

    @property
    def services(self) -> Mapping[str, Service]:
        """Return what is known of each service, by its name."""
        return self._roster.services

    @property
    def containers(self) -> Mapping[str, Container]:
        """Return the containers as they were inspected last, by their services' names."""
        return self._roster.containers

    @property
    def stream(self) -> StreamReport:
        """Return how the event stream is doing."""
        return self._follower.report

    @property
    def listed(self) -> bool:
        """Tell whether the first list of containers, or its failure, is known."""
        return self._teller.listed.is_set()

    async def first_list(self) -> None:
        """Wait for the first list of containers, or its failure."""
        await self._teller.listed.wait()

    @property
    def engine_root(self) -> str:
        """Return the folder in which the engine keeps its data, empty until it has told."""
        return self._follower.engine_root

    def address(self, service: str) -> str | None:
        """Return a network address of a service's container, None if it has none.

        Raises: EngineError (EngineForbidden) while the engine does not answer; TargetStopped when it does not run;
        TargetAbsent when there is no such service.
        """
        if self._teller.trouble is not None:
            raise self._teller.trouble
        known = self._roster.services.get(service)
        if known is not None and not known.lives:
            raise TargetStopped(f"the container of {service} does not run: {known.cause or known.state.value}")
        container = self._roster.containers.get(service)
        if known is None and container is None:
            raise TargetAbsent(f"there is no container of the service {service}")
        return next(iter(container.addresses.values()), None) if container else None

    async def follow(self) -> None:
        """One turn: list, then follow the events until the stream ends.

        An engine that cannot be reached is told, and is no error of this loop.
        """
        await self._load()
        await self._follower.follow()

    async def look(self) -> None:
        """One turn: wait until there is something to look after, and do it."""
        await self._until_due()
        if self._is_look_due():
            await self._look_again()
        await self._settle()
        await self._teller.write_notes()
        await self.save()

    async def save(self) -> None:
        """Keep what is known, if it differs from what is kept; not before it is told: see `Memory`."""
        mark = self._mark()
        if mark is not None and not self._teller.ahead:
            await self._memory.save(mark, self._roster.services)

    async def reconcile(self) -> Sequence[Container]:
        """List all containers, hand on what the events did not tell, and return the list.

        Raises: EngineError, EngineForbidden.
        """
        listed = await self._reconcile()
        await self._teller.tell(await self._leaving.unwanted())
        return listed

    async def forget(self, name: str, by: str) -> None:
        """Forget a service that has no container, because somebody says that this is meant.

        Raises: UnknownService; NotForgotten when it is there, or has to be; EngineError, EngineForbidden when nobody
        can tell whether it is there.
        """
        await self._reconcile()
        await self._teller.tell(await self._leaving.forget(name, by))

    async def _reconcile(self) -> Sequence[Container]:
        await self._until_connected()
        asked = self._clock.monotonic()
        try:
            listed = await self._docker.containers(self._watched.project)
        except (EngineError, EngineForbidden) as error:
            await self._lost(error)
            raise
        turn = self._roster.see(listed, asked, self._clock.instant())
        await self._teller.tell(turn, [self._teller.reachable(self._follower.version)])
        if turn.silent:
            await self._follower.begin_anew(turn.silent)
        return listed

    async def measured(self, uses: Mapping[str, Measured]) -> list[Observation]:
        """Return the facts of all services, with those of what their containers use (by container id).

        Kills for lack of memory that only their count tells are handed on at once: what is returned may be thrown away.
        """
        at = self._clock.instant()
        used = {name: uses[one.id] for name, one in self._roster.containers.items() if one.id in uses}
        counts = {name: use.oom_kills for name, use in used.items() if name in self._roster.services}
        await self._teller.tell(self._roster.count_oom(counts, at))
        found = []
        for name, service in list(self._roster.services.items()):
            more = used[name].facts if name in used and service.lives else {}
            found.append(describing.observation(PROBE_SOURCE, service, at, more))
        self._roster.forget_oom(at)
        found += [describing.gone(PROBE_SOURCE, service, at, because) for service, because in self._leaving.farewell()]
        return found

    async def evidence(self, service: str, ended_at: str = "") -> Mapping[str, str]:
        """Return what is known of a service's state, its inspection and its last log lines, secrets masked.

        With `ended_at`, the evidence of that name, it is about that end: what has happened since is left out.
        Raises: EngineError, EngineForbidden.
        """
        known = self._roster.services.get(service)
        if known is None:
            return {}
        own = describing.evidence(known)
        if ended_at and own.get(ENDED_AT) != ended_at:
            own = {}
        if not known.container:
            return own
        until = datetime.fromisoformat(ended_at) if ended_at else None
        return {**await evidence.gather(self._docker, known.container, until), **own}

    def _mark(self) -> Bookmark | None:
        bookmark = self._follower.bookmark
        if bookmark is None:
            return None
        return msgspec.structs.replace(bookmark, last_event_nano=self._roster.last_event_nano)

    def _companion(self) -> Companion | None:
        mark = self._mark()
        return None if mark is None else self._memory.companion(mark, self._roster.services)

    async def _lost(self, error: EngineTrouble) -> None:
        """Tell it, and let `follow` find out when the engine is back."""
        await self._teller.lost(error)
        await self._follower.drop()

    async def _load(self) -> None:
        """Take up what was kept; without it the first list tells what there is."""
        if self._loaded:
            return
        try:
            remembered = await self._memory.load()
        except StoreError as error:
            log.warning("watching.nothing_remembered", error=str(error))
        else:
            mark = remembered.bookmark or Bookmark()
            self._roster.remember(
                remembered.services,
                mark.last_event_nano,
                self._clock.instant(),
                same_boot=mark.boot_id == self._watched.boot_id,
            )
            self._follower.bookmark = remembered.bookmark
        self._loaded = True

    async def _until_connected(self) -> None:
        if self._teller.trouble is not None:
            raise self._teller.trouble
        try:
            async with asyncio.timeout(self._watched.ping_interval_seconds):
                await self._follower.connected.wait()
        except TimeoutError as error:
            raise EngineError("the Docker engine's event stream is not connected") from error

    async def _until_due(self) -> None:
        now = self._clock.monotonic()
        due = [now + IDLE_SECONDS]
        if self._follower.connected.is_set():
            due += [since + self._watched.settle_seconds for since in self._roster.unsettled().values()]
            due += [self._teller.look_at] if self._teller.look_at is not None else []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(due) - now)):
                await self._teller.wake.wait()
        self._teller.wake.clear()

    def _is_look_due(self) -> bool:
        due = self._teller.look_at
        return due is not None and self._follower.connected.is_set() and self._clock.monotonic() >= due

    async def _look_again(self) -> None:
        """List once more; if the engine fails just now, `follow` tells that, and lists when it is back."""
        self._teller.look_at = None
        try:
            await self.reconcile()
        except (EngineError, EngineForbidden) as error:
            log.info("look.failed", error=str(error))

    def _due(self, now: float) -> list[str]:
        """Return the services whose stop was learned so long ago that it may be believed."""
        settle = self._watched.settle_seconds
        return [name for name, since in self._roster.unsettled().items() if now - since >= settle]

    async def _settle(self) -> None:
        """Believe that somebody asked for a stop once the engine has gone on taking new connections for a while."""
        now = self._clock.monotonic()
        due = self._due(now)
        if any(self._roster.services[name].successor for name in due):
            await self._look_again()  # no event tells that what was to replace it could not be started
            due = self._due(now)
        if not due or not self._follower.connected.is_set():
            return
        try:
            await self._docker.ping()
        except (EngineError, EngineForbidden) as error:
            await self._lost(error)
            return
        await self._teller.tell(await self._leaving.unwanted(due))
        await self._teller.tell(self._roster.settle(due, self._clock.instant()))
