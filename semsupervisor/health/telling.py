"""Handing on what watching found: observations at once, notes when there is time, and whether the engine is there."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence

from semsupervisor.errors import EngineError, EngineForbidden, SocketMissing
from semsupervisor.health import describing, services
from semsupervisor.health.hearing import Note
from semsupervisor.health.observation import ENGINE, HOST, FactValue, Observation, Outcome, Subject, Unknown
from semsupervisor.health.roster import GRACE_SECONDS, Roster, Turn
from semsupervisor.kit.clock import Clock, Instant
from semsupervisor.store.journal import Companion

SOURCE = "watching"

HandOn = Callable[[Sequence[Observation], Companion | None], Awaitable[None]]
WriteNote = Callable[[str, Subject, str, Mapping[str, FactValue]], Awaitable[None]]
IsShuttingDown = Callable[[], Awaitable[bool]]
EngineTrouble = EngineError | EngineForbidden


async def never_shuts_down() -> bool:
    """Say that the host goes on, where nobody can tell."""
    return False


class Teller:
    """The one way from the roster to the rest of the daemon.

    `trouble` is why the engine cannot be asked, None while it can; `listed` says whether either is known yet.
    `look_at` is when the containers are to be listed again, in monotonic seconds, None if there is no need. `remember`
    gives what keeps the roster as it is: it goes to the disk with what follows from the observations. `ahead` counts
    the turns that the roster knows already while nobody else does.
    """

    def __init__(
        self,
        roster: Roster,
        clock: Clock,
        hand_on: HandOn,
        remember: Callable[[], Companion | None],
        note: WriteNote,
        host_is_shutting_down: IsShuttingDown,
    ) -> None:
        self.ahead = 0
        self.trouble: EngineTrouble | None = None
        self.listed = asyncio.Event()
        self.look_at: float | None = None
        self.wake = asyncio.Event()
        self._roster = roster
        self._clock = clock
        self._hand_on = hand_on
        self._remember = remember
        self._note = note
        self._host_is_shutting_down = host_is_shutting_down
        self._away_since: float | None = None
        self._notes: deque[Note] = deque()

    async def tell(self, turn: Turn, more: Sequence[Observation] = ()) -> None:
        """Hand on what a turn brought, in its order, and let the rest of it follow."""
        observed = [describing.observation(SOURCE, service, at) for service, at in turn.observed]
        gone = [describing.gone(SOURCE, service, self._clock.instant(), because) for service, because in turn.gone]
        self._notes.extend(turn.notes)
        if turn.look or turn.look_later:
            due = self._clock.monotonic() + (0.0 if turn.look else GRACE_SECONDS)
            self.look_at = due if self.look_at is None else min(self.look_at, due)
        self.wake.set()
        if observed or gone or more:
            await self._tell_all([*more, *observed, *gone])

    def note(self, note: Note) -> None:
        """Let an entry go into the timeline when there is time."""
        self._notes.append(note)
        self.wake.set()

    async def write_notes(self) -> None:
        """Write the entries that wait, oldest first; one that cannot be written leaves the others for the next time."""
        while self._notes:
            note = self._notes.popleft()
            await self._note(note.kind, note.subject, note.text, note.facts)

    def reachable(self, version: str) -> Observation:
        """Return that the engine answers."""
        return Observation(
            source=SOURCE,
            subject=ENGINE,
            at=self._clock.instant(),
            facts={"reachable": True, "allowed": True, "version": version},
        )

    async def lost(self, error: EngineTrouble) -> None:
        """Tell that the engine does not answer: what is known of its containers is known no more.

        When the host shuts down that is nobody's trouble: it is noted once, and not held against the engine.
        """
        began = self.trouble is None
        self.trouble = error
        self.listed.set()
        at = self._clock.instant()
        if began:
            self._away_since = at.monotonic
        if await self._host_is_shutting_down():
            if began:
                self.note(Note("host.shutting_down", HOST, "the host is shutting down, and Docker with it"))
            return
        down = Observation(
            source=SOURCE,
            subject=ENGINE,
            at=at,
            facts={"reachable": False, "allowed": not _is_refused(error)},
            evidence=_evidence(error),
            outcome=Outcome.DOWN,
        )
        if began:
            self.note(Note("engine.lost", ENGINE, error.reason))
        await self._hand_on([down, *(self._unknown(at) if began else ())], None)

    def found(self) -> float | None:
        """Take it that the engine answers; return for how many seconds it had not, None if that was not noticed."""
        since, self._away_since = self._away_since, None
        self.trouble = None
        self.listed.set()
        return None if since is None else self._clock.monotonic() - since

    async def _tell_all(self, observations: Sequence[Observation]) -> None:
        """Hand observations on, and what they are known by. Cut off in between, the roster stays ahead for good."""
        self.ahead += 1
        try:
            await self._hand_on(observations, self._remember())
        except Exception:
            self.ahead -= 1
            raise
        self.ahead -= 1
        self.wake.set()

    def _unknown(self, at: Instant) -> list[Observation]:
        unknown = Unknown("the Docker engine does not answer")
        return [
            Observation(
                source=SOURCE,
                subject=service.subject,
                at=at,
                facts=dict.fromkeys(services.facts(service, at.monotonic), unknown),
                evidence={"error": str(unknown)},
                outcome=Outcome.UNKNOWN,
            )
            for service in self._roster.services.values()
        ]


def _is_refused(error: EngineTrouble) -> bool:
    """Tell whether it is a matter of rights: an engine that may not be asked may be well."""
    return isinstance(error, EngineForbidden) and not isinstance(error, SocketMissing)


def _evidence(error: EngineTrouble) -> Mapping[str, str]:
    remedy = {"remedy": error.remedy} if isinstance(error, EngineForbidden) else {}
    return {"error": error.reason, **remedy}
