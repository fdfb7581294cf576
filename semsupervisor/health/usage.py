"""What containers use of memory, processors, disks and network, as facts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from semsupervisor.health.observation import UNLIMITED, FactValue
from semsupervisor.health.series import Series
from semsupervisor.kit.clock import Instant
from semsupervisor.systems.containers import Container, CpuUse, ResourceUse, Traffic

# What a single look catches says more of the moment than of the load; three looks at the longest interval fit in here.
WINDOW_SECONDS = 120.0
HOSTS_OWN_NETWORK = "host"


class Measured(msgspec.Struct, frozen=True):
    """What was measured of one container: how many of its processes were killed for lack of memory, and its facts."""

    oom_kills: int | None
    facts: Mapping[str, FactValue]


def facts_of(use: ResourceUse, container: Container) -> dict[str, FactValue]:
    """Return what one look says; a share of a limit only if the container has one."""
    found: dict[str, FactValue] = {
        "memory_used_bytes": use.memory.used_bytes,
        "memory_limit_bytes": container.memory_limit_bytes or UNLIMITED,
        "cpu_limit_processors": container.cpu_limit or UNLIMITED,
    }
    if container.memory_limit_bytes:
        found["memory_used_ratio"] = use.memory.used_bytes / container.memory_limit_bytes
    if use.cpu is not None:
        found["cpu_used_seconds_total"] = use.cpu.used_seconds
        found["cpu_throttled_seconds_total"] = use.cpu.throttled_seconds
    if use.pids is not None:
        found["pids"] = use.pids
    found |= _traffic(use.disk, "disk_read", "disk_written")
    if HOSTS_OWN_NETWORK not in container.addresses:
        found |= _traffic(use.network, "network_received", "network_sent")
    return found


class Courses:
    """How much each container used of its processors lately, by its id; `processors` are those of the host."""

    def __init__(self, processors: int) -> None:
        self._processors = processors
        self._courses: dict[str, _Course] = {}

    def take(self, container: Container, use: CpuUse, at: Instant) -> dict[str, FactValue]:
        """Take in what a container has used, and return the facts of the last two minutes; none from too few looks."""
        course = self._courses.setdefault(container.id, _Course())
        course.add(use, at.monotonic)
        return course.facts(container.cpu_limit or self._processors, at.monotonic)

    def keep_only(self, ids: Iterable[str]) -> None:
        """Forget all containers but these."""
        kept = set(ids)
        self._courses = {key: course for key, course in self._courses.items() if key in kept}


class _Course:
    def __init__(self) -> None:
        self._used = Series(WINDOW_SECONDS)
        self._periods = Series(WINDOW_SECONDS)
        self._throttled = Series(WINDOW_SECONDS)

    def add(self, use: CpuUse, now: float) -> None:
        self._used.add(now, use.used_seconds)
        self._periods.add(now, use.periods)
        self._throttled.add(now, use.throttled_periods)

    def facts(self, limit: float, now: float) -> dict[str, FactValue]:
        used = self._used.rate(WINDOW_SECONDS, now)
        periods = self._periods.increase(WINDOW_SECONDS, now)
        throttled = self._throttled.increase(WINDOW_SECONDS, now)
        found: dict[str, FactValue] = {}
        if used is not None:
            found["cpu_used_ratio"] = used / limit
        if periods and throttled is not None:
            found["cpu_throttled_ratio"] = throttled / periods
        return found


def _traffic(traffic: Traffic | None, inward: str, outward: str) -> dict[str, FactValue]:
    if traffic is None:
        return {}
    return {f"{inward}_bytes_total": traffic.in_bytes, f"{outward}_bytes_total": traffic.out_bytes}
