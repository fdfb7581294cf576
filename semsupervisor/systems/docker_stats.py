"""What the engine measures of a container, as structs of our own: its stats answer, read once and not streamed."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from semsupervisor.systems.containers import CpuUse, MemoryUse, ResourceUse, Traffic


class _MemoryStats(msgspec.Struct):
    usage: int | None = None
    stats: dict[str, int] = {}


class _CpuUsage(msgspec.Struct):
    total_usage: int = 0


class _Throttling(msgspec.Struct):
    periods: int = 0
    throttled_periods: int = 0
    throttled_time: int = 0


class _CpuStats(msgspec.Struct):
    cpu_usage: _CpuUsage = msgspec.field(default_factory=_CpuUsage)
    throttling_data: _Throttling = msgspec.field(default_factory=_Throttling)


class _Blocks(msgspec.Struct):
    op: str
    value: int


class _BlockStats(msgspec.Struct):
    io_service_bytes_recursive: list[_Blocks] | None = None


class _Pids(msgspec.Struct):
    current: int | None = None


class _Interface(msgspec.Struct):
    rx_bytes: int = 0
    tx_bytes: int = 0


class _Stats(msgspec.Struct):
    memory_stats: _MemoryStats = msgspec.field(default_factory=_MemoryStats)
    cpu_stats: _CpuStats = msgspec.field(default_factory=_CpuStats)
    blkio_stats: _BlockStats = msgspec.field(default_factory=_BlockStats)
    pids_stats: _Pids = msgspec.field(default_factory=_Pids)
    networks: dict[str, _Interface] | None = None


def use(answer: bytes) -> ResourceUse | None:
    """Return what a stats answer shows, None if the container uses nothing.

    Its memory is the working set, without what the kernel drops first: the same subtraction as `docker stats` makes, by
    the names of either version of control groups. Raises: msgspec.DecodeError when it is no such answer.
    """
    seen = msgspec.json.decode(answer, type=_Stats)
    memory, cpu = seen.memory_stats, seen.cpu_stats
    if memory.usage is None:
        return None
    reclaimable = memory.stats.get("total_inactive_file", memory.stats.get("inactive_file", 0))
    throttling = cpu.throttling_data
    blocks = seen.blkio_stats.io_service_bytes_recursive
    return ResourceUse(
        memory=MemoryUse(max(0, memory.usage - reclaimable)),
        cpu=CpuUse(
            cpu.cpu_usage.total_usage / 1e9,
            throttling.periods,
            throttling.throttled_periods,
            throttling.throttled_time / 1e9,
        ),
        pids=seen.pids_stats.current,
        disk=None if blocks is None else Traffic(_moved(blocks, "read"), _moved(blocks, "write")),
        network=None if seen.networks is None else _traffic(seen.networks.values()),
    )


def _moved(blocks: Sequence[_Blocks], what: str) -> int:
    return sum(one.value for one in blocks if one.op.lower() == what)


def _traffic(interfaces: Collection[_Interface]) -> Traffic:
    return Traffic(sum(one.rx_bytes for one in interfaces), sum(one.tx_bytes for one in interfaces))
