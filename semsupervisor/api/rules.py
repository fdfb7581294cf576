"""The rules in force, where they come from, and how each stands with every subject that it concerns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

from semsupervisor.alerts.lifecycle import Alert
from semsupervisor.alerts.rules import Origin, Rule, Severity, limit_text, measured, measured_text, verdict
from semsupervisor.api.answers import Answer, Moment
from semsupervisor.api.knowledge import Known, merged, of_kind
from semsupervisor.api.readings import Readings
from semsupervisor.health.observation import Observation, Subject, SubjectKind, Unknown

OpenAlerts = Mapping[tuple[str, Subject], Alert]


class Standing(StrEnum):
    """How a rule stands with a subject: by its alert, or if there is none by what it finds."""

    FIRING = "firing"
    PENDING = "pending"
    HOLDS = "holds"
    CLEAR = "clear"
    UNKNOWN = "unknown"


class RuleStateAnswer(Answer, frozen=True, kw_only=True):
    """How a rule stands with one subject: what it measured last, for people (or why it could not), and what follows.

    `holds` is what fires or waits by the next look; `unknown` is also a course that is too short as yet.
    """

    subject: str
    state: Standing
    value: str
    seen_at: Moment


class RuleAnswer(Answer, frozen=True, kw_only=True):
    """One rule as it is in force; `condition` is its comparison and limit, for people, `until` where it clears.

    `origin` tells whether the settings changed it or brought it. `states` has the subjects that it concerns and whose
    fact was looked at.
    """

    name: str
    kind: SubjectKind
    subjects: tuple[str, ...]
    fact: str
    condition: str
    until: str
    clear: float | None
    over_seconds: float
    for_seconds: float
    clear_for_seconds: float
    severity: Severity
    title: str
    summary: str
    diagnosis: str
    fix: tuple[str, ...]
    cause: bool
    consequence: bool
    inhibits: tuple[str, ...]
    enabled: bool
    origin: Origin
    states: tuple[RuleStateAnswer, ...] = ()


class RulesAnswer(Answer, frozen=True, kw_only=True):
    """All rules in force."""

    now: Moment
    rules: tuple[RuleAnswer, ...]


def rules(readings: Readings) -> RulesAnswer:
    """Return all rules, those that are switched off without states."""
    known = merged(readings.latest().values())
    open_alerts = {(one.rule, one.subject): one for one in readings.alerts() if one.open}
    shown = tuple(_rule(one, tuple(_states(one, known, open_alerts, readings))) for one in readings.rules())
    return RulesAnswer(now=readings.clock.now(), rules=shown)


def _states(
    rule: Rule, known: Mapping[Subject, Known], open_alerts: OpenAlerts, readings: Readings
) -> Iterator[RuleStateAnswer]:
    for one in of_kind(known, rule.kind):
        if not rule.enabled or not rule.concerns(one.subject) or rule.fact not in one.facts:
            continue
        seen = Observation("", one.subject, one.at, one.facts, one.evidence)
        trend = measured(rule, seen, readings.course(rule, one.subject))
        alert = open_alerts.get((rule.name, one.subject))
        found = alert.state if alert else verdict(rule, trend.value, firing=False)
        yield RuleStateAnswer(
            subject=str(one.subject),
            state=Standing(found.value),
            value=trend.value.reason if isinstance(trend.value, Unknown) else measured_text(rule, trend.value),
            seen_at=one.at.wall,
        )


def _rule(one: Rule, states: tuple[RuleStateAnswer, ...]) -> RuleAnswer:
    return RuleAnswer(
        name=one.name,
        kind=one.kind,
        subjects=one.subjects,
        fact=one.fact,
        condition=limit_text(one),
        until="" if one.clear is None else measured_text(one, one.clear),
        clear=None if one.clear is None else float(one.clear),
        over_seconds=float(one.over_seconds),  # a setting may be a subclass of float, which has no JSON form
        for_seconds=float(one.for_seconds),
        clear_for_seconds=float(one.clear_for_seconds),
        severity=one.severity,
        title=one.title,
        summary=one.summary,
        diagnosis=one.diagnosis,
        fix=one.fix,
        cause=one.cause,
        consequence=one.consequence,
        inhibits=one.inhibits,
        enabled=one.enabled,
        origin=one.origin,
        states=states,
    )
