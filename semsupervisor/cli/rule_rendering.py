"""How the rules in force look on a terminal: what each asks, and under it how it stands with every subject."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from semsupervisor.cli.rendering import Paper, ago
from semsupervisor.kit import amounts
from semsupervisor.kit.text import shortened

INDENT, BELOW, FAR_BELOW = 2, 4, 8
MOST_SHOWN = 12
LONGEST_NAME = 40
URGENT = ("firing", "pending", "holds", "unknown")

_ORIGINS = {"changed": "changed by the settings", "own": "from the settings"}

Rule = Mapping[str, Any]
State = Mapping[str, Any]


def listed(answer: Mapping[str, Any], paper: Paper) -> None:
    """Write all rules, by the kind of subject that they are about."""
    for kind, same in groupby(answer["rules"], lambda rule: rule["kind"]):
        paper.line(paper.paint(kind, "strong"))
        for rule in same:
            _one(rule, answer["now"], paper)


def _one(rule: Rule, now: str, paper: Paper) -> None:
    name = rule["name"] if rule["enabled"] else paper.paint(rule["name"], "dim")
    words = [paper.word(rule["severity"]), *_from(rule), *([] if rule["enabled"] else ["switched off"])]
    paper.line(f"{' ' * INDENT}{name}  {', '.join(words)}")
    paper.wrapped(_condition(rule), BELOW)
    shown = sorted(rule["states"], key=_urgency)[:MOST_SHOWN]
    paper.beside([_row(one, now, paper) for one in shown], FAR_BELOW)
    if len(rule["states"]) > MOST_SHOWN:
        paper.line(f"{' ' * BELOW}({len(rule['states']) - MOST_SHOWN} more: semsupervisor alerts rules --json)")


def _from(rule: Rule) -> list[str]:
    return [_ORIGINS[rule["origin"]]] if rule["origin"] in _ORIGINS else []


def _condition(rule: Rule) -> str:
    words = [f"{rule['fact']} {rule['condition']}"]
    words += [f"of {', '.join(rule['subjects'])}"] if rule["subjects"] else []
    words += [f"for {amounts.duration(rule['for_seconds'])}"] if rule["for_seconds"] else []
    words += [f"until {rule['until']}"] if rule["until"] else []
    words += [f"clear for {amounts.duration(rule['clear_for_seconds'])}"] if rule["clear_for_seconds"] else []
    return ", ".join(words)


def _row(one: State, now: str, paper: Paper) -> tuple[list[str], str]:
    name = shortened(one["subject"], LONGEST_NAME)
    cells = [f"{' ' * BELOW}{name}", paper.word(one["state"]), ago(one["seen_at"], now)]
    return cells, one["value"]


def _urgency(one: State) -> int:
    return URGENT.index(one["state"]) if one["state"] in URGENT else len(URGENT)
