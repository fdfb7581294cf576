"""What the kernel counts of a container, read from its control groups, version 1 or 2, and its network's interfaces.

Reading files blocks: call from a thread when in the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from semsupervisor.systems.containers import CpuUse, MemoryUse, ResourceUse, Traffic

T = TypeVar("T")

PROCESSES = Path("/proc")
GROUPS = Path("/sys/fs/cgroup")

# The process has ended, the controller is switched off, or what stands there is none of what is known.
_UNREADABLE = (OSError, KeyError, ValueError)

# The lines of /proc/<pid>/net/dev that say what the columns mean.
_HEAD_LINES = 2
_RECEIVED_COLUMN, _SENT_COLUMN = 0, 8


def read_use(pid: int, processes: Path = PROCESSES, groups: Path = GROUPS) -> ResourceUse | None:
    """Return what the container of a process uses, and has used since its start: all counts begin anew with it.

    What a controller that is switched off would count is None. None at all where not even the memory can be read: the
    process has ended, or this daemon sees neither the host's processes nor its control groups. `network` is that of
    the process's network, which is the host's own for a container on it.
    """
    process = processes / str(pid)
    try:
        memberships = _memberships((process / "cgroup").read_text())
        if "memory" in memberships:
            use = _version_1(groups, memberships)
        else:
            use = _version_2(_below(groups, memberships[""]))
    except _UNREADABLE:
        return None
    return msgspec.structs.replace(use, network=_readable(lambda: _network(process / "net" / "dev")))


def _readable(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except _UNREADABLE:
        return None


def _memberships(text: str) -> dict[str, str]:
    """Return the group's path by controller; version 2's one group is under the empty name."""
    lines = (line.split(":", 2) for line in text.splitlines())
    return {controller: path for _, controllers, path in lines for controller in controllers.split(",")}


def _below(root: Path, path: str) -> Path:
    """Raises: ValueError for the root group, or a path that leads out of what is visible here: it is not the group."""
    parts = Path(path.lstrip("/")).parts
    if not parts or ".." in parts:
        raise ValueError(f"{path} is not below {root}")
    return root.joinpath(*parts)


def _version_1(groups: Path, memberships: Mapping[str, str]) -> ResourceUse:
    """Each controller has a tree of its own."""

    def group(controller: str) -> Path:
        return _below(groups / controller, memberships[controller])

    def cpu() -> CpuUse:
        used_seconds = int((group("cpuacct") / "cpuacct.usage").read_text()) / 1e9
        counts = _counts(group("cpu") / "cpu.stat")
        return CpuUse(used_seconds, counts["nr_periods"], counts["nr_throttled"], counts.get("throttled_time", 0) / 1e9)

    memory = group("memory")
    used = int((memory / "memory.usage_in_bytes").read_text())
    reclaimable = _counts(memory / "memory.stat")["total_inactive_file"]
    kills = _counts(memory / "memory.oom_control").get("oom_kill")
    return ResourceUse(
        memory=MemoryUse(max(0, used - reclaimable), kills),
        cpu=_readable(cpu),
        pids=_readable(lambda: int((group("pids") / "pids.current").read_text())),
        disk=_readable(lambda: _disk_1(group("blkio") / "blkio.throttle.io_service_bytes_recursive")),
    )


def _version_2(group: Path) -> ResourceUse:
    """All controllers are in one tree."""
    used = int((group / "memory.current").read_text())
    reclaimable = _counts(group / "memory.stat")["inactive_file"]
    kills = _counts(group / "memory.events").get("oom_kill")
    return ResourceUse(
        memory=MemoryUse(max(0, used - reclaimable), kills),
        cpu=_readable(lambda: _cpu_2(group / "cpu.stat")),
        pids=_readable(lambda: int((group / "pids.current").read_text())),
        disk=_readable(lambda: _disk_2(group / "io.stat")),
    )


def _cpu_2(file: Path) -> CpuUse:
    """Without a limit there are no periods."""
    counts = _counts(file)
    return CpuUse(
        counts["usage_usec"] / 1e6,
        counts.get("nr_periods", 0),
        counts.get("nr_throttled", 0),
        counts.get("throttled_usec", 0) / 1e6,
    )


def _disk_1(file: Path) -> Traffic:
    """Lines such as `8:0 Read 4096`, and one of the total."""
    moved = {"Read": 0, "Write": 0}
    for line in file.read_text().splitlines():
        *_, word, number = line.split()
        if word in moved:
            moved[word] += int(number)
    return Traffic(moved["Read"], moved["Write"])


def _disk_2(file: Path) -> Traffic:
    """Lines such as `8:0 rbytes=4096 wbytes=0 rios=1 …`; a device without a word after its number moved nothing."""
    read = written = 0
    for line in file.read_text().splitlines():
        words = dict(word.split("=") for word in line.split()[1:])
        read += int(words.get("rbytes", 0))
        written += int(words.get("wbytes", 0))
    return Traffic(read, written)


def _network(file: Path) -> Traffic:
    """All interfaces but the loopback's together."""
    received = sent = 0
    for line in file.read_text().splitlines()[_HEAD_LINES:]:
        name, _, columns = line.partition(":")
        if name.strip() != "lo":
            numbers = columns.split()
            received += int(numbers[_RECEIVED_COLUMN])
            sent += int(numbers[_SENT_COLUMN])
    return Traffic(received, sent)


def _counts(file: Path) -> dict[str, int]:
    return {name: int(number) for name, number in (line.split() for line in file.read_text().splitlines())}
