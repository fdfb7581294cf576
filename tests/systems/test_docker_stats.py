"""The engine's stats answer: as a real engine writes it, with things missing, and as nobody should write it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from semsupervisor.systems import docker_stats
from semsupervisor.systems.containers import CpuUse, MemoryUse, ResourceUse, Traffic

# Of an engine 20.10, shortened, with what it counts of disks and networks made up.
STATS: dict[str, Any] = {
    "read": "2026-03-01T12:00:00.06512832Z",
    "preread": "0001-01-01T00:00:00Z",
    "pids_stats": {"current": 5},
    "blkio_stats": {
        "io_service_bytes_recursive": [
            {"major": 8, "minor": 0, "op": "Read", "value": 4096},
            {"major": 8, "minor": 0, "op": "Write", "value": 8192},
            {"major": 8, "minor": 0, "op": "Total", "value": 12288},
            {"major": 8, "minor": 16, "op": "read", "value": 1},
            {"major": 8, "minor": 16, "op": "write", "value": 2},
        ],
        "io_serviced_recursive": [],
    },
    "cpu_stats": {
        "cpu_usage": {"total_usage": 1593090834, "usage_in_kernelmode": 20000000},
        "system_cpu_usage": 25531000000000,
        "online_cpus": 2,
        "throttling_data": {"periods": 33, "throttled_periods": 29, "throttled_time": 1326258539},
    },
    "memory_stats": {"usage": 1000, "stats": {"total_inactive_file": 300}, "limit": 67108864},
    "networks": {"eth0": {"rx_bytes": 736, "tx_bytes": 64}, "eth1": {"rx_bytes": 1, "tx_bytes": 2}},
}


def use(stats: dict[str, Any]) -> ResourceUse | None:
    """Return what an answer says."""
    return docker_stats.use(json.dumps(stats).encode())


def test_all_that_a_container_uses() -> None:
    """The answer's counts come in base units, all disks and all interfaces together."""
    assert use(STATS) == ResourceUse(
        memory=MemoryUse(700),
        cpu=CpuUse(1.593090834, 33, 29, 1.326258539),
        pids=5,
        disk=Traffic(4097, 8194),
        network=Traffic(737, 66),
    )


@pytest.mark.parametrize(
    ("stats", "memory"),
    [
        ({"usage": 1000, "stats": {"total_inactive_file": 300, "inactive_file": 1}}, MemoryUse(700)),
        ({"usage": 1000, "stats": {"inactive_file": 300}}, MemoryUse(700)),
        ({"usage": 100, "stats": {"inactive_file": 300}}, MemoryUse(0)),
        ({"usage": 100}, MemoryUse(100)),
        ({}, None),
    ],
)
def test_memory_as_the_engine_measures_it(stats: dict[str, Any], memory: MemoryUse | None) -> None:
    """Usage without what the kernel drops first, by the names of both versions; nothing for what does not run."""
    found = use({"memory_stats": stats})
    assert (found.memory if found else None) == memory


def test_what_the_engine_does_not_count_is_none() -> None:
    """A container on the host's network has no network of its own, and some kernels count no disks."""
    found = use({"memory_stats": {"usage": 1}, "blkio_stats": {"io_service_bytes_recursive": None}})
    assert found is not None
    assert (found.pids, found.disk, found.network) == (None, None, None)


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"memory_stats": {"usage": "many"}}'])
def test_what_is_no_such_answer_is_refused(answer: bytes) -> None:
    """Garbage is an error of its own and no number."""
    with pytest.raises(msgspec.DecodeError):
        docker_stats.use(answer)
