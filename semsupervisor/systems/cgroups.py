"""What the kernel counts of a container's memory, read from its control group, version 1 or 2.

Reading files blocks: call from a thread when in the event loop.
"""

from __future__ import annotations

from pathlib import Path

from semsupervisor.systems.containers import MemoryUse

PROCESSES = Path("/proc")
GROUPS = Path("/sys/fs/cgroup")


def read_memory(pid: int, processes: Path = PROCESSES, groups: Path = GROUPS) -> MemoryUse | None:
    """Return what the control group of a process uses, and how many of its processes were killed for lack of memory.

    The count begins anew with each start of the container. None where the group cannot be read: the process has
    ended, or this daemon sees neither the host's processes nor its control groups.
    """
    try:
        memberships = _memberships((processes / str(pid) / "cgroup").read_text())
        if "memory" in memberships:
            return _version_1(_below(groups / "memory", memberships["memory"]))
        return _version_2(_below(groups, memberships[""]))
    except (OSError, KeyError, ValueError):
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


def _version_1(group: Path) -> MemoryUse:
    used = int((group / "memory.usage_in_bytes").read_text())
    reclaimable = _counts(group / "memory.stat")["total_inactive_file"]
    return MemoryUse(max(0, used - reclaimable), _counts(group / "memory.oom_control").get("oom_kill"))


def _version_2(group: Path) -> MemoryUse:
    used = int((group / "memory.current").read_text())
    reclaimable = _counts(group / "memory.stat")["inactive_file"]
    return MemoryUse(max(0, used - reclaimable), _counts(group / "memory.events").get("oom_kill"))


def _counts(file: Path) -> dict[str, int]:
    return {name: int(number) for name, number in (line.split() for line in file.read_text().splitlines())}
