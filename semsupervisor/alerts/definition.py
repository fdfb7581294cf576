"""From the table that describes one rule to the rule itself, and everything that is wrong with the table. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from semsupervisor.alerts.facts import FACTS, FactForm
from semsupervisor.alerts.rules import Comparison, Rule, Severity
from semsupervisor.health.observation import SubjectKind
from semsupervisor.kit.text import did_you_mean, listed
from semsupervisor.settings.durations import parse_duration, parse_size
from semsupervisor.settings.model import RuleSettings
from semsupervisor.settings.problems import Problem, found_text, join

COMPARISONS = tuple(comparison.value for comparison in Comparison)
ANY_COMPARISON = f"one of {listed(COMPARISONS)}"
TABLE = "rules"

Limit = bool | int | float | str


def comparisons(rule: RuleSettings) -> tuple[str, ...]:
    """Return the comparisons that a table gives."""
    return tuple(name for name in COMPARISONS if getattr(rule, name) is not None)


def missing(rule: RuleSettings) -> tuple[str, ...]:
    """Return what a table lacks to be a rule of its own."""
    needed = ("kind", "fact", "severity", "title", "summary")
    lacking = tuple(name for name in needed if getattr(rule, name) is None)
    return lacking if comparisons(rule) else (*lacking, ANY_COMPARISON)


def faults(name: str, table: RuleSettings) -> tuple[Problem, ...]:
    """Return what is wrong with a table, as far as it can be said; what it lacks is `missing`."""
    key = join(TABLE, name)
    return tuple(Problem(join(key, part), found, allowed) for part, found, allowed in _faults(table))


def define(name: str, table: RuleSettings, words: Mapping[str, str]) -> Rule:
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
        clear=None if table.clear is None else number(fact, table.clear),
        for_seconds=table.for_seconds or 0.0,
        clear_for_seconds=table.clear_for_seconds or 0.0,
        diagnosis=_filled(table.diagnosis or "", words),
        fix=tuple(_filled(step, words) for step in table.fix or ()),
        cause=bool(table.cause),
        consequence=bool(table.consequence),
        inhibits=table.inhibits or (),
        enabled=table.enabled is not False,
    )


def number(fact: str, found: object) -> float | None:
    """Return a limit for a fact as a number of 0 or more; None if it can be none.

    Facts in bytes take a size, facts in seconds a duration, ratios nothing above 1.
    """
    if isinstance(found, str):
        return _measure(fact, found)
    if isinstance(found, bool) or not isinstance(found, (int, float)) or found < 0:
        return None
    return None if fact.endswith("_ratio") and found > 1 else float(found)


def _measure(fact: str, text: str) -> float | None:
    try:
        if fact.endswith("_bytes"):
            return float(parse_size(text))
        return float(parse_duration(text)) if fact.endswith("_seconds") else None
    except ValueError:
        return None


def _number_words(fact: str) -> str:
    if fact.endswith("_ratio"):
        return "a ratio from 0 to 1, such as 0.85 for 85 %"
    if fact.endswith("_bytes"):
        return 'bytes as a number of 0 or more, or a size such as "256MiB"'
    if fact.endswith("_seconds"):
        return 'seconds as a number of 0 or more, or a duration such as "5m"'
    return "a number of 0 or more"


def _limit(fact: str, comparison: Comparison, table: RuleSettings) -> Limit:
    value: Limit = getattr(table, comparison.value)
    beyond = comparison in {Comparison.ABOVE, Comparison.BELOW}
    return (number(fact, value) or 0.0) if beyond else value


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
        case Comparison.ABOVE | Comparison.BELOW:
            if form is not float:
                yield comparison, f"a limit for {fact}, which is no number", f"equals with {_value_words(form)}"
            elif number(fact, limit) is None:
                yield comparison, found_text(limit), _number_words(fact)


def _clear_faults(comparison: str, table: RuleSettings, fact: str) -> Iterator[Fault]:
    if comparison not in {"above", "below"}:
        yield "clear", found_text(table.clear), f"no clearing value with {comparison}, only with above or below"
        return
    clear, limit = number(fact, table.clear), number(fact, getattr(table, comparison))
    if clear is None:
        yield "clear", found_text(table.clear), _number_words(fact)
    elif limit is not None and (clear > limit if comparison == "above" else clear < limit):
        side = "no more" if comparison == "above" else "no less"
        yield "clear", found_text(table.clear), f"{side} than {comparison}, {found_text(getattr(table, comparison))}"


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
    if shipped.clear is not None and "above" in given and "clear" not in given:
        given["clear"] = _moved(shipped, given["above"])
    return msgspec.structs.replace(shipped, **given)


def _moved(shipped: RuleSettings, above: float | str) -> float | None:
    """Return the clearing value as far below a new limit, in proportion, as it is below the shipped one."""
    fact = shipped.fact or ""
    new, old, clear = (number(fact, value) for value in (above, shipped.above, shipped.clear))
    return round(clear / old * new, 4) if new is not None and old and clear is not None else None
