"""The machine's own figures, read by other means than the product's for as long as a test lasts.

A machine that runs tests may be busy or full itself, and an alert that says so is true. One that its figures do not
bear out is as false as any.
"""

from __future__ import annotations

import os
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from semsupervisor.settings.durations import parse_duration
from tests.support.beside import Beside
from tests.support.commands import REPOSITORY

LOOK_SECONDS = 0.5
# What is read at other moments than the product's, and averaged over the same time, comes this near to its limit.
SLACK = 0.15
# Whatever a rule waits for, it looked at the machine for some seconds.
SHORTEST_SECONDS = 10.0

Figure = tuple[str, str]
"""A subject and one of its facts."""


class Machine(Beside):
    """Reads the figures from its beginning to its end; use it as a context manager."""

    def __init__(self) -> None:
        super().__init__()
        self._readings: dict[Figure, list[tuple[float, float]]] = {}
        self._processors = (0.0, 0.0)

    def denies(self, alerts: Iterable[Mapping[str, Any]]) -> list[str]:
        """Return which alerts about the machine its figures do not bear out, and what these were."""
        rules = tomllib.loads((REPOSITORY / "semsupervisor" / "alerts" / "rules.toml").read_text())["rules"]
        return [text for alert in alerts if (text := self._denial(alert, rules[alert["rule"]]))]

    def _denial(self, alert: Mapping[str, Any], rule: Mapping[str, Any]) -> str:
        fired = datetime.fromisoformat(alert["fired_at"]).timestamp()
        since = fired - max(SHORTEST_SECONDS, parse_duration(rule.get("for", "0s")))
        readings = self._readings.get((alert["subject"], rule["fact"]), [])
        seen = [value for at, value in readings if since <= at <= fired]
        measured = fmean(seen) if seen else None
        if measured is not None and _holds(rule, measured):
            return ""
        return f"{alert['rule']} of {alert['subject']}, {alert['summary']!r}: it was {measured} by other readings"

    def _work(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            at = time.time()
            for figure, value in (*self._host(), *_filesystems()):
                self._readings.setdefault(figure, []).append((at, value))

    def _host(self) -> Iterator[tuple[Figure, float]]:
        host = "host:host"
        memory = {name: float(rest.split()[0]) for name, _, rest in _lines("meminfo", ":")}
        yield (host, "memory_available_ratio"), memory["MemAvailable"] / memory["MemTotal"]
        yield (host, "load_per_processor"), os.getloadavg()[0] / (os.cpu_count() or 1)
        with suppress(OSError):
            for resource in ("memory", "io"):
                shares = {word: rest.partition("avg60=")[2] for word, _, rest in _lines(f"pressure/{resource}", " ")}
                yield (host, f"pressure_{resource}_full_ratio"), float(shares["full"].split()[0]) / 100
        ticks = [
            float(word) for word in next(rest for name, _, rest in _lines("stat", " ") if name == "cpu").split()[:8]
        ]
        before, self._processors = self._processors, (sum(ticks) - ticks[3] - ticks[4], sum(ticks))
        if self._processors[1] > before[1]:
            busy, every = (now - then for now, then in zip(self._processors, before, strict=True))
            yield (host, "cpu_used_ratio"), busy / every


def _lines(file: str, after: str) -> list[tuple[str, str, str]]:
    """Return the lines of a file of /proc, each parted behind its first word."""
    return [line.partition(after) for line in Path("/proc", file).read_text().splitlines()]


def _filesystems() -> Iterator[tuple[Figure, float]]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, point, kind, options, *_ = line.split(" ")
        if kind in ("proc", "sysfs", "cgroup", "cgroup2", "nsfs"):
            continue
        subject = f"filesystem:{point}"
        with suppress(OSError):
            room = os.statvfs(point)
            used = room.f_blocks - room.f_bfree
            if room.f_blocks:
                yield (subject, "used_ratio"), used / max(1, used + room.f_bavail)
            if room.f_files:
                yield (subject, "inodes_used_ratio"), (room.f_files - room.f_ffree) / room.f_files
        yield (subject, "read_only_unexpected"), float("ro" in options.split(","))


def _holds(rule: Mapping[str, Any], measured: float) -> bool:
    """Tell whether a mean of readings is beyond a rule's limit, or as near to it as can be asked for."""
    if "above" in rule:
        return measured > float(rule["above"]) * (1 - SLACK)
    if "below" in rule:
        return measured < float(rule["below"]) * (1 + SLACK)
    return rule.get("equals") is True and measured > 1 - SLACK
