"""All services of the project together: which container is whose present one, and who is missing. No I/O.

Events and lists may come in any order and more than once. A list says nothing of a service of which an event came
after the list was asked for. While events are followed, what a list finds that they should have told is not believed:
the event may be on its way. If it has not come after a while, the events are silent and have to be followed anew;
the list with which that begins is then the truth.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from semsupervisor.health import belonging, hearing, looking
from semsupervisor.health.hearing import Note
from semsupervisor.health.looking import Circumstances, Seen
from semsupervisor.health.services import Ending, Service, ServiceState
from semsupervisor.kit.clock import Instant
from semsupervisor.systems.containers import Action, Container, Event

GRACE_SECONDS = 0.5
MOST_EVENTS_REMEMBERED = 1024
OOM_KEPT_SECONDS = 1.0
FOLLOWED = Circumstances()


class Turn(msgspec.Struct):
    """What one event or list brought: states to observe in their order, notes, and whether to look again.

    `gone` are no part of the project any more, each with a sentence on why. `silent` names services of which the events
    told nothing although something happened.
    """

    observed: list[tuple[Service, Instant]] = []
    gone: list[tuple[Service, str]] = []
    notes: list[Note] = []
    look: bool = False
    look_later: bool = False
    silent: list[str] = []


class Roster:
    """What is known of each service of one compose project, by the name of its subject."""

    def __init__(self) -> None:
        self.services: dict[str, Service] = {}
        self.containers: dict[str, Container] = {}
        self.last_event_nano = 0
        self._heard_monotonic: dict[str, float] = {}
        self._remembered: OrderedDict[tuple[int, str, Action], None] = OrderedDict()
        self._missed_since: dict[str, float] = {}
        self._silent: set[str] = set()

    def remember(self, kept: Mapping[str, Service], last_event_nano: int, at: Instant, *, same_boot: bool) -> None:
        """Take up what was kept by an earlier run; another boot's monotonic seconds mean nothing now."""
        self.last_event_nano = last_event_nano
        for name, service in kept.items():
            ended = None if service.ended_monotonic is None else at.monotonic
            self.services[name] = (
                service
                if same_boot
                else msgspec.structs.replace(service, deaths=(), ended_monotonic=ended, begun=None, oom_at=None)
            )

    def hear(self, event: Event, at: Instant, *, by_engine: bool = False) -> Turn:
        """Take in one event that arrived at `at`; one that was heard before changes nothing."""
        turn = Turn()
        if event.owner.oneoff or not event.owner.service or self._is_known(event):
            return turn
        if hearing.is_overtaken(event, self.containers.get(event.owner.name), at):
            return turn
        self.last_event_nano = event.time_nano
        name = event.owner.name
        known = self.services.get(name)
        self._heard_monotonic[name] = at.monotonic
        self._missed_since.pop(name, None)
        self._silent.discard(name)
        stamp = Instant(hearing.stamped(event), at.monotonic)
        if known is None or event.id != known.container:
            self._hear_of_another(known, event, turn, stamp)
            return turn
        self._take(hearing.hear(known, event, at, by_engine=by_engine), turn, stamp)
        return turn

    def see(self, listed: Sequence[Container], asked: float, at: Instant, met: Circumstances = FOLLOWED) -> Turn:
        """Take in a list of all containers that was asked for at `asked` (monotonic seconds) and came at `at`."""
        turn = Turn()
        candidates = belonging.by_name(listed)
        for name, found in candidates.items():
            container = belonging.present_one(self.services.get(name), found)
            self.containers[name] = container
            if self._heard_monotonic.get(name, -1.0) > asked:
                turn.look = True
            else:
                self._see_one(name, container, at, met, turn)
        for name in [name for name in self.services if name not in candidates]:
            self.containers.pop(name, None)
            if self._heard_monotonic.get(name, -1.0) <= asked:
                self._see_none(name, at, met, turn)
        self._see_expected(at, turn)
        self._forget_strangers(candidates, asked)
        return turn

    def engine_ended(self) -> list[str]:
        """Judge the ends that are not settled as its engine's own, and return whose they are."""
        unsettled = [
            service
            for service in self.services.values()
            if service.ending is Ending.ASKED and service.state is ServiceState.EXITED
        ]
        for service in unsettled:
            self.services[service.name] = msgspec.structs.replace(
                service, ending=Ending.ENGINE, cause="ended with its engine"
            )
        return [service.name for service in unsettled]

    def unsettled(self) -> Mapping[str, float]:
        """Return the services that somebody asked to stop and that are not told yet, with when that was learned."""
        return {
            service.name: service.ended_monotonic or 0.0
            for service in self.services.values()
            if service.ending is Ending.ASKED
        }

    def settle(self, names: Iterable[str], at: Instant) -> Turn:
        """Believe of services that somebody stopped them: the engine has gone on answering."""
        turn = Turn()
        for name in names:
            service = self.services.get(name)
            if service is None or service.ending is not Ending.ASKED:
                continue
            turn.notes.append(Note("service.stopped", service.subject, f"{name}: {service.cause}"))
            self._observe(msgspec.structs.replace(service, ending=Ending.REQUESTED), turn, at)
        return turn

    def count_oom(self, counts: Mapping[str, int | None], at: Instant) -> Turn:
        """Take in how many processes of services' containers were killed for lack of memory since their starts."""
        turn = Turn()
        for name, kills in counts.items():
            service = self.services[name]
            if kills is None or kills == service.oom_kills:
                continue
            # The engine marks the next end with a kill that was before our time.
            seen = service.oom_seen or (service.oom_kills is None and kills > 0)
            counted = msgspec.structs.replace(service, oom_kills=kills, oom_seen=seen)
            if service.oom or service.oom_kills is None or kills < service.oom_kills:
                self.services[name] = counted
                continue
            turn.notes.append(hearing.out_of_memory(service))
            self._observe(hearing.with_oom(counted, at), turn, at)
        return turn

    def forget_oom(self, at: Instant) -> None:
        """Begin anew to look for kills for lack of memory: what was found is told, and any death of it was heard.

        What waits for its restart policy is left: it is dead of that until it comes back.
        """
        for service in list(self.services.values()):
            kept = service.state is ServiceState.RESTARTING
            if not kept and service.oom_at is not None and at.monotonic - service.oom_at >= OOM_KEPT_SECONDS:
                self.services[service.name] = msgspec.structs.replace(service, oom_at=None)

    def need_of(self, service: Service) -> str:
        """Return who runs and depends on a service of which no other replica lives; empty for nobody."""
        others = (one for one in self.services.values() if one.owner.service == service.owner.service)
        lives = any(other.lives for other in others if other.name != service.name)
        return "" if lives else self._needed().get(service.owner.service, "")

    def leave(self, service: Service, because: str, turn: Turn) -> None:
        """Let a service be no part of the project any more, and note why, in a sentence."""
        del self.services[service.name]
        turn.gone.append((service, because))
        turn.notes.append(Note("service.forgotten", service.subject, because))

    def _is_known(self, event: Event) -> bool:
        key = (event.time_nano, event.id, event.action)
        if key in self._remembered:
            return True
        self._remembered[key] = None
        if len(self._remembered) > MOST_EVENTS_REMEMBERED:
            self._remembered.popitem(last=False)
        return False

    def _hear_of_another(self, known: Service | None, event: Event, turn: Turn, stamp: Instant) -> None:
        """An event of a container that is not the service's present one, or of a service not known yet."""
        empty = known or Service(name=event.owner.name, owner=event.owner)
        match event.action:
            case Action.CREATE if empty.container:
                self.services[empty.name] = msgspec.structs.replace(empty, successor=event.id)
            case Action.CREATE:
                ending = empty.ending if empty.ending in looking.ASKED_FOR else Ending.NONE
                created = msgspec.structs.replace(
                    empty, container=event.id, state=ServiceState.CREATED, ending=ending, since=stamp.wall
                )
                turn.look = True
                self._observe(created, turn, stamp)
            case Action.START:
                began = msgspec.structs.replace(
                    empty, container=event.id, successor="", restart_count=0, oom_seen=False
                )
                heard = hearing.hear(msgspec.structs.replace(began, ending=Ending.NONE), event, stamp)
                notes = (hearing.recreated(empty),) if empty.image_id else ()
                self._take(msgspec.structs.replace(heard, notes=notes), turn, stamp)
            case Action.DESTROY if event.id == empty.successor:
                self.services[empty.name] = msgspec.structs.replace(empty, successor="")
            case Action.DESTROY if empty.ending is Ending.VANISHED and not empty.waited_for:
                self._take(hearing.removed(empty, event, stamp), turn, stamp)
            case _:
                turn.look = True

    def _take(self, heard: hearing.Heard, turn: Turn, at: Instant) -> None:
        turn.look = turn.look or heard.look
        turn.notes.extend(heard.notes)
        if heard.observe:
            self._observe(heard.service, turn, at)
        else:
            self.services[heard.service.name] = heard.service

    def _observe(self, service: Service, turn: Turn, at: Instant) -> None:
        self.services[service.name] = service
        turn.observed.append((service, at))

    def _see_one(self, name: str, container: Container, at: Instant, met: Circumstances, turn: Turn) -> None:
        known = self.services.get(name)
        if known is None:
            first = looking.first(container.owner, container, at, met)
            seen = Seen(first, missed=True, notes=hearing.completion(first))
        else:
            seen = looking.see(known, container, at, met)
        begun_anew = met.told_from is not None and name in self._silent
        if seen.missed and not begun_anew and looking.is_told(container, at, met):
            self._wait_for_events(name, at, turn)
            return
        self._missed_since.pop(name, None)
        self._silent.discard(name)
        turn.notes.extend(seen.notes)
        turn.observed.extend((one, Instant(one.since or at.wall, at.monotonic)) for one in seen.passed)
        if seen.service != known:
            self._observe(seen.service, turn, at)

    def _see_none(self, name: str, at: Instant, met: Circumstances, turn: Turn) -> None:
        known = self.services[name]
        if known.container and met.told_from is None:
            self._wait_for_events(name, at, turn)
        elif known.container:
            self._observe(looking.vanished(known, at), turn, at)
        elif belonging.is_long_gone(known, at) and not self.need_of(known):
            self._forget(known, turn)

    def _see_expected(self, at: Instant, turn: Turn) -> None:
        """A service that another one depends on is missing if nothing is known of it."""
        waiting = self._needed()
        for service in [one for one in self.services.values() if one.waited_for and not one.image_id]:
            if service.name not in waiting:
                self._forget(service, turn)
        for name, waits in waiting.items():
            if any(service.owner.service == name for service in self.services.values()):
                continue
            owner = msgspec.structs.replace(self.containers[waits].owner, service=name, number=1)
            missing = Service(
                name=name,
                owner=owner,
                since=at.wall,
                ending=Ending.VANISHED,
                ended_monotonic=at.monotonic,
                cause=f"it has no container, and {waits} depends on it",
                waited_for=waits,
            )
            self._observe(missing, turn, at)

    def _needed(self) -> Mapping[str, str]:
        return belonging.needed(self.containers.values())

    def _forget(self, service: Service, turn: Turn) -> None:
        del self.services[service.name]
        turn.gone.append((service, f"{service.name} is no part of the stack any more."))

    def _forget_strangers(self, listed: Iterable[str], asked: float) -> None:
        """Forget what was heard of who is no service any more, unless a list may yet show him."""
        known = {*self.services, *listed}
        heard = self._heard_monotonic
        self._heard_monotonic = {name: at for name, at in heard.items() if name in known or at > asked}
        self._missed_since = {name: at for name, at in self._missed_since.items() if name in known}
        self._silent &= known

    def _wait_for_events(self, name: str, at: Instant, turn: Turn) -> None:
        """A list shows what events should tell: wait for them, but not for ever."""
        if at.monotonic - self._missed_since.setdefault(name, at.monotonic) < GRACE_SECONDS:
            turn.look_later = True
            return
        del self._missed_since[name]
        self._silent.add(name)
        turn.silent.append(name)
