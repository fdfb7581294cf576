"""What an inspection of its container makes of what is known of a service. Pure.

An inspection that is newer than the last event heard of the container is the truth; where it differs from what the
events told, an event was missed. Runs are told apart by their exact start, ends by their exact finish.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from semsupervisor.health import hearing, intent
from semsupervisor.health.describing import how_it_failed
from semsupervisor.health.hearing import COMPLETED, Note, completion, died, image_changed, out_of_memory, with_oom
from semsupervisor.health.masking import masked, secrets_of
from semsupervisor.health.services import KILLED, Ending, Service, ServiceState, begun
from semsupervisor.kit.clock import Instant
from semsupervisor.systems.containers import Container, ContainerState, Health, Owner

STATES = {
    ContainerState.CREATED: ServiceState.CREATED,
    ContainerState.RUNNING: ServiceState.RUNNING,
    ContainerState.PAUSED: ServiceState.PAUSED,
    ContainerState.RESTARTING: ServiceState.RESTARTING,
    ContainerState.REMOVING: ServiceState.EXITED,
    ContainerState.EXITED: ServiceState.EXITED,
    ContainerState.DEAD: ServiceState.EXITED,
}
UNKNOWN = "ended by a signal while nobody listened: stopped by somebody, or killed from the host"
CAUSES_AT_FIRST_SIGHT = {
    Ending.REQUESTED: "stopped before the supervisor looked first: its restart policy would have started it again",
    Ending.LEFT: "left stopped by an engine that was killed",
    Ending.UNKNOWN: UNKNOWN,
}
CAUSES_UNHEARD = {
    Ending.LEFT: "ended with its engine, or its host, and was not started again by the next one",
    Ending.COMPLETED: COMPLETED,
    Ending.UNKNOWN: UNKNOWN,
    Ending.ASKED: "stopped unheard: its restart policy would have started it again, had nobody stopped it",
}
ASKED_FOR = (Ending.ASKED, Ending.REQUESTED)


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What bears on judging an end that nobody heard.

    `engine_changed`: the engine, or the host, was started since the last look. `engine_started` is its start in
    seconds since 1970, None where unknown. `told_from`: events tell what has happened since then; None: they tell
    everything.
    """

    engine_changed: bool = False
    engine_started: float | None = None
    told_from: datetime | None = None


class Seen(msgspec.Struct, frozen=True):
    """What a service is after an inspection, what it went through unheard before, and what to note.

    `missed` says that the events should have told it. `passed` are states to observe before `service` itself.
    """

    service: Service
    missed: bool = False
    passed: tuple[Service, ...] = ()
    notes: tuple[Note, ...] = ()


def first(owner: Owner, container: Container, at: Instant, circumstances: Circumstances) -> Service:
    """Return what is known of a service after its first inspection ever."""
    new = Service(name=owner.name, owner=owner, container=container.id, oom_seen=container.oom_killed)
    if intent.could_not_start(container):
        return _unstarted(new, container, at).service
    service = _described(new, container)
    if service.lives:
        return service
    ending = intent.at_first_sight(container, left_by_engine=intent.left(container, circumstances.engine_started))
    if ending is Ending.DIED:
        return _as_inspected(died(service, container.exit_code, at, count=1), container)
    cause = CAUSES_AT_FIRST_SIGHT.get(ending, "")
    return msgspec.structs.replace(service, ending=ending, ended_monotonic=at.monotonic, cause=cause)


def see(service: Service, container: Container, at: Instant, circumstances: Circumstances) -> Seen:
    """Return what the inspection of a service's container says beside what is known.

    One that is to replace it and was not started yet changes nothing: an event tells when it is. None tells that it
    could not be.
    """
    if intent.could_not_start(container):
        return _unstarted(service, container, at)
    if container.id == service.successor and container.state is ContainerState.CREATED:
        return Seen(service)
    if service.container != container.id:
        return _replaced(service, container, at, circumstances)
    known = _described(service, container)
    if known.lives:
        seen = _living(service, known, container, at, circumstances)
    elif service.lives or _ran_again(service, container):
        seen = _ended(service, known, container, at, circumstances)
    else:
        seen = _still_ended(service, known, container, at)
    seen = _marked(service, seen, container, at)
    if service.image_id and service.image_id != container.image_id:
        return msgspec.structs.replace(seen, notes=(*seen.notes, image_changed(service, container)))
    return seen


def is_told(container: Container, at: Instant, met: Circumstances) -> bool:
    """Tell whether events tell of what happened last to a container that was listed at `at`.

    A stamp of the future is older than it says: the wall clock was set back, and its events are long over.
    """
    if met.told_from is None:
        return True
    stamps = (container.created_at, container.started_at, container.finished_at)
    return any(met.told_from <= stamp <= at.wall for stamp in stamps if stamp is not None)


def vanished(service: Service, at: Instant) -> Service:
    """Return a service whose container is not there any more, with nobody heard to remove it."""
    if service.ending in (*ASKED_FOR, Ending.COMPLETED):
        ending, cause = service.ending, f"{service.cause or 'completed'}; removed"
    else:
        ending, cause = Ending.VANISHED, "its container is gone, and nobody was seen to remove it"
    return msgspec.structs.replace(
        service,
        container="",
        state=ServiceState.MISSING,
        since=at.wall,
        ending=ending,
        ended_monotonic=at.monotonic,
        cause=cause,
    )


def _marked(service: Service, seen: Seen, container: Container, at: Instant) -> Seen:
    """Find a kill for lack of memory of which no event told by the engine's own mark of the last end.

    Events may come after the end, and the mark is then that of the next one: once one was heard, only events count.
    """
    ended_unseen = service.ending is Ending.DIED or (service.lives and service.started_at is None)
    if not container.oom_killed or service.oom_seen or seen.service.oom or not service.deaths or not ended_unseen:
        return seen
    marked = with_oom(seen.service, at)
    return msgspec.structs.replace(seen, service=marked, notes=(*seen.notes, out_of_memory(service)))


def _described(service: Service, container: Container) -> Service:
    """Take over what no event tells, and the state; how it came to it is left to the caller."""
    state = STATES[container.state]
    lives = state in (ServiceState.RUNNING, ServiceState.PAUSED)
    return msgspec.structs.replace(
        service,
        image=container.image,
        image_id=container.image_id,
        state=state,
        since=(container.started_at if lives else container.finished_at) or container.created_at,
        started_at=container.started_at,
        finished_at=container.finished_at,
        exit_code=None if lives or state is ServiceState.CREATED else container.exit_code,
        restart_count=container.restart_count,
        policy=container.restart_policy,
        retries=container.restart_retries,
        stop_signal=container.stop_signal,
        health=container.health,
        compose_files=container.compose_files,
    )


def _as_inspected(service: Service, container: Container) -> Service:
    """Put the inspection's words in place of what was expected to follow a death."""
    return msgspec.structs.replace(
        service, state=STATES[container.state], restart_count=container.restart_count, exit_code=container.exit_code
    )


def _running(service: Service) -> Service:
    """Return a service whose container was started unheard."""
    return msgspec.structs.replace(
        service, ending=Ending.NONE, ended_monotonic=None, kill=None, stopping=False, oom_kills=None, cause=""
    )


def _living(service: Service, known: Service, container: Container, at: Instant, circumstances: Circumstances) -> Seen:
    if not service.lives:
        known = msgspec.structs.replace(known, begun=begun(service, at).begun)
        return Seen(_running(known), missed=True)
    deaths = container.restart_count - service.restart_count
    same_run = service.started_at == container.started_at or (service.started_at is None and deaths <= 0)
    if same_run:
        return _same_run(service, known, at)
    if circumstances.engine_changed:
        return Seen(_running(known), missed=True)
    if deaths <= 0:
        text = f"{service.name} was started again by request while nobody listened"
        return Seen(_running(known), missed=True, notes=(Note("service.restarted", service.subject, text),))
    fell = msgspec.structs.replace(
        died(service, 0, at, count=deaths),
        state=ServiceState.RESTARTING,
        since=container.finished_at,
        exit_code=None,
        cause="died and was started again by its restart policy while nobody listened",
    )
    return Seen(msgspec.structs.replace(_running(known), deaths=fell.deaths), missed=True, passed=(fell,))


def _same_run(service: Service, known: Service, at: Instant) -> Seen:
    """Only pausing and health may have changed without an event."""
    inspected = service.started_at is not None
    if service.state is not known.state:
        return Seen(msgspec.structs.replace(known, since=at.wall, cause=""), missed=inspected)
    unheard = inspected and known.health not in (Health.STARTING, service.health)
    return Seen(msgspec.structs.replace(known, since=service.since), missed=unheard)


def _ran_again(service: Service, container: Container) -> bool:
    """Tell whether a container that does not run has run since it was last known not to."""
    if service.state is ServiceState.CREATED:
        return container.state is not ContainerState.CREATED and service.ending in (Ending.NONE, Ending.UNSTARTED)
    return (
        container.state is not ContainerState.RESTARTING
        and service.finished_at is not None
        and service.finished_at != container.finished_at
    )


def _ended(service: Service, known: Service, container: Container, at: Instant, circumstances: Circumstances) -> Seen:
    """The container ended, and nobody heard it."""
    known = msgspec.structs.replace(known, ended_monotonic=at.monotonic)
    if container.oom_killed and container.exit_code == KILLED:
        known = with_oom(known, at)
    ending = intent.unheard(container, engine_changed=circumstances.engine_changed)
    if ending is Ending.DIED:
        count = max(1, container.restart_count - service.restart_count)
        return Seen(_as_inspected(died(known, container.exit_code, at, count=count), container), missed=True)
    cause = CAUSES_UNHEARD[ending]
    ended = msgspec.structs.replace(known, ending=ending, cause=cause)
    return Seen(ended, missed=True, notes=completion(ended))


def _still_ended(service: Service, known: Service, container: Container, at: Instant) -> Seen:
    """The end is known already; only what followed it may be news."""
    known = msgspec.structs.replace(known, since=service.since)
    growth = container.restart_count - service.restart_count
    if container.state is ContainerState.RESTARTING and (growth > 0 or service.ending is not Ending.DIED):
        fell = died(known, container.exit_code, at, count=max(1, growth))
        return Seen(_as_inspected(fell, container), missed=True)
    if service.ending is Ending.ENGINE:
        cause = "ended with its engine, and was not started again by the next one"
        return Seen(msgspec.structs.replace(known, ending=Ending.LEFT, cause=cause))
    waited = service.ending is Ending.DIED and service.state is ServiceState.RESTARTING
    ended = container.state is ContainerState.EXITED and not container.error
    if waited and ended and intent.was_stopped(container):
        cause = "stopped unheard, while its restart policy was waiting to start it again"
        asked = msgspec.structs.replace(known, ending=Ending.ASKED, ended_monotonic=at.monotonic, cause=cause)
        return Seen(asked, missed=True)
    return Seen(known)


def _replaced(service: Service, container: Container, at: Instant, circumstances: Circumstances) -> Seen:
    """Another container stands where a known one stood, or where none was."""
    fresh = msgspec.structs.replace(service, container=container.id, successor="", restart_count=0, oom_seen=False)
    known = _described(fresh, container)
    notes: tuple[Note, ...] = ()
    if service.image_id and container.state is not ContainerState.CREATED:
        notes = (hearing.recreated(service),)
    if service.image_id and service.image_id != container.image_id:
        notes = (*notes, image_changed(service, container))
    if known.lives:
        known = msgspec.structs.replace(known, begun=at.monotonic)
        return Seen(_running(known), missed=True, notes=notes)
    if container.state is not ContainerState.CREATED:
        ended = _ended(fresh, known, container, at, circumstances)
        return msgspec.structs.replace(ended, notes=(*notes, *ended.notes))
    ending, cause = (service.ending, service.cause) if service.ending in ASKED_FOR else (Ending.NONE, "")
    return Seen(msgspec.structs.replace(known, ending=ending, cause=cause), missed=True, notes=notes)


def _unstarted(service: Service, container: Container, at: Instant) -> Seen:
    """A start that fails is told by no event, so that none was missed."""
    known = service.container == container.id and service.ending is Ending.UNSTARTED
    unstarted = msgspec.structs.replace(
        _described(service, container),
        container=container.id,
        successor="",
        kill=None,
        stopping=False,
        oom_seen=False,
        exit_code=container.exit_code,
        ending=Ending.UNSTARTED,
        ended_monotonic=service.ended_monotonic if known else at.monotonic,
        cause=how_it_failed(masked(container.error, secrets_of(container.environment)), container.exit_code),
    )
    changed = service.image_id and service.image_id != container.image_id
    return Seen(unstarted, notes=(image_changed(service, container),) if changed else ())
