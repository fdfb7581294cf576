"""Whether the daemon is well, whether it is ready, and whether the stack is. Pure: what is known in, verdict out."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from semsupervisor.alerts.lifecycle import Alert, AlertState
from semsupervisor.alerts.rules import Rule, Severity
from semsupervisor.api.knowledge import Known, of_kind
from semsupervisor.api.readings import StoreReading
from semsupervisor.health.observation import Subject, SubjectKind, Unknown
from semsupervisor.health.probing import ProbeReport
from semsupervisor.kit.tasks import LoopHealth
from semsupervisor.kit.text import about

FAILURES_UNTIL_UNWELL = 3
LONGEST_LAG_SECONDS = 5.0
INTERVALS_UNTIL_STALE = 3

# Alerts about these are about the daemon and its ways to the receivers: the stack may be well all the same.
OWN_KINDS = frozenset({SubjectKind.SUPERVISOR, SubjectKind.RECEIVER})


class State(StrEnum):
    """How something is, from good to bad; unknown is as bad as it gets for who must rely on it."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


class Verdict(msgspec.Struct, frozen=True):
    """A state and every reason for it, in words; a healthy one has none. `untold` are those that no alert tells."""

    state: State
    reasons: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Tell whether it can be relied on."""
        return self.state in (State.HEALTHY, State.DEGRADED)


def roots(alerts: Iterable[Alert]) -> dict[str, str]:
    """Return for each alert that follows from another one among these the first cause of it, by their ids."""
    cause_of = {alert.id: alert.caused_by for alert in alerts}
    found = {}
    for alert_id in cause_of:
        passed = [alert_id]
        while (cause := cause_of[passed[-1]]) in cause_of and cause not in passed:
            passed.append(cause)
        if cause not in passed and len(passed) > 1:
            found[alert_id] = passed[-1]
    return found


def by_importance(alerts: Iterable[Alert]) -> list[Alert]:
    """Return alerts in the order in which they matter: firing before pending, causes before what follows, the worst.

    A cause is as bad as the worst of what follows from it.
    """
    alerts = list(alerts)
    root_of = roots(alerts)
    worst: dict[str, int] = {}
    for alert in alerts:
        badness = tuple(Severity).index(alert.severity)
        for counted in (alert.id, root_of.get(alert.id, alert.id)):
            worst[counted] = min(badness, worst.get(counted, badness))

    def rank(alert: Alert) -> tuple[bool, bool, int, datetime]:
        return alert.state is AlertState.PENDING, bool(alert.caused_by), worst[alert.id], alert.since

    return sorted(alerts, key=rank)


def daemon(
    loops: Iterable[LoopHealth], lag_seconds: float, store: StoreReading, alerts: Iterable[Alert] = ()
) -> Verdict:
    """Judge the daemon itself: its loops go round, nothing holds up the event loop, the store takes changes.

    An alert about it, or about a receiver, degrades it: it sees and tells all the same.
    """
    bad = [
        f"the loop {loop.name} failed {loop.failures_in_row} times in a row: {loop.last_error}"
        for loop in loops
        if loop.failures_in_row >= FAILURES_UNTIL_UNWELL
    ]
    if lag_seconds > LONGEST_LAG_SECONDS:
        bad.append(f"the event loop was held up for {lag_seconds:.1f} s within the last minute")
    if store.problem:
        bad.append(f"the state database does not take changes: {store.problem}")
    elif store.waiting_changes:
        bad.append(f"{store.waiting_changes} changes wait in memory for the state database")
    told = [_told(alert) for alert in _firing(alerts) if alert.subject.kind in OWN_KINDS]
    state = State.UNHEALTHY if bad else State.DEGRADED if told else State.HEALTHY
    return Verdict(state, (*bad, *told), tuple(bad))


def readiness(listed: bool, probes: Mapping[str, ProbeReport]) -> Verdict:
    """Judge whether the first look at everything is over, however it ended."""
    reasons = [
        f"the check {name} has not ended for the first time"
        for name, probe in probes.items()
        if probe.last_ended is None
    ]
    if not listed:
        reasons.insert(0, "the containers have not been listed for the first time")
    return Verdict(State.UNKNOWN, tuple(reasons), tuple(reasons)) if reasons else Verdict(State.HEALTHY)


def stale_after_seconds(probes: Iterable[ProbeReport]) -> float:
    """Return the age at which an observation says nothing any more about how it is now."""
    longest = max((probe.interval_seconds for probe in probes), default=0.0)
    return INTERVALS_UNTIL_STALE * max(longest, 10.0)


def stack(
    known: Mapping[Subject, Known],
    unready: Sequence[str],
    alerts: Iterable[Alert],
    rules: Iterable[Rule],
    monotonic: float,
    stale_seconds: float,
) -> Verdict:
    """Judge the stack: bad while a critical alert fires, or as long as it is not known to be good.

    `unready` is what has not been looked at yet. A fault counts at once, also while no alert about it fires yet, and
    whatever the severity of the one that does; what an alert tells is not told twice.
    """
    fact_of = {rule.name: rule.fact for rule in rules}
    firing = [alert for alert in _firing(alerts) if alert.subject.kind not in OWN_KINDS]
    faults = _found(known, _FAULTS)
    critical = [
        alert
        for alert in firing
        if alert.severity is Severity.CRITICAL or (alert.subject, fact_of.get(alert.rule)) in faults
    ]
    warning = [alert for alert in firing if alert.severity is Severity.WARNING and alert not in critical]
    told = {alert.subject for alert in critical}
    nothing = _nothing(known)
    bad = _untold(faults, told) + _unsettled(known, told)
    blamed = told | {subject for subject, _ in faults}
    said = [*nothing, *map(_told, critical), *bad]
    unknown = [*unready, *_blind_spots(known, blamed, said, monotonic - stale_seconds)]
    weak = _untold(_found(known, _WEAKNESSES), blamed | {alert.subject for alert in warning})
    reasons = (*said, *unknown, *map(_told, warning), *weak)
    if said:
        state = State.UNHEALTHY
    elif unknown:
        state = State.UNKNOWN
    else:
        state = State.DEGRADED if reasons else State.HEALTHY
    return Verdict(state, reasons, (*nothing, *bad, *unknown, *weak))


Words = Mapping[tuple[str, object], str]

_FAULTS: Mapping[SubjectKind, Words] = {
    SubjectKind.SERVICE: {
        ("died", True): "died",
        ("start_failed", True): "could not be started",
        ("missing", True): "has no container",
        ("stopped_on_request", True): "was stopped on request",
        ("paused", True): "is paused",
        ("restarting", True): "restarts again and again",
    },
    SubjectKind.NATS: {
        ("reachable", False): "does not answer",
        ("healthy", False): "says that it is not healthy",
        ("full_check_passed", False): "finds fault with itself",
    },
    SubjectKind.SEMSTREAMS: {
        ("reachable", False): "does not answer",
        ("health_failing", True): "answers that its health endpoint fails",
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


def _firing(alerts: Iterable[Alert]) -> list[Alert]:
    return by_importance(alert for alert in alerts if alert.state is AlertState.FIRING)


def _told(alert: Alert) -> str:
    return about(str(alert.subject), alert.summary)


def _found(known: Mapping[Subject, Known], faults: Mapping[SubjectKind, Words]) -> dict[tuple[Subject, str], str]:
    """Return the faults that there are, in words."""
    return {
        (subject, fact): words
        for subject, one in known.items()
        for (fact, value), words in faults.get(subject.kind, {}).items()
        if one.facts.get(fact) == value
    }


def _untold(faults: Mapping[tuple[Subject, str], str], told: Container[Subject]) -> list[str]:
    return [f"{subject} {words}" for (subject, _), words in faults.items() if subject not in told]


def _unsettled(known: Mapping[Subject, Known], told: Container[Subject]) -> list[str]:
    """Return the services that do not run, without it being known why, or that they had done their work."""
    return [
        f"{one.subject} is {state}"
        for one in of_kind(known, SubjectKind.SERVICE)
        if one.subject not in told
        and isinstance(state := one.facts.get("state"), str)
        and state != "running"
        and not _is_explained(one, state)
    ]


def _nothing(known: Mapping[Subject, Known]) -> list[str]:
    """Return that there is nothing to be well, if the engine said so: a stack that is down, or never came up."""
    answers = any(engine.facts.get("reachable") is True for engine in of_kind(known, SubjectKind.ENGINE))
    return ["no container of the stack exists"] if answers and not of_kind(known, SubjectKind.SERVICE) else []


def _is_explained(one: Known, state: str) -> bool:
    """Tell whether another fault says it already, or the service has done its work and ended."""
    ended = [one.facts.get(fact) for fact in ("died", "stopped_on_request", "missing")]
    faulty = any(value is True for value in (*ended, one.facts.get("start_failed"), one.facts.get("paused")))
    return faulty or (state == "exited" and all(value is False for value in ended))


def _blind_spots(
    known: Mapping[Subject, Known], blamed: Container[Subject], said: Iterable[str], oldest_monotonic: float
) -> list[str]:
    """Return what is not known, but for subjects that are to blame for something anyway; why, unless it was said."""
    engines = of_kind(known, SubjectKind.ENGINE)
    spots = [] if engines else ["the Docker engine has not been looked at yet"]
    blind = [engine for engine in engines if engine.facts.get("reachable") is not True]
    spots += [
        f"{engine.subject} {_silent(engine)}: {engine.evidence.get('error', 'no reason is known')}"
        for engine in blind
        if engine.subject not in blamed
    ]
    unknown: dict[str, list[str]] = {}
    for kind, facts in _NEEDED.items():
        for one in of_kind(known, kind):
            if one.subject not in blamed and (why := _not_known(one, facts, oldest_monotonic, (*said, *spots))):
                unknown.setdefault(why, []).append(str(one.subject))
    return [*spots, *(f"{', '.join(subjects)}: {why}" for why, subjects in unknown.items())]


def _silent(engine: Known) -> str:
    return "cannot be asked" if isinstance(engine.facts.get("reachable"), Unknown) else "does not answer"


def _not_known(one: Known, facts: Iterable[str], oldest_monotonic: float, said: Iterable[str]) -> str:
    """Return what is not known of something and why, empty if all is."""
    if one.at.monotonic < oldest_monotonic:
        return f"last seen at {one.at.wall:%Y-%m-%d %H:%M:%S} UTC"
    if one.facts.get("offered") is False:
        return ""
    for fact in facts:
        value = one.facts.get(fact)
        if isinstance(value, Unknown):
            known_why = any(value.reason in text for text in said)
            return f"{fact} is {'unknown' if known_why else value}"
    return ""
