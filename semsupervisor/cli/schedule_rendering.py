"""How schedules look: when each is due next, what it did last, and why it waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from semsupervisor.cli.job_rendering import TONES
from semsupervisor.cli.rendering import Paper, age, ago, clock_text, moment

Schedule = Mapping[str, Any]


def rows(schedules: Iterable[Schedule], now: str, paper: Paper) -> list[list[str]]:
    """Return each schedule as a line of a table."""
    return [[one["name"], _next(one, now, paper), _last(one, now, paper)] for one in schedules]


def _next(one: Schedule, now: str, paper: Paper) -> str:
    if one["waits"]:
        return paper.paint(f"waits: {one['waits']}", "mild")
    if one["next_at"] is None:
        return "off" if one["schedule"] in ("", "off") else "not looked at yet"
    if moment(one["next_at"]) <= moment(now):
        return "due now"
    return f"next in {age(now, one['next_at'])} ({clock_text(one['next_at'])})"


def _last(one: Schedule, now: str, paper: Paper) -> str:
    if one["last_at"] is None:
        return "never yet"
    state = "done, with notes" if one["last_state"] == "done" and not one["last_fine"] else one["last_state"]
    tone = "mild" if state == "done, with notes" else TONES[one["last_state"]]
    return f"last {ago(one['last_at'], now)}: {paper.paint(state.replace('_', ' '), tone)} ({one['last_job']})"
