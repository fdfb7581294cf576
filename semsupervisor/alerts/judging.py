"""What an observation does to the alerts: every rule that concerns its subject is looked at once. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from semsupervisor.alerts.histories import Histories
from semsupervisor.alerts.lifecycle import Alert, AlertState, begin, step
from semsupervisor.alerts.rules import Rule, look
from semsupervisor.health.observation import Observation, Subject, SubjectKind

Key = tuple[str, Subject]


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
            continue
        if before is None:
            after = begin(rule, observation.subject, finding, observation.evidence, observation.at, new_id)
        else:
            after = step(rule, before, finding, observation.evidence, observation.at)
        if after is not before:
            changes.append(Change(rule, key, before, after))
    return changes


def _state(alert: Alert | None) -> AlertState | None:
    return alert.state if alert else None
