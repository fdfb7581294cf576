"""Whether the daemon is well, whether it is ready, and whether the stack is. Pure: what is known in, verdict out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

from semsupervisor.alerts.lifecycle import Alert, AlertState
from semsupervisor.alerts.rules import Severity
from semsupervisor.api.knowledge import Known, of_kind
from semsupervisor.api.readings import StoreReading
from semsupervisor.health.observation import Subject, SubjectKind, Unknown
from semsupervisor.health.probing import ProbeReport
from semsupervisor.kit.tasks import LoopHealth

FAILURES_UNTIL_UNWELL = 3
LONGEST_LAG_SECONDS = 5.0
INTERVALS_UNTIL_STALE = 3


class State(StrEnum):
    """How something is, from good to bad; unknown is as bad as it gets for who must rely on it."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


class Verdict(msgspec.Struct, frozen=True):
    """A state and every reason for it, in words; a healthy one has none."""

    state: State
    reasons: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Tell whether it can be relied on."""
        return self.state in (State.HEALTHY, State.DEGRADED)


def daemon(loops: Iterable[LoopHealth], lag_seconds: float, store: StoreReading) -> Verdict:
    """Judge the daemon itself: its loops go round, nothing holds up the event loop, the store takes changes."""
    reasons = [
        f"the loop {loop.name} failed {loop.failures_in_row} times in a row: {loop.last_error}"
        for loop in loops
        if loop.failures_in_row >= FAILURES_UNTIL_UNWELL
    ]
    if lag_seconds > LONGEST_LAG_SECONDS:
        reasons.append(f"the event loop was held up for {lag_seconds:.1f} s within the last minute")
    if store.problem:
        reasons.append(f"the state database does not take changes: {store.problem}")
    elif store.waiting_changes:
        reasons.append(f"{store.waiting_changes} changes wait in memory for the state database")
    return Verdict(State.UNHEALTHY, tuple(reasons)) if reasons else Verdict(State.HEALTHY)


def readiness(listed: bool, probes: Mapping[str, ProbeReport]) -> Verdict:
    """Judge whether the first look at everything is over, however it ended."""
    reasons = [
        f"the check {name} has not ended for the first time"
        for name, probe in probes.items()
        if probe.last_ended is None
    ]
    if not listed:
        reasons.insert(0, "the containers have not been listed for the first time")
    return Verdict(State.UNKNOWN, tuple(reasons)) if reasons else Verdict(State.HEALTHY)


def stale_after_seconds(probes: Iterable[ProbeReport]) -> float:
    """Return the age at which an observation says nothing any more about how it is now."""
    longest = max((probe.interval_seconds for probe in probes), default=0.0)
    return INTERVALS_UNTIL_STALE * max(longest, 10.0)


def stack(
    known: Mapping[Subject, Known],
    unready: Sequence[str],
    alerts: Sequence[Alert],
    monotonic: float,
    stale_seconds: float,
) -> Verdict:
    """Judge the stack: bad while a critical alert fires, or as long as it is not known to be good.

    `unready` is what has not been looked at yet. A fault counts at once, also while no alert about it fires yet; what
    an alert tells is not told twice.
    """
    firing = [alert for alert in alerts if alert.state is AlertState.FIRING]
    critical = [alert for alert in firing if alert.severity is Severity.CRITICAL]
    warning = [alert for alert in firing if alert.severity is Severity.WARNING]
    unknown = [*unready, *_blind_spots(known, monotonic, stale_seconds)]
    bad = [*map(_told, critical), *_found(known, _FAULTS, critical), *_unsettled(known, critical)]
    mild = [*map(_told, warning), *_found(known, _WEAKNESSES, warning)]
    if bad:
        return Verdict(State.UNHEALTHY, (*bad, *unknown, *mild))
    if unknown:
        return Verdict(State.UNKNOWN, (*unknown, *mild))
    return Verdict(State.DEGRADED, tuple(mild)) if mild else Verdict(State.HEALTHY)


Words = Mapping[tuple[str, object], str]

_FAULTS: Mapping[SubjectKind, Words] = {
    SubjectKind.SERVICE: {
        ("died", True): "died",
        ("missing", True): "has no container",
        ("stopped_on_request", True): "was stopped on request",
        ("paused", True): "is paused",
        ("restarting", True): "restarts again and again",
    },
    SubjectKind.NATS: {
        ("reachable", False): "does not answer",
        ("healthy", False): "says that it is not healthy",
    },
    SubjectKind.SEMSTREAMS: {
        ("reachable", False): "does not answer",
        ("status", "unhealthy"): "says that it is unhealthy",
        ("nats_connected", False): "is not connected to NATS",
    },
}
_WEAKNESSES: Mapping[SubjectKind, Words] = {
    SubjectKind.SERVICE: {("unhealthy", True): "fails its own health check"},
    SubjectKind.SEMSTREAMS: {
        ("status", "degraded"): "says that it is degraded",
        ("offered", False): "does not offer its health endpoint",
    },
}
_NEEDED = {
    SubjectKind.SERVICE: ("state",),
    SubjectKind.NATS: ("reachable", "healthy"),
    SubjectKind.SEMSTREAMS: ("reachable", "status"),
}


def _told(alert: Alert) -> str:
    return f"{alert.subject}: {alert.title}: {alert.summary}"


def _found(known: Mapping[Subject, Known], faults: Mapping[SubjectKind, Words], told: Iterable[Alert]) -> list[str]:
    """Return the faults of subjects about which nothing has been told."""
    already = {alert.subject for alert in told}
    return [
        f"{subject} {words}"
        for subject, one in known.items()
        if subject not in already
        for (fact, value), words in faults.get(subject.kind, {}).items()
        if one.facts.get(fact) == value
    ]


def _unsettled(known: Mapping[Subject, Known], told: Iterable[Alert]) -> list[str]:
    """Return the services that do not run, without it being known why, or that they had done their work."""
    already = {alert.subject for alert in told}
    return [
        f"{one.subject} is {state}"
        for one in of_kind(known, SubjectKind.SERVICE)
        if one.subject not in already
        and isinstance(state := one.facts.get("state"), str)
        and state != "running"
        and not _is_explained(one, state)
    ]


def _is_explained(one: Known, state: str) -> bool:
    """Tell whether another fault says it already, or the service has done its work and ended."""
    ended = [one.facts.get(fact) for fact in ("died", "stopped_on_request", "missing")]
    faulty = any(value is True for value in (*ended, one.facts.get("paused")))
    return faulty or (state == "exited" and all(value is False for value in ended))


def _blind_spots(known: Mapping[Subject, Known], monotonic: float, stale_seconds: float) -> list[str]:
    engines = of_kind(known, SubjectKind.ENGINE)
    spots = [] if engines else ["the Docker engine has not been looked at yet"]
    spots += [
        f"{engine.subject} does not answer: {engine.evidence.get('error', 'no reason is known')}"
        for engine in engines
        if engine.facts.get("reachable") is not True
    ]
    if not spots and not of_kind(known, SubjectKind.SERVICE):
        spots.append("no container of the stack is known")
    for kind, facts in _NEEDED.items():
        for one in of_kind(known, kind):
            spots += _not_known(one, facts, monotonic - stale_seconds)
    return spots


def _not_known(one: Known, facts: Iterable[str], oldest_monotonic: float) -> list[str]:
    if one.at.monotonic < oldest_monotonic:
        return [f"{one.subject} was last seen at {one.at.wall:%Y-%m-%d %H:%M:%S} UTC"]
    if one.facts.get("offered") is False:
        return []
    values = {fact: one.facts.get(fact) for fact in facts}
    return [f"{one.subject}: {fact} is {value}" for fact, value in values.items() if isinstance(value, Unknown)][:1]
