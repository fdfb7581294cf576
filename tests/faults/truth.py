"""What really happened, from witnesses that know nothing of the supervisor.

They are the engine's events, as `docker events` told them to a process of its own, and what the health endpoint wrote
down: when nobody could reach it, and what it answered. They are folded into periods in which a rule held.

Whether a container ended by itself is judged by the engine's events alone: a `kill` before the `die`, or a `stop`
behind it, is somebody's request. Whether one is well is judged by the exit codes of its checks, of which one that fails
is enough here: after a pause the engine calls a container unhealthy, or well again, without an event.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SERVICE_LABEL = "com.docker.compose.service"
HEALTH_PREFIX = "health_status: "
DIED, STOPPED, PAUSED, UNHEALTHY = "container_died", "container_stopped", "container_paused", "container_unhealthy"
LOOP, MISSING = "container_restarting", "container_missing"
LOOP_DEATHS, LOOP_WINDOW_SECONDS = 3, 600.0
SEMSTREAMS = "semstreams:semstreams"
# From one check to the next, with a daemon that starts in between.
UNHEARD_SECONDS = 4.0
REFUSED, SICK, LIMITED = "semstreams_unreachable", "semstreams_unhealthy", "semstreams_degraded"

Topic = tuple[str, str]


@dataclass
class Period:
    """A time in which a rule held of a subject, in seconds since 1970; `end` is None while it lasts."""

    begin: float
    end: float | None = None

    def distance(self, moment: float) -> float:
        """Return how many seconds a moment lies before it or behind it, 0 within."""
        after = 0.0 if self.end is None else moment - self.end
        return max(0.0, self.begin - moment, after)


@dataclass
class Truth:
    """All periods of each rule and subject, in their order."""

    periods: dict[Topic, list[Period]] = field(default_factory=lambda: defaultdict(list))

    def begin(self, rule: str, subject: str, at: float) -> None:
        """Say that a rule holds from now on; if it does already, nothing changes."""
        if not self.holds(rule, subject):
            self.periods[rule, subject].append(Period(at))

    def end(self, rule: str, subject: str, at: float) -> None:
        """Say that a rule holds no more."""
        if self.holds(rule, subject):
            self.periods[rule, subject][-1].end = at

    def holds(self, rule: str, subject: str) -> bool:
        """Tell whether a rule holds at the end of what is known."""
        known = self.periods.get((rule, subject), [])
        return bool(known) and known[-1].end is None

    @property
    def holding(self) -> int:
        """Return how many rules hold at the end of what is known, loops not counted."""
        return sum(1 for periods in self.periods.values() if periods[-1].end is None)

    def deaths(self, subject: str) -> list[float]:
        """Return when a service died that nobody had asked to end."""
        return [period.begin for period in self.periods.get((DIED, subject), [])]

    def loops(self, subject: str, at: float, slack_seconds: float = 0.0) -> bool:
        """Tell whether a service had died so often in the last ten minutes that this is a loop.

        A stop that somebody asked for ends one. Slack above 0 is in favour of a loop, below 0 against one.
        """
        stops = [period.begin for period in self.periods.get((STOPPED, subject), [])]
        first = max([at - LOOP_WINDOW_SECONDS, *[stop for stop in stops if stop <= at - slack_seconds]]) - slack_seconds
        return sum(first <= death <= at + slack_seconds for death in self.deaths(subject)) >= LOOP_DEATHS

    def true_now(self, rule: str, subject: str, now: float) -> bool:
        """Tell whether a rule holds at the end of what is known, loops included."""
        if rule == LOOP:
            return self.loops(subject, now)
        return self.holds(rule, subject) or self._ended_unheard(rule, subject)

    def _ended_unheard(self, rule: str, subject: str) -> bool:
        """Tell whether the answer that ended it may have died with a daemon, before nobody could ask any more."""
        known, refused = self.periods.get((rule, subject)), self.periods.get((REFUSED, subject))
        if rule not in (SICK, LIMITED) or not known or not refused or refused[-1].end is not None:
            return False
        ended = known[-1].end
        return ended is not None and 0.0 <= refused[-1].begin - ended <= UNHEARD_SECONDS


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a log of JSON lines."""
    content = path.read_bytes()
    return [json.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]


def of_logs(events: Path, health: Path) -> Truth:
    """Return what both witnesses have seen so far."""
    truth = Truth()
    followers: dict[str, _Container] = {}
    for event in sorted(read_lines(events), key=lambda event: event["timeNano"]):
        service = event["Actor"]["Attributes"].get(SERVICE_LABEL)
        if service:
            followers.setdefault(service, _Container(f"service:{service}", truth)).hear(event)
    for entry in read_lines(health):
        at = entry["at"] / 1e9
        if "answered" in entry:
            _answer(truth, entry["answered"], at)
        elif entry["mood"] == "down":
            truth.begin(REFUSED, SEMSTREAMS, at)
    return truth


def _answer(truth: Truth, status: str, at: float) -> None:
    """What was last answered goes on to count until something else is: in between nobody can know."""
    truth.end(REFUSED, SEMSTREAMS, at)
    for rule, told in ((SICK, "unhealthy"), (LIMITED, "degraded")):
        (truth.begin if status == told else truth.end)(rule, SEMSTREAMS, at)


class _Container:
    """The events of one service in their order; its container may be another one after a while."""

    def __init__(self, subject: str, truth: Truth) -> None:
        self._subject = subject
        self._truth = truth
        self._asked = False

    def hear(self, event: dict[str, Any]) -> None:
        at, action = event["timeNano"] / 1e9, str(event["Action"])
        match action:
            case "exec_die":
                well = event["Actor"]["Attributes"]["exitCode"] == "0"
                (self._end if well else self._begin)(UNHEALTHY, at)
            case "start":
                self._asked = False
                self._end(DIED, at)
                self._end(STOPPED, at)
            case "kill":
                self._asked = True
            case "die":
                self._end(PAUSED, at)
                self._die(at)
            case "stop" | "destroy":
                self._stopped(at)
            case "pause":
                self._begin(PAUSED, at)
            case "unpause":
                self._end(PAUSED, at)
            case _:
                pass

    def _die(self, at: float) -> None:
        if self._asked:
            self._stopped(at)
        else:
            self._begin(DIED, at)

    def _stopped(self, at: float) -> None:
        """Somebody asked for it; that ends the efforts of a restart policy as well."""
        self._end(DIED, at)
        self._end(UNHEALTHY, at)
        self._begin(STOPPED, at)

    def _begin(self, rule: str, at: float) -> None:
        self._truth.begin(rule, self._subject, at)

    def _end(self, rule: str, at: float) -> None:
        self._truth.end(rule, self._subject, at)
