"""Limits as they are written, in the unit of the fact or of its course. Pure."""

from __future__ import annotations

import re

from semsupervisor.alerts.rules import Comparison
from semsupervisor.alerts.trends import COUNTER, UNIT_SECONDS
from semsupervisor.settings.durations import parse_duration, parse_size

_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_RATE = re.compile(f"(.+?) */ *({'|'.join(UNIT_SECONDS)})")


def number(fact: str, found: object) -> float | None:
    """Return a limit for a fact as a number of 0 or more; None if it can be none.

    Facts in bytes take a size, facts in seconds a duration, ratios nothing above 1.
    """
    if isinstance(found, str):
        return _measure(fact, found)
    if isinstance(found, bool) or not isinstance(found, (int, float)) or found < 0:
        return None
    return None if fact.endswith("_ratio") and found > 1 else float(found)


def limit(fact: str, comparison: Comparison, found: object) -> float | None:
    """Return a limit or a clearing value in the unit of the comparison; None if it can be none.

    That unit is the fact's own, for `rate_above` the fact's per second, for `full_within` seconds ahead.
    """
    match comparison:
        case Comparison.RATE_ABOVE:
            return _rate(fact.removesuffix(COUNTER), found)
        case Comparison.FULL_WITHIN:
            return number("ahead_seconds", found)
        case Comparison.ABOVE | Comparison.BELOW | Comparison.EQUALS | Comparison.ABSENT:
            return number(fact, found)


def words(fact: str, comparison: Comparison) -> str:
    """Return in words what a limit for a fact may be."""
    match comparison:
        case Comparison.RATE_ABOVE:
            amount = "10MiB" if fact.removesuffix(COUNTER).endswith("_bytes") else "5"
            return f'a rise per second as a number of 0 or more, or a rate such as "{amount}/m" (s, m, h or d)'
        case Comparison.FULL_WITHIN:
            return 'a duration such as "24h"'
        case Comparison.ABOVE | Comparison.BELOW | Comparison.EQUALS | Comparison.ABSENT:
            return _number_words(fact)


def _rate(base: str, found: object) -> float | None:
    if not isinstance(found, str):
        return number(base, found)
    parts = _RATE.fullmatch(found.strip())
    if parts is None:
        return None
    amount = number(base, float(parts[1]) if _NUMBER.fullmatch(parts[1]) else parts[1])
    return None if amount is None else amount / UNIT_SECONDS[parts[2]]


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
