"""What is said of a service: its condition, evidence of its end, and both with its facts as an observation. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from semsupervisor.health.observation import ENDED_AT, FactValue, Observation
from semsupervisor.health.services import KILLED, Ending, Service, ServiceState, facts, signal_name
from semsupervisor.kit.clock import Instant
from semsupervisor.kit.text import shortened

# An engine quotes what it was to run, which may be long.
LONGEST_REASON = 400

_HOW_IT_ENDED = {
    Ending.NONE: "does not run",
    Ending.UNSTARTED: "could not be started",
    Ending.DIED: "ended, and nobody had asked for it",
    Ending.ASKED: "ended; whether somebody asked for it is open",
    Ending.REQUESTED: "was stopped by somebody",
    Ending.ENGINE: "ended with its engine",
    Ending.LEFT: "ended with its engine, and was not started again",
    Ending.COMPLETED: "has done its work and ended",
    Ending.VANISHED: "has no container any more",
    Ending.UNKNOWN: "ended; whether somebody asked for it is not known",
}
_HOW_IT_WENT = {
    Ending.REQUESTED: "was removed by somebody",
    Ending.COMPLETED: "had done its work, and was removed",
    Ending.VANISHED: "has no container",
}


def how_it_died(exit_code: int, *, oom: bool) -> str:
    """Return in words how a container ended that nobody asked to; `oom`: a process of it was killed for memory."""
    if oom and exit_code == KILLED:
        return f"killed for lack of memory (exit code {exit_code})"
    if oom:
        return f"ended with exit code {exit_code} after a process of it had been killed for lack of memory"
    if name := signal_name(exit_code):
        return f"ended with exit code {exit_code}: {name}, from the host or from within"
    if exit_code == 0:
        return "ended by itself with exit code 0"
    return f"crashed with exit code {exit_code}"


def how_it_failed(error: str, exit_code: int) -> str:
    """Return in words that a container could not be started, and the engine's reason for it."""
    reason = shortened(" ".join(error.split()), LONGEST_REASON)
    return f"could not be started: {reason or f'exit code {exit_code}'}"


def condition(service: Service) -> str:
    """Return in a sentence how a service is that does not run; empty where it does."""
    words = _how_it_is(service)
    return f"{service.name} {words}." if words else ""


def evidence(service: Service) -> dict[str, str]:
    """Return what can be said of a service's end without asking the engine."""
    if service.lives and not service.oom:
        return {}
    found = {"cause": service.cause} if service.cause else {}
    if service.exit_code is not None and not service.lives:
        found["exit_code"] = str(service.exit_code)
        if name := signal_name(service.exit_code):
            found["signal"] = name
    if service.ending is Ending.DIED and not service.lives and service.since is not None:
        found[ENDED_AT] = service.since.isoformat()
    if service.oom:
        found["oom"] = "a process was killed because the container reached its memory limit"
    if service.policy is not None:
        found["restart_policy"] = service.policy.value
    return found


def observation(source: str, service: Service, at: Instant, more: Mapping[str, FactValue] | None = None) -> Observation:
    """Return a service's facts, and `more` of them, as one observation."""
    return Observation(
        source=source,
        subject=service.subject,
        at=at,
        facts={**facts(service, at.monotonic), **(more or {})},
        evidence=evidence(service),
        condition=condition(service),
    )


def gone(source: str, service: Service, at: Instant, because: str) -> Observation:
    """Return that a service is no part of the project any more, and why in a sentence."""
    return Observation(source=source, subject=service.subject, at=at, facts={}, gone=True, condition=because)


def _how_it_is(service: Service) -> str:
    match service.state:
        case ServiceState.RUNNING:
            return ""
        case ServiceState.PAUSED:
            return "is paused"
        case ServiceState.CREATED:
            return service.cause if service.ending is Ending.UNSTARTED else "has a container that was not started"
        case ServiceState.RESTARTING:
            return "died, and its restart policy is to start it again"
        case ServiceState.EXITED:
            why = f": {service.cause}" if service.ending is Ending.DIED and service.cause else ""
            return f"{_HOW_IT_ENDED[service.ending]}{why}"
        case ServiceState.MISSING:
            return _HOW_IT_WENT.get(service.ending, "was removed")
