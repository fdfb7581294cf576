"""From the table that describes one rule to the rule itself, and everything that is wrong with the table. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from semsupervisor.alerts import limits
from semsupervisor.alerts.facts import FACTS, FactForm
from semsupervisor.alerts.rules import TRENDS, UPWARD, Comparison, Origin, Rule, Severity
from semsupervisor.health.observation import SubjectKind
from semsupervisor.kit.text import did_you_mean, listed
from semsupervisor.settings.durations import format_duration
from semsupervisor.settings.model import RuleSettings
from semsupervisor.settings.problems import Problem, found_text, join

COMPARISONS = tuple(comparison.value for comparison in Comparison)
ANY_COMPARISON = f"one of {listed(COMPARISONS)}"
TABLE = "rules"
CLEAR_AHEAD = 1.5
LEAST_LOOKS, LEAST_LOOKS_AHEAD = 5, 10
CLEARING = (Comparison.ABOVE, Comparison.BELOW, Comparison.RATE_ABOVE, Comparison.FULL_WITHIN)

Limit = bool | int | float | str


def comparisons(rule: RuleSettings) -> tuple[str, ...]:
    """Return the comparisons that a table gives."""
    return tuple(name for name in COMPARISONS if getattr(rule, name) is not None)


def missing(rule: RuleSettings) -> tuple[str, ...]:
    """Return what a table lacks to be a rule of its own."""
    needed = ("kind", "fact", "severity", "title", "summary")
    lacking = [name for name in needed if getattr(rule, name) is None]
    given = comparisons(rule)
    lacking += [] if given else [ANY_COMPARISON]
    lacking += ["over"] if rule.over_seconds is None and any(name in TRENDS for name in given) else []
    return tuple(lacking)


def faults(name: str, table: RuleSettings) -> tuple[Problem, ...]:
    """Return what is wrong with a table, as far as it can be said; what it lacks is `missing`."""
    key = join(TABLE, name)
    return tuple(Problem(join(key, part), found, allowed) for part, found, allowed in _faults(table))


def narrow_windows(name: str, table: RuleSettings, interval_seconds: float) -> tuple[Problem, ...]:
    """Return that a window is too short for looks so far apart: its rule would find nothing for ever."""
    looks = LEAST_LOOKS_AHEAD if table.full_within is not None else LEAST_LOOKS
    least = looks * interval_seconds
    if table.over_seconds is None or table.over_seconds >= least:
        return ()
    found = found_text(format_duration(table.over_seconds))
    allowed = f'"{format_duration(least)}" or longer, {looks} times checks.interval'
    return (Problem(join(join(TABLE, name), "over"), found, allowed),)


def define(name: str, table: RuleSettings, words: Mapping[str, str], origin: Origin = Origin.SHIPPED) -> Rule:
    """Return the rule that a table without faults describes that lacks nothing.

    `words` fills placeholders of the steps and the diagnosis that do not depend on the subject.
    """
    comparison = Comparison(comparisons(table)[0])
    fact = table.fact or ""
    return Rule(
        name=name,
        kind=SubjectKind(table.kind or ""),
        fact=fact,
        comparison=comparison,
        limit=_limit(fact, comparison, table),
        severity=Severity(table.severity or ""),
        title=table.title or "",
        summary=table.summary or "",
        resolved=table.resolved or "",
        subjects=table.subjects or (),
        clear=_clear(fact, comparison, table),
        over_seconds=table.over_seconds or 0.0,
        for_seconds=table.for_seconds or 0.0,
        clear_for_seconds=table.clear_for_seconds or 0.0,
        diagnosis=_filled(table.diagnosis or "", words),
        fix=tuple(_filled(step, words) for step in table.fix or ()),
        cause=bool(table.cause),
        consequence=bool(table.consequence),
        inhibits=table.inhibits or (),
        enabled=table.enabled is not False,
        origin=origin,
    )


def _limit(fact: str, comparison: Comparison, table: RuleSettings) -> Limit:
    value: Limit = getattr(table, comparison.value)
    return (limits.limit(fact, comparison, value) or 0.0) if comparison in CLEARING else value


def _clear(fact: str, comparison: Comparison, table: RuleSettings) -> float | None:
    """Return the clearing value; a forecast has one by itself, since it wavers more than what is measured."""
    if table.clear is None and comparison is Comparison.FULL_WITHIN:
        return (table.full_within or 0.0) * CLEAR_AHEAD
    return None if table.clear is None else limits.limit(fact, comparison, table.clear)


Fault = tuple[str, str, str]


def _faults(table: RuleSettings) -> Iterator[Fault]:
    """Yield (key, what was found, what is allowed) for everything that is wrong with the table."""
    given = comparisons(table)
    if len(given) > 1:
        yield given[1], listed(given, "and"), f"exactly one of {listed(COMPARISONS)}"
    if table.kind is None:
        return
    kinds = [kind.value for kind in SubjectKind if FACTS[kind]]
    if table.kind not in kinds:
        yield "kind", _unknown(table.kind, kinds), listed(kinds)
        return
    facts = FACTS[SubjectKind(table.kind)]
    if table.fact is None:
        return
    if table.fact not in facts:
        yield "fact", _unknown(table.fact, facts), f"for {table.kind}: {listed(facts)}"
        return
    for name in given:
        yield from _limit_faults(name, getattr(table, name), table.fact, facts[table.fact])
    if len(given) == 1 and table.clear is not None:
        yield from _clear_faults(given[0], table, table.fact)
    if len(given) == 1:
        yield from _over_faults(given[0], table)


def _unknown(name: str, known: Iterable[str]) -> str:
    hint = did_you_mean(name, known)
    return f"{found_text(name)}{f' ({hint})' if hint else ''}"


def _limit_faults(comparison: str, limit: Limit, fact: str, form: FactForm) -> Iterator[Fault]:
    match Comparison(comparison):
        case Comparison.ABSENT:
            return
        case Comparison.EQUALS:
            if not _is_value(limit, form):
                yield comparison, found_text(limit), _value_words(form)
        case Comparison.FULL_WITHIN if form is float and not fact.endswith("_ratio"):
            yield comparison, f"a forecast for {fact}, which is no share of a whole", "a fact that ends in _ratio"
        case Comparison.ABOVE | Comparison.BELOW | Comparison.RATE_ABOVE | Comparison.FULL_WITHIN as compared:
            if form is not float:
                yield comparison, f"a limit for {fact}, which is no number", f"equals with {_value_words(form)}"
            elif limits.limit(fact, compared, limit) is None:
                yield comparison, found_text(limit), limits.words(fact, compared)


def _over_faults(comparison: str, table: RuleSettings) -> Iterator[Fault]:
    if table.over_seconds is not None and comparison not in TRENDS:
        found, allowed = format_duration(table.over_seconds), f"no window with {comparison}, only with {listed(TRENDS)}"
        yield "over", found_text(found), allowed


def _clear_faults(comparison: str, table: RuleSettings, fact: str) -> Iterator[Fault]:
    compared = Comparison(comparison)
    if compared not in CLEARING:
        yield "clear", found_text(table.clear), f"no clearing value with {comparison}, only with {listed(CLEARING)}"
        return
    given = getattr(table, comparison)
    clear, limit = limits.limit(fact, compared, table.clear), limits.limit(fact, compared, given)
    upward = compared in UPWARD
    if clear is None:
        yield "clear", found_text(table.clear), limits.words(fact, compared)
    elif limit is not None and (clear > limit if upward else clear < limit):
        shown = found_text(format_duration(given) if compared is Comparison.FULL_WITHIN else given)
        yield "clear", found_text(table.clear), f"no {'more' if upward else 'less'} than {comparison}, {shown}"


def _is_value(limit: Limit, form: FactForm) -> bool:
    if isinstance(form, tuple):
        return limit in form
    if form is float:
        return isinstance(limit, (int, float)) and not isinstance(limit, bool)
    return type(limit) is form


def _value_words(form: FactForm) -> str:
    if isinstance(form, tuple):
        return listed(found_text(text) for text in form)
    if form is bool:
        return "true or false"
    return "a number" if form is float else "a text in quotes"


def _filled(text: str, words: Mapping[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(f"{{{word}}}", value)
    return text


def merged(shipped: RuleSettings, override: RuleSettings) -> RuleSettings:
    """Return a shipped rule with what the operator changed; its clearing value moves along with a new limit."""
    given = {field: value for field in override.__struct_fields__ if (value := getattr(override, field)) is not None}
    (compared,) = comparisons(shipped)
    if shipped.clear is not None and compared in given and "clear" not in given:
        given["clear"] = _moved(shipped, Comparison(compared), given[compared])
    return msgspec.structs.replace(shipped, **given)


def _moved(shipped: RuleSettings, comparison: Comparison, limit: float | str) -> float | None:
    """Return the clearing value as far from a new limit, in proportion, as it is from the shipped one."""
    fact, written = shipped.fact or "", (limit, getattr(shipped, comparison.value), shipped.clear)
    new, old, clear = (limits.limit(fact, comparison, value) for value in written)
    if new is None or not old or clear is None:
        return None
    return limits.limit(fact, comparison, float(f"{clear / old * new:.6g}"))
