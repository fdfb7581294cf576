"""What a rule is, and whether it holds for what was just seen. Pure: facts in, finding out."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from semsupervisor.alerts.trends import Trend, ahead_text, filling, rate_text, rising
from semsupervisor.health.observation import UNLIMITED, FactValue, Observation, Subject, SubjectKind, Unknown
from semsupervisor.health.series import Series
from semsupervisor.kit.text import duration_text

LONGEST_COUNTED_GAP_SECONDS = 120.0
# Not str.format: an operator's own text may hold any other braces, and may not fail when it is needed.
_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
# Of an end that nobody saw, and after which the container runs again, only the engine's count of restarts tells.
_UNSEEN = {"exit_code": "not known"}

PLAIN_END = "{name}: {what} is {value}."


class Severity(StrEnum):
    """How bad it is: critical wakes somebody, warning is for working hours, info is for the record."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Comparison(StrEnum):
    """How a fact is held against the limit."""

    ABOVE = "above"
    BELOW = "below"
    EQUALS = "equals"
    ABSENT = "absent"
    RATE_ABOVE = "rate_above"
    FULL_WITHIN = "full_within"


TRENDS = (Comparison.RATE_ABOVE, Comparison.FULL_WITHIN)
UPWARD = (Comparison.ABOVE, Comparison.RATE_ABOVE)

_PLAIN_ENDS = {
    Comparison.RATE_ABOVE: "{name}: {what} rises by {value}.",
    Comparison.FULL_WITHIN: "{name}: time until it is full at its present growth: {value}.",
}


class Origin(StrEnum):
    """Where a rule is from: shipped as it is, shipped and changed by the settings, or the operator's own."""

    SHIPPED = "shipped"
    CHANGED = "changed"
    OWN = "own"


class Verdict(StrEnum):
    """What a rule says of a subject just now."""

    HOLDS = "holds"
    CLEAR = "clear"
    UNKNOWN = "unknown"
    GONE = "gone"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule: which fact of which subjects, compared with what, for how long, how bad, and what to do.

    `subjects` are shell patterns on the subject's name; empty means all of that kind. `clear` is the value at
    which a firing alert may resolve (hysteresis); None means the limit itself. `over_seconds` is the window in which
    the course of the fact is looked at, if the comparison looks at that, else 0: the limit of `rate_above` is then a
    rise per second, that of `full_within` a time in seconds. `cause` says that while it fires
    it mutes what depends on its subject; `consequence` says that it may be muted so; `inhibits` names rules
    muted on the very same subject while it holds, not while it only waits out `clear_for_seconds`. `for_seconds` and
    `clear_for_seconds` count the time between two looks that lie no more than `counted_gap_seconds` apart.
    `resolved` is the sentence for its end; empty means a plain one about the fact. It is not said where the subject is
    not well, such as a container that had died and was removed.
    """

    name: str
    kind: SubjectKind
    fact: str
    comparison: Comparison
    limit: FactValue
    severity: Severity
    title: str
    summary: str
    resolved: str = ""
    subjects: tuple[str, ...] = ()
    clear: float | None = None
    over_seconds: float = 0.0
    for_seconds: float = 0.0
    clear_for_seconds: float = 0.0
    counted_gap_seconds: float = LONGEST_COUNTED_GAP_SECONDS
    diagnosis: str = ""
    fix: tuple[str, ...] = ()
    cause: bool = False
    consequence: bool = False
    inhibits: tuple[str, ...] = ()
    enabled: bool = True
    origin: Origin = Origin.SHIPPED

    def concerns(self, subject: Subject) -> bool:
        """Tell whether the rule is about this subject."""
        if subject.kind is not self.kind:
            return False
        return not self.subjects or any(fnmatch.fnmatchcase(subject.name, pattern) for pattern in self.subjects)


class Finding(msgspec.Struct, frozen=True):
    """What one look of a rule at an observation found: the verdict, the fact's value, and what to say of it.

    `summary` is the rule's sentence while it holds, and why it does not any more after it fired; else it is empty.
    """

    verdict: Verdict
    value: FactValue
    summary: str


def look(rule: Rule, observation: Observation, *, firing: bool, series: Series | None = None) -> Finding | None:
    """Return what the rule finds in an observation of a subject that it concerns; None if it says nothing on it.

    `firing` tells whether the alert fires already: then the clearing value counts instead of the limit. `series` is
    the course of the fact, this observation included, for a rule that looks at one.
    """
    if observation.gone:
        because = observation.condition or f"{observation.subject.name} was removed"
        return Finding(Verdict.GONE, False, because)
    if rule.fact not in observation.facts:
        return None
    trend = measured(rule, observation, series)
    found = verdict(rule, trend.value, firing=firing)
    sure = Verdict.CLEAR if rule.comparison is Comparison.BELOW else Verdict.HOLDS
    if rule.fact in observation.unsettled and found is not sure:
        return Finding(Verdict.UNKNOWN, trend.value, "")
    if found is Verdict.HOLDS:
        return Finding(found, trend.value, _sentence(rule.summary, rule, observation, trend))
    if not firing:
        return Finding(found, trend.value, "")
    end = rule.resolved or _PLAIN_ENDS.get(rule.comparison, PLAIN_END)
    return Finding(found, trend.value, observation.condition or _sentence(end, rule, observation, trend))


def measured(rule: Rule, observation: Observation, series: Series | None) -> Trend:
    """Return what the rule compares of a fact that was observed: its value, or what its course says."""
    value = _readable(observation.facts[rule.fact])
    if rule.comparison not in TRENDS or isinstance(value, Unknown):
        return Trend(value)
    if rule.comparison is Comparison.FULL_WITHIN:
        return filling(series, rule.over_seconds, observation.at.monotonic)
    return rising(rule.fact, series, rule.over_seconds, observation.at.monotonic)


def verdict(rule: Rule, value: FactValue, *, firing: bool) -> Verdict:
    """Hold one value against the rule's limit, or against its clearing value while the alert fires."""
    match rule.comparison:
        case Comparison.ABSENT:
            return Verdict.HOLDS if isinstance(value, Unknown) else Verdict.CLEAR
        case Comparison.EQUALS:
            if isinstance(value, Unknown):
                return Verdict.UNKNOWN
            return Verdict.HOLDS if value == rule.limit else Verdict.CLEAR
        case Comparison.ABOVE | Comparison.BELOW | Comparison.RATE_ABOVE | Comparison.FULL_WITHIN:
            return _beyond(rule, value, firing=firing)


def _beyond(rule: Rule, value: FactValue, *, firing: bool) -> Verdict:
    value = math.inf if value == UNLIMITED else value
    if isinstance(value, (Unknown, str)) or isinstance(rule.limit, (Unknown, str)):
        return Verdict.UNKNOWN
    limit = rule.clear if firing and rule.clear is not None else rule.limit
    holds = value > limit if rule.comparison in UPWARD else value < limit
    return Verdict.HOLDS if holds else Verdict.CLEAR


def _readable(value: FactValue) -> FactValue:
    """Return the value, or that it is unknown where it is a number that compares with none."""
    return Unknown("not a number") if isinstance(value, float) and math.isnan(value) else value


def limit_text(rule: Rule) -> str:
    """Return the condition for people, for example `above 90 %` or `equals down`."""
    if rule.comparison is Comparison.ABSENT:
        return "absent"
    words = f"{rule.comparison.value.replace('_', ' ')} {measured_text(rule, rule.limit)}"
    return f"{words} over {duration_text(rule.over_seconds)}" if rule.over_seconds else words


def measured_text(rule: Rule, value: FactValue) -> str:
    """Return for people what the rule compares, in the unit of its comparison: a value, a rate or a time ahead."""
    if rule.comparison not in TRENDS or isinstance(value, (str, Unknown)):
        return value_text(rule.fact, value)
    return ahead_text(value) if rule.comparison is Comparison.FULL_WITHIN else rate_text(rule.fact, value)


def value_text(fact: str, value: object) -> str:
    """Return a fact's value for people: ratios as percent, byte counts in MiB or GiB, booleans as yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        if fact.endswith("_ratio"):
            return f"{value * 100:.0f} %"
        if fact.endswith("_bytes"):
            return f"{value / 2**30:.1f} GiB" if value >= 2**30 else f"{value / 2**20:.1f} MiB"
        if fact.endswith("_seconds"):
            return f"{value:.3g} s" if value < 60 else duration_text(value)
        return f"{value:g}" if isinstance(value, float) else str(value)
    return str(value)


def _sentence(text: str, rule: Rule, observation: Observation, trend: Trend) -> str:
    words: Mapping[str, object] = {
        **_UNSEEN,
        **observation.evidence,
        **{fact: value_text(fact, known) for fact, known in observation.facts.items()},
        "condition": observation.condition,
        "subject": str(observation.subject),
        "name": observation.subject.name,
        "value": measured_text(rule, trend.value),
        "rate": rate_text(rule.fact, trend.rate),
        "over": duration_text(rule.over_seconds),
        "limit": limit_text(rule),
        "what": rule.fact.removesuffix("_ratio").removesuffix("_total").replace("_", " "),
    }
    return _PLACEHOLDER.sub(lambda found: str(words.get(found[1], "?")), text)
