"""Following the engine's events: list first, then listen; find out what happened when it ends, and begin anew."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import structlog

from semsupervisor.errors import EngineError, EngineForbidden
from semsupervisor.health import engines
from semsupervisor.health.engines import Bookmark, Change, Return
from semsupervisor.health.hearing import Note
from semsupervisor.health.looking import Circumstances
from semsupervisor.health.observation import ENGINE
from semsupervisor.health.roster import Roster, Turn
from semsupervisor.health.services import Ending
from semsupervisor.health.telling import Teller
from semsupervisor.kit.clock import Clock, Instant
from semsupervisor.systems.containers import Action, Engine, Event
from semsupervisor.systems.docker import Docker
from semsupervisor.systems.docker_events import EventStream, StreamEnded

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
SILENCE_NOTED_EVERY_SECONDS = 600.0
NANO = 10**9


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """What is watched and how: the compose project, this boot of the host, and the engine settings' durations."""

    project: str
    boot_id: str
    settle_seconds: float
    ping_interval_seconds: float


class StreamReport(msgspec.Struct, frozen=True, kw_only=True):
    """How the event stream is doing.

    `last_lag_seconds` is the time from the last event's stamp to its arrival, None before the first. `silent_total`
    counts how often it told nothing of what a list showed to have happened.
    """

    connected_since: Instant | None = None
    reconnects_total: int = 0
    events_total: int = 0
    last_event: Instant | None = None
    last_lag_seconds: float | None = None
    silent_total: int = 0
    silent_since: Instant | None = None


class Follower:
    """The event stream of one project, as long as the daemon runs."""

    def __init__(self, docker: Docker, watched: Watched, clock: Clock, roster: Roster, teller: Teller) -> None:
        self.report = StreamReport()
        self.connected = asyncio.Event()
        self.bookmark: Bookmark | None = None
        self.version = ""
        self.engine_root = ""
        self._docker = docker
        self._watched = watched
        self._clock = clock
        self._roster = roster
        self._teller = teller
        self._stream: EventStream | None = None
        self._failures = 0
        self._silence_noted: float | None = None

    async def follow(self) -> None:
        """Follow until the stream ends, tell what became of the engine, and pause; to be called again and again."""
        try:
            await self._connect_and_listen()
        except StreamEnded as error:
            log.info("stream.ended", reason=str(error))
        except (EngineError, EngineForbidden) as error:
            await self._teller.lost(error)
        finally:
            self.connected.clear()
            if self.report.connected_since is not None:
                self._count(connected_since=None, reconnects_total=self.report.reconnects_total + 1)
        pause = min(FIRST_PAUSE_SECONDS * 2**self._failures, LONGEST_PAUSE_SECONDS)
        self._failures = min(self._failures + 1, 10)
        await asyncio.sleep(pause)

    async def begin_anew(self, silent: Sequence[str]) -> None:
        """End a stream that told nothing of what happened to some services, so that another one is followed.

        Each time is counted and logged; one that comes soon after another is not noted.
        """
        names = ", ".join(silent)
        log.warning("stream.silent", services=names)
        at = self._clock.instant()
        if self._silence_noted is None or at.monotonic - self._silence_noted >= SILENCE_NOTED_EVERY_SECONDS:
            self._silence_noted = at.monotonic
            text = f"the event stream told nothing of what happened to {names}; it is followed anew"
            self._teller.note(Note("engine.silent", ENGINE, text))
        self._count(silent_total=self.report.silent_total + 1, silent_since=at)
        await self.drop()

    async def drop(self) -> None:
        """End the stream; `follow` begins another one."""
        self.connected.clear()
        if self._stream is not None:
            await self._stream.close()

    async def _connect_and_listen(self) -> None:
        engine = await self._docker.engine()
        # A new engine answers only when it is done with what an old one left; what it did before is its own doing.
        since = int(self._clock.now().timestamp() * NANO)
        self._stream = await self._docker.events(self._watched.project, since)
        try:
            await self._catch_up(engine, since)
            self.connected.set()
            self._count(connected_since=self._clock.instant(), silent_since=None)
            self._failures = 0
            await self._listen(self._stream)
        finally:
            stream, self._stream = self._stream, None
            await stream.close()

    async def _listen(self, stream: EventStream) -> None:
        while True:
            event = await stream.next(self._watched.ping_interval_seconds)
            if event is None:
                await self._docker.ping()
                continue
            at = self._clock.instant()
            turn = self._roster.hear(event, at)
            self._count(
                events_total=self.report.events_total + 1,
                last_event=at,
                last_lag_seconds=max(0.0, at.wall.timestamp() - event.time_nano / NANO),
            )
            await self._teller.tell(turn)

    async def _catch_up(self, engine: Engine, until: int) -> None:
        """Take in what happened before the stream began, by its events as far as the engine remembers them.

        Nothing is taken in before all is there: what fails here is asked for again as a whole.
        """
        change = engines.changed(self.bookmark, engine, self._watched.boot_id)
        past = await self._past_events(until)
        heard = self._clock.instant()
        listed = await self._docker.containers(self._watched.project)
        at = self._clock.instant()
        known = self._roster.services
        before = {name: service.started_at for name, service in known.items() if service.lives}
        stopped_before = self._roster.engine_ended() if change.is_new else []
        turn = self._replay(past, heard, by_engine=change.is_new)
        started = engine.started_at.timestamp() if engine.started_at else None
        since = datetime.fromtimestamp(until / NANO, UTC)
        met = Circumstances(engine_changed=change.is_new, engine_started=started, told_from=since)
        _join(turn, self._roster.see(listed, heard.monotonic, at, met))
        story = engines.story(
            Return(
                change=change,
                stopped_before=stopped_before,
                stopped_after=_stopped(past) if change is Change.ENGINE else (),
                left=[name for name, one in known.items() if one.ending is Ending.LEFT],
                kept=[name for name, start in before.items() if name in known and known[name].started_at == start],
                away_seconds=self._teller.found(),
            )
        )
        if story is not None:
            self._teller.note(story)
        self._roster.last_event_nano = until  # what is older is told by the list
        self.bookmark = Bookmark(boot_id=self._watched.boot_id, engine=engine.identity)
        self.version = engine.version
        self.engine_root = engine.root_directory
        told = {service.name for service, _ in turn.observed}
        turn.observed += [(service, at) for name, service in known.items() if name not in told]
        await self._teller.tell(turn, [self._teller.reachable(engine.version)])

    async def _past_events(self, until: int) -> list[Event]:
        since = self._roster.last_event_nano
        if not 0 < since < until:
            return []
        return await self._docker.past_events(self._watched.project, since + 1, until)

    def _replay(self, past: Sequence[Event], at: Instant, *, by_engine: bool) -> Turn:
        whole = Turn()
        for event in past:
            _join(whole, self._roster.hear(event, at, by_engine=by_engine))
        return whole

    def _count(self, **changes: object) -> None:
        self.report = msgspec.structs.replace(self.report, **changes)


def _join(whole: Turn, part: Turn) -> None:
    whole.observed += part.observed
    whole.notes += part.notes
    whole.gone += part.gone
    whole.look = whole.look or part.look
    whole.look_later = whole.look_later or part.look_later


def _stopped(past: Sequence[Event]) -> list[str]:
    return sorted({event.owner.name for event in past if event.action is Action.DIE})
