"""What an observation does to the alerts: every rule that concerns its subject is looked at once. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from semsupervisor.alerts.histories import Histories
from semsupervisor.alerts.lifecycle import Alert, AlertState, begin, go_without, step
from semsupervisor.alerts.rules import Rule, look
from semsupervisor.health.observation import Observation, Outcome, Subject, SubjectKind

Key = tuple[str, Subject]

NOT_MEASURED = "{}: {} is not measured any more: there is no such limit, or it is not told."
# What is measured anew at each look. Of other kinds an observation may tell of what has happened, and then no more.
_MEASURED = frozenset(
    {
        SubjectKind.HOST,
        SubjectKind.FILESYSTEM,
        SubjectKind.NATS,
        SubjectKind.SEMSTREAMS,
        SubjectKind.STREAM,
        SubjectKind.CONSUMER,
        SubjectKind.CERTIFICATE,
        SubjectKind.CHECK,
    }
)


class Change(msgspec.Struct, frozen=True):
    """One alert before and after a look; None is inactive."""

    rule: Rule
    key: Key
    before: Alert | None
    after: Alert | None

    @property
    def began_firing(self) -> bool:
        """Tell whether the alert fires now and did not before."""
        return _state(self.after) is AlertState.FIRING and _state(self.before) is not AlertState.FIRING

    @property
    def recurred(self) -> bool:
        """Tell whether an alert that fires, and was about to end, has found the same again."""
        return self.before is not None and self.after is not None and self.after.times > self.before.times

    @property
    def resolved(self) -> bool:
        """Tell whether a firing alert has just ended."""
        return _state(self.after) is AlertState.RESOLVED


def index(rules: Iterable[Rule]) -> Mapping[SubjectKind, tuple[Rule, ...]]:
    """Return the enabled rules by the kind of subject that they are about."""
    enabled = [rule for rule in rules if rule.enabled]
    return {kind: tuple(rule for rule in enabled if rule.kind is kind) for kind in SubjectKind}


def judge(
    rules: Mapping[SubjectKind, tuple[Rule, ...]],
    alerts: Mapping[Key, Alert],
    observation: Observation,
    new_id: Callable[[], str],
    histories: Histories,
) -> list[Change]:
    """Return what the observation changes, the counting of observed time included.

    `histories` hold the courses of the facts, this observation included.
    """
    changes = []
    for rule in rules[observation.subject.kind]:
        if not rule.concerns(observation.subject):
            continue
        key = (rule.name, observation.subject)
        before = alerts.get(key)
        firing = before is not None and before.state is AlertState.FIRING
        series = histories.of(rule, observation.subject)
        finding = look(rule, observation, firing=firing, series=series)
        if finding is None:
            after = _without(rule, before, observation)
        elif before is None:
            after = begin(rule, observation.subject, finding, observation.evidence, observation.at, new_id)
        else:
            after = step(rule, before, finding, observation.evidence, observation.at)
        if finding is not None and after is not None and after is not before:
            answered = observation.outcome is Outcome.OK
            after = msgspec.structs.replace(
                after, source=observation.source, answered=answered, apart=observation.apart
            )
        if after is not before:
            changes.append(Change(rule, key, before, after))
    return changes


def _without(rule: Rule, alert: Alert | None, observation: Observation) -> Alert | None:
    """Return what becomes of an alert by an observation that says nothing of its fact; only its own source counts."""
    if alert is None or alert.source != observation.source or observation.outcome is not Outcome.OK:
        return alert
    measured = rule.kind in _MEASURED or rule.fact.endswith("_ratio")
    if not measured or rule.fact in observation.unsettled:
        return alert
    because = NOT_MEASURED.format(observation.subject.name, rule.fact.replace("_", " "))
    return go_without(alert, because, observation.at)


def _state(alert: Alert | None) -> AlertState | None:
    return alert.state if alert else None
