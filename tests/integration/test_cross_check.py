"""What is seen of containers, host and file systems against other readings of the same: docker, df, free, /proc.

A count that grows is held between two of our readings, so that nothing depends on when the other one was taken.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from semsupervisor.daemon.folders import paths
from semsupervisor.health.observation import FactValue
from semsupervisor.health.probes.filesystems import Filesystems
from semsupervisor.health.probes.host import HostProbe
from semsupervisor.kit.clock import SystemClock
from semsupervisor.settings.model import BackupSettings, Settings, StackSettings
from tests.support.commands import run
from tests.support.demo_stack import DemoStack, DemoStackFactory
from tests.support.waiting import eventually
from tests.support.watcher import Watcher

pytestmark = pytest.mark.integration

SERVICES = ("nats", "semstreams")
UNITS = {"B": 1, "kB": 10**3, "KiB": 2**10, "MB": 10**6, "MiB": 2**20, "GB": 10**9, "GiB": 2**30}
LIMIT_BYTES = {"semstreams": 128 * 2**20, "nats": 2**30}

Facts = Mapping[str, FactValue]


@pytest.fixture(scope="module")
def stack(demo_stacks: DemoStackFactory) -> Iterator[DemoStack]:
    """Return one stack, with traffic on it, for all tests of this file."""
    made = demo_stacks("cross", SEMSTREAMS_MEMORY="128M")
    made.wait_until_ready()
    yield made
    made.down()


@pytest.fixture
async def watcher(stack: DemoStack, tmp_path: Path) -> AsyncIterator[Watcher]:
    """Return the watching of the stack."""
    async with Watcher(stack.engine.socket, stack.project, tmp_path) as watcher:
        yield watcher


async def seen(watcher: Watcher) -> dict[str, Facts]:
    """Look once at all containers and return their facts by their services' names."""
    return {one.subject.name: one.facts for one in await watcher.probe()}


def number(facts: Facts, name: str) -> float:
    """Return a fact that is a number."""
    value = facts[name]
    assert isinstance(value, (int, float))
    return float(value)


def shown_bytes(text: str) -> float:
    """Return what `docker stats` writes as `21.3MiB`."""
    digits = text.rstrip("BGKMTikm")
    return float(digits) * UNITS[text[len(digits) :]]


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("docker")
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def engines_own(stack: DemoStack, service: str) -> Any:
    """Return what the engine itself measures of a container."""
    connection = UnixConnection(stack.engine.socket)
    try:
        connection.request("GET", f"/containers/{stack.container(service)}/stats?stream=false&one-shot=true")
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def growing(stats: Any) -> dict[str, float]:
    """Return the engine's counts by the names of our facts."""
    blocks = stats["blkio_stats"]["io_service_bytes_recursive"] or []
    networks = stats["networks"].values()
    return {
        "cpu_used_seconds_total": stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        "cpu_throttled_seconds_total": stats["cpu_stats"]["throttling_data"]["throttled_time"] / 1e9,
        "disk_read_bytes_total": sum(one["value"] for one in blocks if one["op"].lower() == "read"),
        "disk_written_bytes_total": sum(one["value"] for one in blocks if one["op"].lower() == "write"),
        "network_received_bytes_total": sum(one["rx_bytes"] for one in networks),
        "network_sent_bytes_total": sum(one["tx_bytes"] for one in networks),
    }


@pytest.mark.parametrize("service", SERVICES)
async def test_counts_of_a_container_are_the_engines(watcher: Watcher, stack: DemoStack, service: str) -> None:
    """Time of processors, holding back, disks and network: the engine's counts lie between two looks of ours."""
    before = (await seen(watcher))[service]
    theirs = growing(await asyncio.to_thread(engines_own, stack, service))
    after = (await seen(watcher))[service]
    wrong = {
        name: (before[name], value, after[name])
        for name, value in theirs.items()
        if not number(before, name) <= value <= number(after, name)
    }
    assert wrong == {}
    assert number(after, "cpu_used_seconds_total") > 0
    assert number(after, "network_received_bytes_total") > 0


@pytest.mark.parametrize("service", SERVICES)
async def test_memory_and_processes_are_those_of_docker_stats(watcher: Watcher, stack: DemoStack, service: str) -> None:
    """Memory, its limit and share, and processes are what `docker stats` prints, as soon as both look alike."""
    arguments = ("stats", "--no-stream", "--format", "{{json .}}", stack.container(service))

    async def alike() -> bool:
        ours = (await seen(watcher))[service]
        theirs = json.loads(await asyncio.to_thread(stack.engine.docker, *arguments))
        used, limit = (shown_bytes(word) for word in theirs["MemUsage"].split(" / "))
        assert number(ours, "memory_limit_bytes") == limit == LIMIT_BYTES[service]
        share = float(theirs["MemPerc"].rstrip("%")) / 100
        return (
            number(ours, "memory_used_bytes") == pytest.approx(used, rel=0.05)
            and number(ours, "memory_used_ratio") == pytest.approx(share, rel=0.05)
            and ours["pids"] == int(theirs["PIDs"])
        )

    await eventually(alike, within_seconds=60)


@pytest.mark.parametrize("service", SERVICES)
async def test_state_of_a_container_is_that_of_docker_inspect(watcher: Watcher, stack: DemoStack, service: str) -> None:
    """State, health, restarts, image and processor limit are what `docker inspect` prints."""
    ours = (await seen(watcher))[service]
    theirs = await asyncio.to_thread(stack.inspect, service)
    assert {
        name: ours[name] for name in ("state", "health", "restarts", "image", "image_id", "cpu_limit_processors")
    } == {
        "state": theirs["State"]["Status"],
        "health": theirs["State"]["Health"]["Status"],
        "restarts": theirs["RestartCount"],
        "image": theirs["Config"]["Image"],
        "image_id": theirs["Image"],
        "cpu_limit_processors": theirs["HostConfig"]["NanoCpus"] / 1e9,
    }


async def test_an_exit_code_is_that_of_docker_inspect(watcher: Watcher, stack: DemoStack) -> None:
    """The exit code of a container that was killed is what `docker inspect` prints."""
    await asyncio.to_thread(stack.engine.docker, "kill", stack.container("semstreams"))
    try:
        await watcher.until("semstreams", "state", "exited")
        ours = (await seen(watcher))["semstreams"]
        theirs = await asyncio.to_thread(stack.inspect, "semstreams")
    finally:
        await asyncio.to_thread(stack.engine.docker, "start", stack.container("semstreams"))
        await asyncio.to_thread(stack.wait_until_ready)
    assert ours["exit_code"] == theirs["State"]["ExitCode"] == 137
    assert "memory_used_bytes" not in ours


async def test_the_host_is_as_others_see_it() -> None:
    """Memory, swap, processors, load, pressure, uptime and boot are what free, nproc and /proc print."""
    probe = HostProbe(SystemClock(), 5.0)
    (before,), uptime, load = await probe.observe(), Path("/proc/uptime").read_text(), Path("/proc/loadavg").read_text()
    (after,) = await probe.observe()
    memory, swap = (line.split()[1:] for line in run(["free", "-b"]).stdout.splitlines()[1:3])
    assert after.facts["memory_size_bytes"] == int(memory[0])
    assert number(after.facts, "memory_available_bytes") == pytest.approx(int(memory[5]), rel=0.1)
    assert after.facts.get("swap_size_bytes", 0) == int(swap[0])
    assert after.facts["processors"] == int(run(["nproc", "--all"]).stdout)
    loads = [number(one.facts, "load_per_processor") * number(one.facts, "processors") for one in (before, after)]
    assert min(loads) - 0.011 <= float(load.split()[0]) <= max(loads) + 0.011
    assert number(before.facts, "uptime_seconds") <= float(uptime.split()[0]) <= number(after.facts, "uptime_seconds")
    assert after.facts["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    for resource in ("cpu", "memory", "io"):
        told = f"pressure_{resource}_ratio" in after.facts
        assert told == Path("/proc/pressure", resource).exists()


async def test_file_systems_are_as_df_sees_them(watcher: Watcher, stack: DemoStack, tmp_path: Path) -> None:
    """Of all folders that matter, those of the stack's volumes among them, size, use and inodes are what df prints."""
    await seen(watcher)
    settings = Settings(
        stack=StackSettings(directory=str(stack.folder)), backup=BackupSettings(directory=str(tmp_path / "backups"))
    )
    containers = watcher.watching.containers
    watched = paths(settings, watcher.watching.engine_root, containers.values())
    assert {Path(folder).parent.name for one in containers.values() for folder in one.folders} == {
        f"{stack.project}_nats-data",
        f"{stack.project}_semstreams-data",
    }
    columns = "--output=target,size,avail,used,itotal,iused"
    for point in (one.subject.name for one in await Filesystems(SystemClock(), lambda: watched, 5.0).observe()):

        async def alike(point: str = point) -> bool:
            looked = await Filesystems(SystemClock(), lambda: {point: False}, 5.0).observe()
            ours = next(one.facts for one in looked if one.subject.name == point)
            _, size, free, used, inodes, inodes_used = run(["df", "-B1", columns, point]).stdout.splitlines()[1].split()
            assert ours["size_bytes"] == int(size)
            assert ours["read_only"] is ("ro" in _options(point))
            share = int(inodes_used) / int(inodes) if int(inodes) else None
            return (
                number(ours, "free_bytes") == pytest.approx(int(free), rel=0.02)
                and number(ours, "used_ratio") == pytest.approx(int(used) / (int(used) + int(free)), abs=0.005)
                and ours.get("inodes_used_ratio") == (None if share is None else pytest.approx(share, abs=0.005))
            )

        await eventually(alike)


def _options(point: str) -> list[str]:
    """Return the options of a mounted file system, as findmnt prints them."""
    return run(["findmnt", "--noheadings", "--output", "FS-OPTIONS", "--target", point]).stdout.strip().split(",")
