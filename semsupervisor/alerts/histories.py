"""The courses of the facts that rules ask for, and of no others; in memory only. Pure but for keeping.

A subject that is gone takes its courses along. What is unknown adds nothing, so that a gap stays a gap.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeGuard

from semsupervisor.alerts.rules import Rule
from semsupervisor.health.observation import FactValue, Observation, Subject, SubjectKind
from semsupervisor.health.series import Series

Course = tuple[Subject, str, float]


class Histories:
    """One bounded series for each subject, fact and window that an enabled rule asks for."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._series: dict[Course, Series] = {}
        self._wanted: dict[SubjectKind, tuple[Rule, ...]] = {}
        self.keep_for(rules)

    def __len__(self) -> int:
        return len(self._series)

    def keep_for(self, rules: Iterable[Rule]) -> None:
        """Go on for these rules; courses that none of them asks for are dropped."""
        asking = [rule for rule in rules if rule.enabled and rule.over_seconds]
        self._wanted = {kind: tuple(rule for rule in asking if rule.kind is kind) for kind in SubjectKind}
        self._series = {course: series for course, series in self._series.items() if self._is_wanted(course)}

    def take(self, observation: Observation) -> None:
        """Take the numbers in that a rule asks for; a removed subject is forgotten."""
        subject = observation.subject
        wanted = self._wanted[subject.kind]
        if observation.gone and wanted:
            self._series = {course: series for course, series in self._series.items() if course[0] != subject}
            return
        for rule in wanted:
            value = observation.facts.get(rule.fact)
            if _is_number(value) and rule.concerns(subject):
                self._of((subject, rule.fact, rule.over_seconds), observation.at.monotonic).add(
                    observation.at.monotonic, value
                )

    def of(self, rule: Rule, subject: Subject) -> Series | None:
        """Return the course that a rule looks at; None while nothing of it was seen, or if the rule asks for none."""
        return self._series.get((subject, rule.fact, rule.over_seconds)) if rule.over_seconds else None

    def _of(self, course: Course, now: float) -> Series:
        known = self._series.get(course)
        if known is None:
            self._forget_old(now)
            known = self._series[course] = Series(course[2])
        return known

    def _forget_old(self, now: float) -> None:
        """Drop what nobody has seen for its whole window, lest subjects that went unnoticed be kept for ever."""
        for course, series in list(self._series.items()):
            if series.newest_at is not None and series.newest_at < now - course[2]:
                del self._series[course]

    def _is_wanted(self, course: Course) -> bool:
        subject, fact, over_seconds = course
        return any(
            (rule.fact, rule.over_seconds) == (fact, over_seconds) and rule.concerns(subject)
            for rule in self._wanted[subject.kind]
        )


def _is_number(value: FactValue | None) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
