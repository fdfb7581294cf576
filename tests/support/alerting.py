"""Rules, observations and alerts for tests, each with what a test does not care for filled in."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from semsupervisor.alerts.lifecycle import Alert, AlertState
from semsupervisor.alerts.muting import Topology
from semsupervisor.alerts.routing import Route
from semsupervisor.alerts.rules import Comparison, Finding, Rule, Severity, Verdict
from semsupervisor.health.observation import FactValue, Observation, Subject, SubjectKind, Unknown
from semsupervisor.kit.clock import Instant
from tests.support.clock import START

ENGINE = Subject(SubjectKind.ENGINE, "docker")
HOST = Subject(SubjectKind.HOST, "host")
NATS_SERVICE = Subject(SubjectKind.SERVICE, "nats")
NATS = Subject(SubjectKind.NATS, "nats")
SERVICE = Subject(SubjectKind.SERVICE, "semstreams")
SEMSTREAMS = Subject(SubjectKind.SEMSTREAMS, "semstreams")
DISK = Subject(SubjectKind.FILESYSTEM, "/")

TOPOLOGY = Topology("semstreams", "nats")
AT = Instant(START, 1000.0)
UNKNOWN = Unknown("nobody answers")
WEBHOOK = Route("hook", Severity.INFO, wants_updates=True)
MAIL = Route("mail", Severity.WARNING, wants_updates=False)

DIED = Rule(
    name="container_died",
    kind=SubjectKind.SERVICE,
    fact="died",
    comparison=Comparison.EQUALS,
    limit=True,
    severity=Severity.CRITICAL,
    title="Container died",
    summary="{name} ended with exit code {exit_code}.",
    diagnosis="137 is a SIGKILL.",
    fix=("docker compose up -d {name}",),
    cause=True,
)
DOWN = Rule(
    name="semstreams_unreachable",
    kind=SubjectKind.SEMSTREAMS,
    fact="reachable",
    comparison=Comparison.EQUALS,
    limit=False,
    severity=Severity.CRITICAL,
    title="SemStreams unreachable",
    summary="{name} does not answer: {error}",
    cause=True,
    consequence=True,
)
FILLING = Rule(
    name="filesystem_filling",
    kind=SubjectKind.FILESYSTEM,
    fact="used_ratio",
    comparison=Comparison.ABOVE,
    limit=0.8,
    clear=0.75,
    for_seconds=60.0,
    clear_for_seconds=30.0,
    severity=Severity.WARNING,
    title="File system filling",
    summary="{name} is {value} full.",
)
FULL = msgspec.structs.replace(
    FILLING,
    name="filesystem_full",
    limit=0.9,
    clear=0.88,
    for_seconds=0.0,
    clear_for_seconds=0.0,
    severity=Severity.CRITICAL,
    title="File system nearly full",
    inhibits=("filesystem_filling",),
)


def changed(rule: Rule, **changes: Any) -> Rule:
    """Return a rule with other values."""
    return msgspec.structs.replace(rule, **changes)


def moment(seconds: float) -> Instant:
    """Return the moment so many seconds after the tests begin, on both clocks."""
    return Instant(START, AT.monotonic + seconds)


def saw(
    subject: Subject,
    facts: Mapping[str, FactValue],
    at: Instant = AT,
    evidence: Mapping[str, str] | None = None,
    *,
    source: str = "test",
) -> Observation:
    """Return an observation of a subject."""
    return Observation(source, subject, at, facts, evidence or {})


def gone(subject: Subject, at: Instant = AT) -> Observation:
    """Return the observation that a subject was removed."""
    return Observation("test", subject, at, {}, gone=True)


def finding(verdict: Verdict, value: FactValue = True) -> Finding:
    """Return what a look found."""
    return Finding(verdict, value, f"found {verdict.value}")


def alert(rule: Rule, subject: Subject, state: AlertState = AlertState.FIRING, **changes: Any) -> Alert:
    """Return an episode of a rule, fired at the start of the test unless another state is given."""
    fields: dict[str, Any] = {
        "id": f"{rule.name}-{subject.name}",
        "rule": rule.name,
        "title": rule.title,
        "subject": subject,
        "severity": rule.severity,
        "state": state,
        "since": START,
        "seen_at": START,
        "seen_monotonic": AT.monotonic,
        "value": True,
        "summary": f"{rule.title} of {subject.name}",
        "limit": "equals yes",
        "fired_at": None if state is AlertState.PENDING else START,
    }
    return Alert(**{**fields, **changes})


def ids() -> Callable[[], str]:
    """Return what names alerts a1, a2 and so on."""
    numbers = itertools.count(1)
    return lambda: f"a{next(numbers)}"
