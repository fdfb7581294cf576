"""All rules that hold on this host: the shipped ones with the operator's changes, and the operator's own."""

from __future__ import annotations

import functools
import graphlib
import re
import shlex
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import msgspec

from semsupervisor.alerts.definition import (
    ANY_COMPARISON,
    COMPARISONS,
    TABLE,
    comparisons,
    define,
    faults,
    merged,
    missing,
    narrow_windows,
)
from semsupervisor.alerts.rules import TRENDS, Origin, Rule
from semsupervisor.errors import SettingsError
from semsupervisor.kit.text import did_you_mean, listed
from semsupervisor.settings.load import project_of
from semsupervisor.settings.model import RuleSettings, Settings
from semsupervisor.settings.problems import Problem, found_text, join, told
from semsupervisor.settings.reading import Notes, read_section

RULES_FILE = Path(__file__).with_name("rules.toml")

_NAME = re.compile("[a-z][a-z0-9_]{0,63}")


def words(settings: Settings) -> Mapping[str, str]:
    """Return what stands for {directory}, {project} and {state} in diagnoses and steps, ready for a shell."""
    stack = settings.stack
    return {
        "directory": shlex.quote(stack.directory),
        "project": stack.project or project_of(stack.directory),
        "state": shlex.quote(settings.state.directory),
    }


@functools.cache
def defaults() -> tuple[Rule, ...]:
    """Return the shipped rules as they are for the default settings. Raises: SettingsError if the package is broken."""
    return build({})


def build(
    overrides: Mapping[str, RuleSettings], places: Mapping[str, str] | None = None, file: Path | None = None
) -> tuple[Rule, ...]:
    """Return the shipped rules with the operator's changes, then the operator's own rules.

    `places` are the `words` of the settings in force, those of the default settings by default; `file` is where the
    overrides were read. Raises: SettingsError with all problems.
    """
    rules, problems = build_collecting(overrides, places)
    if problems:
        raise SettingsError(told(file, problems))
    return rules


def build_collecting(
    overrides: Mapping[str, RuleSettings],
    places: Mapping[str, str] | None = None,
    refused: Collection[str] = (),
    interval_seconds: float = 0.0,
) -> tuple[tuple[Rule, ...], tuple[Problem, ...]]:
    """Do as `build` does and return the problems, and the rules without one, instead of raising.

    `refused` are the keys of the problems found while the overrides were read: what stands there is not missed.
    `interval_seconds` is how often the checks look: a window of the operator's must hold some looks.
    Raises: SettingsError if the package itself is broken.
    """
    tables, problems = _tables(overrides, refused)
    sound: list[Rule] = []
    for name, table in tables.items():
        wrong = (*faults(name, table), *(narrow_windows(name, table, interval_seconds) if name in overrides else ()))
        problems += wrong
        if not wrong and not missing(table):
            sound.append(define(name, table, places or words(Settings()), _origin(name, table)))
    problems += [problem for name in tables for problem in _inhibition_problems(name, tables)]
    return tuple(sound), (*problems, *_circle(tables))


@functools.cache
def _shipped() -> Mapping[str, RuleSettings]:
    notes = Notes(str(RULES_FILE), {})
    table = tomllib.loads(RULES_FILE.read_text(encoding="utf-8"))
    read = {name: read_section(RuleSettings, rule, join(TABLE, name), notes) for name, rule in table[TABLE].items()}
    if notes.problems:
        raise SettingsError(told(RULES_FILE, notes.problems))
    return {name: rule for name, rule in read.items() if isinstance(rule, RuleSettings)}


def _tables(
    overrides: Mapping[str, RuleSettings], refused: Collection[str]
) -> tuple[dict[str, RuleSettings], list[Problem]]:
    """Return the tables of all rules, the shipped ones first, and what the overrides lack or may not change."""
    tables = dict(_shipped())
    problems: list[Problem] = []
    for name, override in overrides.items():
        shipped = _shipped().get(name)
        if shipped is None:
            problems += _own_problems(name, override, refused)
            tables[name] = override
        else:
            wrong = dict(_other_rule(shipped, override))
            problems += [_fixed(name, part, override, kept) for part, kept in wrong.items()]
            tables[name] = merged(shipped, msgspec.structs.replace(override, **dict.fromkeys(wrong)))
    return tables, problems


def _origin(name: str, table: RuleSettings) -> Origin:
    shipped = _shipped().get(name)
    if shipped is None:
        return Origin.OWN
    return Origin.SHIPPED if table == shipped else Origin.CHANGED


def _own_problems(name: str, rule: RuleSettings, refused: Collection[str]) -> Iterator[Problem]:
    """Find why a rule that is not a shipped one cannot be the operator's own."""
    key = join(TABLE, name)
    compares = any(join(key, comparison) in refused for comparison in COMPARISONS)
    lacking = [
        part for part in missing(rule) if join(key, part) not in refused and not (part == ANY_COMPARISON and compares)
    ]
    if lacking:
        hint = did_you_mean(name, _shipped())
        allowed = (
            "a shipped rule (`semsupervisor alerts rules` lists them), or one of your own with kind, fact, one of "
            f"{listed(COMPARISONS)}, severity, title and summary, and with {listed(TRENDS)} also over; "
            f"this one lacks {listed(lacking, 'and')}"
        )
        yield Problem(key, f"an unknown rule{f' ({hint})' if hint else ''}", allowed)
    if _NAME.fullmatch(name) is None:
        yield Problem(key, f"the name {found_text(name)}", "a name of a-z, 0-9 and _, a letter first, 64 at most")


def _other_rule(shipped: RuleSettings, override: RuleSettings) -> Iterator[tuple[str, str]]:
    """Yield (key, what is shipped) for changes that would make another rule of it, which its texts would not fit."""
    for part in ("kind", "fact"):
        kept = getattr(shipped, part)
        if getattr(override, part) not in {None, kept}:
            yield part, found_text(kept)
    (kept,) = comparisons(shipped)
    for comparison in comparisons(override):
        if comparison != kept:
            yield comparison, kept


def _fixed(name: str, part: str, override: RuleSettings, kept: str) -> Problem:
    key = join(TABLE, name)
    own = f"for another rule write one of your own under a new name and set {key}.enabled = false"
    return Problem(join(key, part), found_text(getattr(override, part)), f"{kept}, as it is shipped; {own}")


def _inhibition_problems(name: str, tables: Mapping[str, RuleSettings]) -> Iterator[Problem]:
    """Find names of rules that this one cannot mute: unknown ones, and those that never share a subject with it."""
    rule = tables[name]
    same_kind = [other for other, table in tables.items() if table.kind == rule.kind and other != name]
    for number, muted in enumerate(rule.inhibits or ()):
        key = f"{join(TABLE, name)}.inhibits[{number}]"
        if muted not in tables:
            hint = did_you_mean(muted, tables)
            found = f"the unknown rule {found_text(muted)}{f' ({hint})' if hint else ''}"
            yield Problem(key, found, f"rules about {rule.kind}: {listed(same_kind)}")
        elif muted not in same_kind and rule.kind and tables[muted].kind:
            allowed = f"other rules about {rule.kind}, since only the same subject is muted: {listed(same_kind)}"
            yield Problem(key, found_text(muted), allowed)


def _circle(tables: Mapping[str, RuleSettings]) -> list[Problem]:
    """Find rules that mute each other: all of them firing, nobody would be told of any."""
    muting = {name: [muted for muted in table.inhibits or () if muted != name] for name, table in tables.items()}
    try:
        graphlib.TopologicalSorter(muting).prepare()
    except graphlib.CycleError as error:
        circle: list[str] = error.args[1][::-1]
        key = f"{join(TABLE, circle[0])}.inhibits"
        return [Problem(key, f"rules that mute each other: {' > '.join(circle)}", "no circle, or none would be told")]
    return []
