"""Memory and kills of a container's control group, of both versions of control groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from semsupervisor.systems.cgroups import read_memory
from semsupervisor.systems.containers import MemoryUse

VERSION_1 = {
    "proc/7/cgroup": "9:name=systemd:/docker/abc\n4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/docker/abc\n",
    "groups/memory/docker/abc/memory.usage_in_bytes": "1000\n",
    "groups/memory/docker/abc/memory.stat": "inactive_file 100\ntotal_inactive_file 300\n",
    "groups/memory/docker/abc/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
}
VERSION_2 = {
    "proc/7/cgroup": "0::/system.slice/docker-abc.scope\n",
    "groups/system.slice/docker-abc.scope/memory.current": "1000\n",
    "groups/system.slice/docker-abc.scope/memory.stat": "anon 600\ninactive_file 300\n",
    "groups/system.slice/docker-abc.scope/memory.events": "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\n",
}


def read(folder: Path, files: dict[str, str]) -> MemoryUse | None:
    """Write a kernel's files and read the memory of process 7."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return read_memory(7, folder / "proc", folder / "groups")


@pytest.mark.parametrize("files", [VERSION_1, VERSION_2])
def test_memory_in_use_without_what_the_kernel_drops_first(tmp_path: Path, files: dict[str, str]) -> None:
    """Both versions tell the working set and how many processes were killed."""
    assert read(tmp_path, files) == MemoryUse(used_bytes=700, oom_kills=2)


def test_a_kernel_that_counts_no_kills(tmp_path: Path) -> None:
    """Where kills are not counted, memory is told all the same."""
    control = {"groups/memory/docker/abc/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\n"}
    assert read(tmp_path, {**VERSION_1, **control}) == MemoryUse(used_bytes=700, oom_kills=None)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc/7/cgroup": "4:memory:/docker/abc\n"},
        {"proc/7/cgroup": "0::/\n"},
        {"proc/7/cgroup": "0::/../outside\n"},
        {"proc/7/cgroup": "2:cpu:/docker/abc\n"},
        {**VERSION_2, "groups/system.slice/docker-abc.scope/memory.current": "max\n"},
        {**VERSION_2, "groups/system.slice/docker-abc.scope/memory.stat": "anon 600\n"},
    ],
)
def test_what_cannot_be_read_is_none(tmp_path: Path, files: dict[str, str]) -> None:
    """A process that has ended, a group out of sight, the root group and unknown contents tell nothing."""
    assert read(tmp_path, files) is None
