"""What containers use, as facts: against limits only where there are some, and shares only from enough looks."""

from __future__ import annotations

from typing import Any

import pytest

from semsupervisor.health import usage
from semsupervisor.health.observation import UNLIMITED
from semsupervisor.health.usage import Courses
from semsupervisor.systems.containers import CpuUse, MemoryUse, ResourceUse, Traffic
from tests.support.container_words import container, instant

FULL = ResourceUse(
    memory=MemoryUse(50, 1), cpu=CpuUse(9.5, 10, 5, 0.25), pids=3, disk=Traffic(1, 2), network=Traffic(3, 4)
)


def test_all_facts() -> None:
    """Each count is a fact, those against a limit where the container has one."""
    assert usage.facts_of(FULL, container(memory_limit_bytes=200, cpu_limit=0.5)) == {
        "memory_used_bytes": 50,
        "memory_limit_bytes": 200,
        "memory_used_ratio": 0.25,
        "cpu_limit_processors": 0.5,
        "cpu_used_seconds_total": 9.5,
        "cpu_throttled_seconds_total": 0.25,
        "pids": 3,
        "disk_read_bytes_total": 1,
        "disk_written_bytes_total": 2,
        "network_received_bytes_total": 3,
        "network_sent_bytes_total": 4,
    }


def test_what_is_not_counted_is_left_out() -> None:
    """Without counts only the memory is told, and that nothing limits it and the processors."""
    assert usage.facts_of(ResourceUse(memory=MemoryUse(50)), container()) == {
        "memory_used_bytes": 50,
        "memory_limit_bytes": UNLIMITED,
        "cpu_limit_processors": UNLIMITED,
    }


def test_the_hosts_network_is_nobodys() -> None:
    """What a container on the host's network sends cannot be told from what others send."""
    facts = usage.facts_of(FULL, container(addresses={"host": "127.0.0.1"}))
    assert not [name for name in facts if name.startswith("network")]


def lately(courses: Courses, seen: list[tuple[float, CpuUse]], **of: Any) -> list[dict[str, Any]]:
    """Return what is told at each look."""
    return [courses.take(container(**of), use, instant(at)) for at, use in seen]


@pytest.mark.parametrize(("limit", "ratio"), [(0.5, 0.8), (2.0, 0.2), (None, 0.1)])
def test_processors_against_the_limit(limit: float | None, ratio: float) -> None:
    """24 of 60 s are 0.4 processors: against the container's own limit, or all processors of the host."""
    seen = [(at, CpuUse(at * 0.4, int(at), int(at / 4), 0.0)) for at in (0.0, 20.0, 40.0, 60.0)]
    told = lately(Courses(4), seen, cpu_limit=limit)
    assert told[:3] == [{}, {}, {}]
    assert told[3] == {"cpu_used_ratio": pytest.approx(ratio), "cpu_throttled_ratio": pytest.approx(0.25)}


def test_a_container_without_periods_is_not_held_back() -> None:
    """Where there is no limit there is no share of periods."""
    seen = [(at, CpuUse(at, 0, 0, 0.0)) for at in (0.0, 30.0, 60.0)]
    assert lately(Courses(1), seen)[-1] == {"cpu_used_ratio": pytest.approx(1.0)}


def test_a_restart_begins_the_counts_anew() -> None:
    """A restarted container's counts begin at 0: nothing negative is told, and nothing counted twice."""
    seen = [(0.0, CpuUse(1000.0, 0, 0, 0.0)), (30.0, CpuUse(3.0, 0, 0, 0.0)), (60.0, CpuUse(6.0, 0, 0, 0.0))]
    assert lately(Courses(1), seen)[-1] == {"cpu_used_ratio": pytest.approx(0.1)}


def test_containers_that_are_gone_are_forgotten() -> None:
    """What is kept of one ends with it."""
    courses = Courses(1)
    seen = [(at, CpuUse(at, 0, 0, 0.0)) for at in (0.0, 30.0, 60.0)]
    lately(courses, seen[:2], id="a1")
    courses.keep_only([])
    assert lately(courses, seen[2:], id="a1") == [{}]
