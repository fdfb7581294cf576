"""What control groups of both versions, and a network's interfaces, tell of a container."""

from __future__ import annotations

from pathlib import Path

import pytest

from semsupervisor.systems.cgroups import read_use
from semsupervisor.systems.containers import CpuUse, MemoryUse, ResourceUse, Traffic

INTERFACES = """\
Inter-|   Receive                             |  Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed
    lo: 5000 10 0 0 0 0 0 0 5000 10 0 0 0 0 0 0
  eth0:     736       8    0    0    0     0          0         0       64       1    0    0    0     0       0     0
eth1:1000000 1 0 0 0 0 0 0 4 1 0 0 0 0 0 0
"""
# As a kernel 6.18 wrote them for a container with half a processor that did nothing but reckon.
VERSION_1 = {
    "proc/7/cgroup": (
        "9:name=systemd:/docker/abc\n8:pids:/docker/abc\n7:blkio:/docker/abc\n4:memory:/docker/abc\n"
        "2:cpu,cpuacct:/docker/abc\n0::/docker/abc\n"
    ),
    "proc/7/net/dev": INTERFACES,
    "groups/memory/docker/abc/memory.usage_in_bytes": "1000\n",
    "groups/memory/docker/abc/memory.stat": "inactive_file 100\ntotal_inactive_file 300\n",
    "groups/memory/docker/abc/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    "groups/cpuacct/docker/abc/cpuacct.usage": "1576884770\n",
    "groups/cpu/docker/abc/cpu.stat": (
        "nr_periods 33\nnr_throttled 29\nthrottled_time 1326258539\nnr_bursts 0\nburst_time 0\n"
    ),
    "groups/pids/docker/abc/pids.current": "5\n",
    "groups/blkio/docker/abc/blkio.throttle.io_service_bytes_recursive": (
        "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 12288\n8:0 Async 0\n8:0 Discard 0\n8:0 Total 12288\n"
        "8:16 Read 1\n8:16 Write 2\n8:16 Total 3\nTotal 12291\n"
    ),
}
FOLDER_2 = "groups/system.slice/docker-abc.scope"
VERSION_2 = {
    "proc/7/cgroup": "0::/system.slice/docker-abc.scope\n",
    "proc/7/net/dev": INTERFACES,
    f"{FOLDER_2}/memory.current": "1000\n",
    f"{FOLDER_2}/memory.stat": "anon 600\ninactive_file 300\n",
    f"{FOLDER_2}/memory.events": "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\n",
    f"{FOLDER_2}/cpu.stat": (
        "usage_usec 1576884\nuser_usec 1500000\nsystem_usec 76884\nnr_periods 33\nnr_throttled 29\n"
        "throttled_usec 1326258\nnr_bursts 0\nburst_usec 0\n"
    ),
    f"{FOLDER_2}/pids.current": "5\n",
    f"{FOLDER_2}/io.stat": (
        "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n7:0 \n"
        "8:16 rbytes=1 wbytes=2 rios=1 wios=1 dbytes=0 dios=0\n"
    ),
}


def read(folder: Path, files: dict[str, str]) -> ResourceUse | None:
    """Write a kernel's files and read what the container of process 7 uses."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return read_use(7, folder / "proc", folder / "groups")


@pytest.mark.parametrize("files", [VERSION_1, VERSION_2])
def test_all_that_a_container_uses(tmp_path: Path, files: dict[str, str]) -> None:
    """Both versions tell the same: memory without what the kernel drops first, kills, processors, disks, network."""
    use = read(tmp_path, files)
    assert use is not None
    assert use.memory == MemoryUse(used_bytes=700, oom_kills=2)
    assert use.cpu is not None
    assert use.cpu.used_seconds == pytest.approx(1.57688, abs=1e-5)
    assert (use.cpu.periods, use.cpu.throttled_periods) == (33, 29)
    assert use.cpu.throttled_seconds == pytest.approx(1.32625, abs=1e-4)
    assert use.pids == 5
    assert use.disk == Traffic(4097, 8194)
    assert use.network == Traffic(1_000_736, 68)


def test_a_kernel_that_counts_no_kills(tmp_path: Path) -> None:
    """Where kills are not counted, memory is told all the same."""
    control = {"groups/memory/docker/abc/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\n"}
    use = read(tmp_path, {**VERSION_1, **control})
    assert use is not None
    assert use.memory == MemoryUse(used_bytes=700, oom_kills=None)


def test_a_container_without_a_limit_has_no_periods(tmp_path: Path) -> None:
    """Version 2 leaves the lines about periods out where there is no limit."""
    use = read(tmp_path, {**VERSION_2, f"{FOLDER_2}/cpu.stat": "usage_usec 1000000\nuser_usec 1\nsystem_usec 1\n"})
    assert use is not None
    assert use.cpu == CpuUse(1.0, 0, 0, 0.0)


@pytest.mark.parametrize(
    ("files", "memory_only"),
    [
        (VERSION_1, ("proc/7/cgroup", "groups/memory")),
        (VERSION_2, ("proc/7/cgroup", f"{FOLDER_2}/memory")),
    ],
)
def test_controllers_that_are_switched_off(tmp_path: Path, files: dict[str, str], memory_only: tuple[str, ...]) -> None:
    """Memory is told without all others; they are unknown, not nothing."""
    use = read(tmp_path, {name: text for name, text in files.items() if name.startswith(memory_only)})
    assert use == ResourceUse(memory=MemoryUse(700, 2))


def test_contents_that_are_none_of_what_is_known(tmp_path: Path) -> None:
    """A file that reads otherwise than expected makes its own part unknown, and no other."""
    garbage = {name: "garbage\n" for name in VERSION_1 if not name.startswith(("proc/7/cgroup", "groups/memory"))}
    assert read(tmp_path / "1", {**VERSION_1, **garbage}) == ResourceUse(
        memory=MemoryUse(700, 2), network=Traffic(0, 0)
    )
    interfaces = {"proc/7/net/dev": INTERFACES.replace(" 736 ", " x "), f"{FOLDER_2}/io.stat": "8:0 rbytes\n"}
    use = read(tmp_path / "2", {**VERSION_2, **interfaces})
    assert use is not None
    assert (use.disk, use.network, use.pids) == (None, None, 5)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc/7/cgroup": "4:memory:/docker/abc\n"},
        {"proc/7/cgroup": "0::/\n"},
        {"proc/7/cgroup": "0::/../outside\n"},
        {"proc/7/cgroup": "2:cpu:/docker/abc\n"},
        {**VERSION_2, f"{FOLDER_2}/memory.current": "max\n"},
        {**VERSION_2, f"{FOLDER_2}/memory.stat": "anon 600\n"},
    ],
)
def test_what_cannot_be_read_is_none(tmp_path: Path, files: dict[str, str]) -> None:
    """A process that has ended, a group out of sight, the root group and unknown contents tell nothing."""
    assert read(tmp_path, files) is None
