"""What one event of the engine makes of what is known of a service. Pure.

`by_engine` marks what a new engine tells of its own start: what it kills and stops then, nobody asked it to.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from semsupervisor.health import intent
from semsupervisor.health.describing import how_it_died
from semsupervisor.health.observation import FactValue, Subject
from semsupervisor.health.services import KILLED, Ending, Kill, Service, ServiceState, begun, with_deaths
from semsupervisor.kit.clock import Instant
from semsupervisor.systems.containers import Action, Container, Event, Health

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What an inspection and an event tell within this time is one kill, and so are several processes killed together.
SAME_KILL_SECONDS = 0.5
COMPLETED = "completed with exit code 0"


class Note(msgspec.Struct, frozen=True):
    """An entry for the timeline that belongs to no alert."""

    kind: str
    subject: Subject
    text: str
    facts: Mapping[str, FactValue] = {}


class Heard(msgspec.Struct, frozen=True):
    """What a service is after an event; whether that is to be observed now, inspected soon, and what to note."""

    service: Service
    observe: bool = False
    look: bool = False
    notes: tuple[Note, ...] = ()


def stamped(event: Event) -> datetime:
    """Return the engine's stamp of an event as a moment."""
    return EPOCH + timedelta(microseconds=event.time_nano // 1000)


def is_overtaken(event: Event, listed: Container | None, at: Instant) -> bool:
    """Tell whether an event is from before the wall clock was set back, and the list has shown what came after it.

    An engine tells a new listener all that it remembers to have happened later than now.
    """
    happened = stamped(event)
    if listed is None or happened <= at.wall:
        return False
    shown = (listed.created_at, listed.started_at, listed.finished_at)
    return any(stamp is not None and happened <= stamp for stamp in shown)


def hear(service: Service, event: Event, at: Instant, *, by_engine: bool = False) -> Heard:
    """Return what an event of a service's present container makes of it; `at` is when it arrived."""
    match event.action:
        case Action.START | Action.DIE | Action.KILL | Action.STOP | Action.DESTROY:
            return _begin_or_end(service, event, at, by_engine=by_engine)
        case Action.OOM:
            return _out_of_memory(service, at)
        case Action.PAUSE:
            return _pause(service, event)
        case Action.UNPAUSE:
            return _unpause(service, event)
        case Action.HEALTH:
            return _health(service, event)
        case Action.UPDATE:
            return Heard(service, look=True)
        case Action.CREATE | Action.RENAME | Action.RESTART:
            return Heard(service)


def _begin_or_end(service: Service, event: Event, at: Instant, *, by_engine: bool) -> Heard:
    if event.action is Action.START:
        return _start(begun(service, at), event)
    if event.action is Action.DIE:
        return _die(service, event, at, by_engine=by_engine)
    if event.action is Action.DESTROY:
        return _destroy(service, event, at)
    if by_engine:
        return Heard(service)
    return _stop(service, event, at) if event.action is Action.STOP else Heard(_kill(service, event))


def _start(service: Service, event: Event) -> Heard:
    notes: tuple[Note, ...] = ()
    if service.ending in (Ending.ASKED, Ending.REQUESTED):
        notes = (Note("service.restarted", service.subject, f"{service.name} was started again by request"),)
    began = msgspec.structs.replace(
        service,
        state=ServiceState.RUNNING,
        since=stamped(event),
        started_at=None,
        finished_at=None,
        exit_code=None,
        restart_count=service.restart_count if service.ending is Ending.DIED else 0,
        health=Health.NONE if service.health is Health.NONE else Health.STARTING,
        ending=Ending.NONE,
        ended_monotonic=None,
        kill=None,
        stopping=False,
        oom_kills=0,
        cause="",
    )
    return Heard(began, observe=True, look=True, notes=notes)


def _die(service: Service, event: Event, at: Instant, *, by_engine: bool) -> Heard:
    if service.state in (ServiceState.EXITED, ServiceState.RESTARTING, ServiceState.MISSING):
        return Heard(service, look=True)
    code = event.exit_code or 0
    ended = msgspec.structs.replace(
        service,
        state=ServiceState.EXITED,
        since=stamped(event),
        started_at=None,
        finished_at=None,
        exit_code=code,
        ended_monotonic=at.monotonic,
    )
    if by_engine:
        ended = msgspec.structs.replace(ended, ending=Ending.ENGINE, cause="ended with its engine")
    elif intent.asked(service, code, event.time_nano):
        ended = msgspec.structs.replace(ended, ending=Ending.ASKED, cause=intent.how_it_was_asked(service, code))
    elif intent.completed(service.policy, code):
        ended = msgspec.structs.replace(ended, ending=Ending.COMPLETED, cause=COMPLETED)
        return Heard(ended, observe=True, look=True, notes=completion(ended))
    else:
        ended = died(ended, code, at, count=1)
    return Heard(ended, observe=True, look=True)


def with_oom(service: Service, at: Instant) -> Service:
    """Return a service of which a process was killed for lack of memory, as was just learned.

    What died of a SIGKILL just before died of that.
    """
    known = msgspec.structs.replace(service, oom_at=at.monotonic, oom_seen=True)
    if service.ending is not Ending.DIED or service.exit_code != KILLED:
        return known
    cause = service.cause.replace(how_it_died(KILLED, oom=False), how_it_died(KILLED, oom=True))
    return msgspec.structs.replace(known, cause=cause)


def out_of_memory(service: Service) -> Note:
    """Return what is noted of each kill for lack of memory: several of them may be one alert."""
    text = f"{service.name}: a process was killed for lack of memory"
    return Note("service.oom_killed", service.subject, text)


def _out_of_memory(service: Service, at: Instant) -> Heard:
    same = service.oom_at is not None and at.monotonic - service.oom_at < SAME_KILL_SECONDS
    return Heard(with_oom(service, at), observe=True, notes=() if same else (out_of_memory(service),))


def completion(service: Service) -> tuple[Note, ...]:
    """Return what is noted of a service that has ended: that it completed, if it did."""
    if service.ending is not Ending.COMPLETED:
        return ()
    return (Note("service.completed", service.subject, f"{service.name} {COMPLETED}"),)


def recreated(service: Service) -> Note:
    """Return what is noted when another container has taken a service's place."""
    return Note("service.recreated", service.subject, f"{service.name} was recreated: it has a new container")


def image_changed(service: Service, container: Container) -> Note:
    """Return what is noted when a service's container is made from another image than the one known."""
    before, now = _image(service.image, service.image_id), _image(container.image, container.image_id)
    text = f"{service.name} has another image: {now} instead of {before}"
    return Note("service.image_changed", service.subject, text, {"image": container.image})


def _image(reference: str, image_id: str) -> str:
    return f"{reference} ({image_id.removeprefix('sha256:')[:12]})"


def died(service: Service, exit_code: int, at: Instant, *, count: int) -> Service:
    """Return a service whose container has just died `count` times, the last time with that exit code."""
    acts = intent.acts(service.policy, exit_code)
    waits = service.state is ServiceState.RESTARTING
    again = acts and (waits or not intent.gave_up(service.retries, service.restart_count))
    cause = how_it_died(exit_code, oom=service.oom)
    return msgspec.structs.replace(
        with_deaths(service, count, at),
        state=ServiceState.RESTARTING if again else ServiceState.EXITED,
        exit_code=exit_code,
        ending=Ending.DIED,
        ended_monotonic=at.monotonic,
        restart_count=service.restart_count + (1 if again else 0),
        cause=intent.for_good(cause, service.retries) if acts and not again else cause,
    )


def _kill(service: Service, event: Event) -> Service:
    if event.signal is None:
        return service
    return msgspec.structs.replace(service, kill=intent.remembered(service, Kill(event.signal, event.time_nano)))


def _stop(service: Service, event: Event, at: Instant) -> Heard:
    """A stop follows the death that it caused; alone it ends the restart policy's efforts."""
    if service.lives:
        return Heard(msgspec.structs.replace(service, stopping=True))
    if service.ending in (Ending.REQUESTED, Ending.COMPLETED) or service.state is ServiceState.MISSING:
        return Heard(service)
    stopped = msgspec.structs.replace(service, stopping=True)
    deaths = service.deaths
    if service.ending is Ending.DIED and service.kill is not None:
        deaths = deaths[:-1]  # it had been asked to end with a signal that was not taken for a request
    stopped = msgspec.structs.replace(
        stopped,
        state=ServiceState.EXITED,
        since=stamped(event),
        deaths=deaths,
        ending=Ending.ASKED,
        ended_monotonic=at.monotonic,
        cause=intent.how_it_was_asked(stopped, service.exit_code),
    )
    return Heard(stopped, observe=True, look=True)


def _pause(service: Service, event: Event) -> Heard:
    if service.state is not ServiceState.RUNNING:
        return Heard(service, look=True)
    paused = msgspec.structs.replace(
        service, state=ServiceState.PAUSED, since=stamped(event), cause="paused through the Docker API"
    )
    return Heard(paused, observe=True)


def _unpause(service: Service, event: Event) -> Heard:
    if service.state is not ServiceState.PAUSED:
        return Heard(service, look=True)
    runs = msgspec.structs.replace(service, state=ServiceState.RUNNING, since=stamped(event), cause="")
    return Heard(runs, observe=True)


def _health(service: Service, event: Event) -> Heard:
    if event.health is None or event.health is service.health:
        return Heard(service)
    return Heard(msgspec.structs.replace(service, health=event.health), observe=True, look=True)


def _destroy(service: Service, event: Event, at: Instant) -> Heard:
    return Heard(service) if service.state is ServiceState.MISSING else removed(service, event, at)


def removed(service: Service, event: Event, at: Instant) -> Heard:
    """Return a service whose container was removed, which is always somebody's request.

    It is undecided for a while: in the middle of a recreation it is the same.
    """
    kept = service.ending in (Ending.REQUESTED, Ending.COMPLETED)
    known = "" if service.ending in (Ending.NONE, Ending.VANISHED) else service.cause
    gone = msgspec.structs.replace(
        service,
        container="",
        state=ServiceState.MISSING,
        since=stamped(event),
        ending=service.ending if kept else Ending.ASKED,
        ended_monotonic=service.ended_monotonic if service.ending is Ending.ASKED else at.monotonic,
        cause=f"{known}; removed" if known else "removed through the Docker API; by whom is not known",
    )
    return Heard(gone, observe=True)
