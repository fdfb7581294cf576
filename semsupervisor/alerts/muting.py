"""What is not told because its cause is: the tree host > engine > nats > semstreams, as a pure function.

Only the telling is muted, never the measuring nor the resolution: a muted alert fires, is shown with its cause,
and is told as soon as the cause has ended and it is seen to hold still.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from semsupervisor.alerts.lifecycle import Alert, AlertState
from semsupervisor.alerts.rules import LONGEST_COUNTED_GAP_SECONDS, Rule, Verdict
from semsupervisor.health.observation import ENGINE, HOST, Subject, SubjectKind

SETTLE_SECONDS = 30.0
# What is so of a service while and because somebody stops it.
_OF_A_STOP = ("stopped_on_request", "undecided")
_OF_NATS = (SubjectKind.NATS, SubjectKind.STREAM, SubjectKind.CONSUMER)


class Topology(msgspec.Struct, frozen=True):
    """Which services of the stack are SemStreams and NATS, and which show the certificates of these names."""

    semstreams_service: str
    nats_service: str
    certificates: Mapping[str, str] = {}


class Ended(msgspec.Struct, frozen=True):
    """An alert that ended a short time ago: what it said as well, or caused, may end only at the next look."""

    alert: Alert
    monotonic: float


class Hold(msgspec.Struct, frozen=True):
    """A job that has stopped services and brings them back: its id, a sentence about it, and since when."""

    job_id: str
    reason: str
    services: frozenset[str]
    since_monotonic: float


class Mute(msgspec.Struct, frozen=True):
    """Why an alert is not told now: the alert or the job that causes it, and a sentence for people."""

    cause_id: str
    reason: str


def upstream(subject: Subject, topology: Topology) -> tuple[Subject, ...]:
    """Return what a subject depends on, nearest first."""
    nats = topology.nats_service
    nats_chain = (Subject(SubjectKind.NATS, nats), Subject(SubjectKind.SERVICE, nats), ENGINE, HOST)
    match subject.kind:
        case SubjectKind.STREAM | SubjectKind.CONSUMER:
            # Whoever consumes is taken for SemStreams, of which consumers stand still while it is stopped, as long as
            # nothing was seen that says otherwise.
            consumes = subject.kind is SubjectKind.CONSUMER
            return (*(_semstreams(topology) if consumes else ()), *nats_chain)
        case SubjectKind.SUPERVISOR:
            return (ENGINE, HOST)
        case SubjectKind.ENGINE:
            return (HOST,)
        case SubjectKind.NATS:
            return (Subject(SubjectKind.SERVICE, subject.name), ENGINE, HOST)
        case SubjectKind.SEMSTREAMS:
            return (Subject(SubjectKind.SERVICE, subject.name), *nats_chain)
        case SubjectKind.SERVICE:
            return _upstream_of_service(subject, topology, nats_chain)
        case SubjectKind.PROBE:
            return _upstream_of_probe(subject, topology, nats_chain)
        case _:
            return _upstream_of_certificate(subject, topology, nats_chain)


def _above(alert: Alert, topology: Topology) -> tuple[Subject, ...]:
    """Return what the subject of an alert depends on, as far as it was seen to."""
    chain = upstream(alert.subject, topology)
    return tuple(one for one in chain if one not in _semstreams(topology)) if alert.apart else chain


def _semstreams(topology: Topology) -> tuple[Subject, ...]:
    service = topology.semstreams_service
    return (Subject(SubjectKind.SEMSTREAMS, service), Subject(SubjectKind.SERVICE, service))


def _upstream_of_service(subject: Subject, topology: Topology, nats_chain: tuple[Subject, ...]) -> tuple[Subject, ...]:
    """Return what a container depends on; whether it is healthy depends on what it itself says, too."""
    if subject.name == topology.semstreams_service:
        return (Subject(SubjectKind.SEMSTREAMS, subject.name), *nats_chain)
    return (
        (Subject(SubjectKind.NATS, subject.name), ENGINE, HOST)
        if subject.name == topology.nats_service
        else (ENGINE, HOST)
    )


def _upstream_of_certificate(
    subject: Subject, topology: Topology, nats_chain: tuple[Subject, ...]
) -> tuple[Subject, ...]:
    """Return what a certificate depends on if a service of the stack shows it; of anything else nothing is known."""
    name = topology.certificates.get(subject.name) if subject.kind is SubjectKind.CERTIFICATE else None
    if name is None:
        return ()
    service = Subject(SubjectKind.SERVICE, name)
    return (service, *_upstream_of_service(service, topology, nats_chain))


def _upstream_of_probe(subject: Subject, topology: Topology, nats_chain: tuple[Subject, ...]) -> tuple[Subject, ...]:
    """Return what a check depends on: all that look at the same service see as little as the one of its health."""
    if subject.name.startswith("semstreams"):
        return (*_other_probe(subject, "semstreams_health"), *_semstreams(topology), *nats_chain)
    if subject.name.startswith("nats"):
        return (*_other_probe(subject, "nats_health"), *nats_chain)
    return (ENGINE, HOST) if subject.name == "containers" else ()


def _other_probe(subject: Subject, name: str) -> tuple[Subject, ...]:
    return () if subject.name == name else (Subject(SubjectKind.PROBE, name),)


def mute(
    alert: Alert,
    rules: Mapping[str, Rule],
    alerts: Iterable[Alert],
    ended: Sequence[Ended],
    topology: Topology,
    now_monotonic: float,
) -> Mute | None:
    """Return why `alert` is not told now, or None. `alerts` are the open ones; a pending cause counts already.

    What is open only until it has been clear for long enough says nothing of what goes on, or comes, meanwhile.
    """
    rule = rules[alert.rule]
    others = [
        other for other in alerts if other.id != alert.id and other.rule in rules and _counts(other, now_monotonic)
    ]
    for other in others:
        says_it = other.subject == alert.subject and alert.rule in rules[other.rule].inhibits
        if says_it and other.last_verdict is not Verdict.CLEAR:
            return Mute(other.id, f"{other.rule} of {other.subject} says it already")
    recent = [
        past for past in ended if past.alert.rule in rules and 0.0 <= now_monotonic - past.monotonic < SETTLE_SECONDS
    ]
    for past in recent:
        says_it = past.alert.subject == alert.subject and alert.rule in rules[past.alert.rule].inhibits
        if says_it and not _seen_since(alert, past):
            return Mute(past.alert.id, f"{past.alert.rule} of {past.alert.subject} has just ended")
    if not rule.consequence:
        return None
    chain = _above(alert, topology)
    causes = [other for other in others if other.subject in chain and _explains(other, rules[other.rule], alert)]
    if causes:
        root = max(causes, key=lambda cause: chain.index(cause.subject))
        return Mute(root.id, f"consequence of {root.rule} of {root.subject}")
    for past in recent:
        if past.alert.subject in chain and _is_cause(rules[past.alert.rule], alert.subject):
            return Mute(past.alert.id, f"{past.alert.subject} has just come back")
    return None


def _explains(other: Alert, rule: Rule, alert: Alert) -> bool:
    """Tell whether an alert of a rule may be why another one holds.

    An engine that is away is not why a server that answers says that something is wrong.
    """
    answers = alert.answered and alert.subject.kind in _OF_NATS
    engine_away = other.subject == ENGINE and other.last_verdict is Verdict.HOLDS
    return _is_cause(rule, alert.subject) and not (answers and engine_away)


def _is_cause(rule: Rule, subject: Subject) -> bool:
    """Tell whether a rule is about a cause of what happens to a subject that depends on its own.

    Where SemStreams has no health endpoint it is not known to be unwell: that stops no consumer.
    """
    no_endpoint = rule.kind is SubjectKind.SEMSTREAMS and rule.fact == "offered"
    return rule.cause and not (no_endpoint and subject.kind is SubjectKind.CONSUMER)


def held(alert: Alert, rule: Rule, hold: Hold, topology: Topology) -> Mute | None:
    """Return why an alert is not told while a job holds the stack, or None.

    What the job causes is that its services are stopped on request, and what follows from that; what began before, or
    happens to them beside it, such as a crash, is told.
    """
    if alert.muted_by != hold.reason and (alert.since_monotonic or 0.0) < hold.since_monotonic:
        return None
    subject = alert.subject
    stopped = subject.kind is SubjectKind.SERVICE and subject.name in hold.services
    if stopped and (rule.fact in _OF_A_STOP or rule.consequence):
        return Mute(hold.job_id, hold.reason)
    chain = _above(alert, topology) if rule.consequence else ()
    follows = any(one.kind is SubjectKind.SERVICE and one.name in hold.services for one in chain)
    return Mute(hold.job_id, hold.reason) if follows else None


def leads_back(mutes: Mapping[str, Mute | None], alert_id: str) -> bool:
    """Tell whether an alert is muted by causes that it mutes itself: in such a circle nobody would hear of any.

    `mutes` are those of all alerts that nobody was told of, by their ids.
    """
    passed: set[str] = set()
    muted = mutes[alert_id]
    while muted is not None and muted.cause_id not in passed:
        if muted.cause_id == alert_id:
            return True
        passed.add(muted.cause_id)
        muted = mutes.get(muted.cause_id)
    return False


def _counts(alert: Alert, now_monotonic: float) -> bool:
    """Tell whether an alert may mute others; a pending one that nobody looks at any more would mute them for ever."""
    if alert.state is not AlertState.PENDING:
        return True
    return alert.seen_monotonic is not None and now_monotonic - alert.seen_monotonic <= LONGEST_COUNTED_GAP_SECONDS


def _seen_since(alert: Alert, past: Ended) -> bool:
    """Tell whether an alert was looked at no earlier than the look that ended another; each may have its own check."""
    ended_at = past.monotonic if past.alert.seen_monotonic is None else past.alert.seen_monotonic
    return alert.seen_monotonic is not None and alert.seen_monotonic >= ended_at


def expected(alert: Alert, rules: Iterable[Rule], topology: Topology) -> tuple[str, ...]:
    """Return the titles of what is expected to follow while a cause fires."""
    rules = tuple(rule for rule in rules if rule.enabled)
    if not any(rule.name == alert.rule and rule.cause for rule in rules):
        return ()
    stack = [
        Subject(SubjectKind.SERVICE, topology.nats_service),
        Subject(SubjectKind.NATS, topology.nats_service),
        Subject(SubjectKind.SERVICE, topology.semstreams_service),
        Subject(SubjectKind.SEMSTREAMS, topology.semstreams_service),
    ]
    below = [subject for subject in stack if alert.subject in upstream(subject, topology)]
    return tuple(
        dict.fromkeys(rule.title for subject in below for rule in rules if rule.consequence and rule.concerns(subject))
    )
