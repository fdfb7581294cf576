"""Structured log lines on stdout, one JSON object each, as the real program writes them."""

from __future__ import annotations

import json
import sys
from collections import Counter
from datetime import UTC, datetime

LEVELS = {"debug": 10, "info": 20, "warn": 30, "error": 40}


def utc_now() -> datetime:
    """The wall clock as an aware UTC time."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """A time as RFC 3339 with microseconds and a Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Log:
    """Writes lines at or above a level and counts them by component and level for the metrics."""

    def __init__(self, level: str) -> None:
        self._threshold = LEVELS.get(level, LEVELS["info"])
        self.counts: Counter[tuple[str, str]] = Counter()

    def write(self, level: str, component: str, message: str, /, **facts: object) -> None:
        """Write one line; `facts` become further keys of it."""
        self.counts[component, level] += 1
        if LEVELS[level] < self._threshold:
            return
        head = {"time": rfc3339(utc_now()), "level": level.upper(), "msg": message, "component": component}
        sys.stdout.write(json.dumps({**head, **facts}, separators=(",", ":"), default=str) + "\n")
        sys.stdout.flush()
