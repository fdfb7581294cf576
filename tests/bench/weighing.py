"""What the daemon costs its host while nothing happens: tests/bench/footprint runs this.

On a private engine with the demo stack: first the engine alone, then with a bare poller that asks the same questions,
then with the daemon, whose page of metrics is fetched every 15 s; at last `status`, and that page where all of it is
checked every second. It has at least 500 series: where the demo stack has fewer, services are added.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tests.bench import processes, product
from tests.bench.figures import Target, held, percentile, surroundings, table, times
from tests.bench.supervisor import PORT, Supervisor
from tests.bench.world import World, end, run_bench
from tests.support.commands import REPOSITORY, run

PEER_PORT = 9798
SCRAPE_SECONDS = 15.0
SETTLE_SECONDS = 60.0  # what the start wrote has reached the disk, and its memory is warm
SERIES = 500
SERIES_OF_SERVICE = 30
PAGES = 120
STATUS_RUNS = 20
DAY_SECONDS = 86_400.0
MB = 1e6
HEAVY = ("aiohttp", "aiodocker", "nats", "apscheduler")
MODULES = (
    "import sys; from semsupervisor.cli import main; main(sys.argv[1:]);"
    "import json; sys.stderr.write(json.dumps(sorted(sys.modules)))"
)


class Stretch(msgspec.Struct, frozen=True):
    """What was used in a stretch of time: shares of one core, and bytes."""

    seconds: float
    engine_share: float
    process_share: float = 0.0
    device_bytes: int = 0
    process_bytes: int = 0
    log_bytes: int = 0

    def per_day(self, count: int) -> float:
        """Return what a count in this stretch comes to in a day, in MB."""
        return count / self.seconds * DAY_SECONDS / MB


def measured(world: World, seconds: float, pid: int = 0, logged: Callable[[], int] = lambda: 0) -> Stretch:
    """Wait, and return what the engine, and the process `pid` if it is given, have used meanwhile."""

    def look() -> tuple[float, float, float, int, int, int]:
        written = processes.bytes_written(pid) if pid else 0
        used = processes.cpu_seconds(pid) if pid else 0.0
        return time.monotonic(), world.engine_cpu_seconds(), used, world.disk.bytes_written(), written, logged()

    before = look()
    time.sleep(seconds)
    took, engine, used, device, written, log = (now - old for now, old in zip(look(), before, strict=True))
    return Stretch(took, engine / took, used / took, int(device), int(written), int(log))


def weigh(minutes: float, python: str) -> bool:
    """Run the bench and print what it found, and what was promised with what holds of it; return whether all does."""
    with World(health_interval="30s") as world:
        print(f"{surroundings()}\nthe engine alone, then with a bare poller", flush=True)
        alone = measured(world, minutes * 60 / 5)
        poller, poller_memory, polled = _polled(world, minutes * 60 / 5, python)
        end(poller)
        supervisor = Supervisor(world, python, "http://127.0.0.1:9/")
        start = _started(world, supervisor)
        print(f"{surroundings()}\nwith the daemon, for {minutes:g} minutes", flush=True)
        scraper = world.beside(
            "scraper", SCRAPE_SECONDS, int(minutes * 60 / SCRAPE_SECONDS), f"{PORT}:{supervisor.pid}"
        )
        stretch = measured(world, minutes * 60, supervisor.pid, lambda: supervisor.log_bytes)
        memory = processes.memory(supervisor.pid)
        print(f"{surroundings()}\n", flush=True)
        pages = _fetched(scraper)
        targets = [
            *_print_memory(memory, poller_memory),
            *_print_cpu(stretch, start, polled),
            *_print_written(stretch, start),
        ]
        _print_engine(alone, polled, stretch)
        _print_pages("/metrics of the demo stack, every 15 s", pages)
        targets += [*_status(supervisor), *_pages(world, supervisor, pages[-1]["series"])]
        print(f"{surroundings()}\n\npromised", flush=True)
        return held(targets)


class Start(msgspec.Struct, frozen=True):
    """What the start of the daemon took: seconds of processor time until it was ready, and bytes on its disk."""

    cpu_seconds: float
    device_bytes: int


def _started(world: World, supervisor: Supervisor) -> Start:
    before = world.disk.bytes_written()
    supervisor.start()
    used = processes.cpu_seconds(supervisor.pid)
    time.sleep(SETTLE_SECONDS)
    return Start(used, world.disk.bytes_written() - before)


def _polled(world: World, seconds: float, python: str) -> tuple[subprocess.Popen[bytes], processes.Memory, Stretch]:
    addresses = (world.stack.address("semstreams"), world.stack.address("nats"))
    command = [python, "-m", "tests.bench.poller", str(world.engine.socket), world.stack.project, *addresses]
    poller = world.spawn(command, subprocess.DEVNULL)
    time.sleep(2.0)
    stretch = measured(world, seconds, poller.pid)
    return poller, processes.memory(poller.pid), stretch


def _fetched(scraper: subprocess.Popen[bytes]) -> list[Any]:
    assert scraper.stdout is not None
    pages = [json.loads(line) for line in scraper.stdout]
    assert scraper.wait(timeout=10) == 0, "the scraper ended before it had fetched all pages"
    return pages


def _print_memory(memory: processes.Memory, peer: processes.Memory) -> list[Target]:
    print(
        f"memory: peak {memory.peak:.1f} MB, now {memory.resident:.1f} MB, {memory.proportional:.1f} MB of it its own"
    )
    print(f"  peak to that of the bare poller ({peer.peak:.1f} MB): {times(memory.peak, peer.peak)}")
    return [Target("peak of the memory", memory.peak, 64, "MB", 60)]


def _print_cpu(stretch: Stretch, start: Start, polled: Stretch) -> list[Target]:
    share, peer = 100 * stretch.process_share, 100 * polled.process_share
    print(f"cpu: {share:.3f} % of one core; its start took {start.cpu_seconds:.2f} s of processor time")
    print(f"  to that of the bare poller ({peer:.3f} %): {times(share, peer)}")
    return [Target("cpu", share, 1.0, "% of one core", 0.2)]


def _print_written(stretch: Stretch, start: Start) -> list[Target]:
    device, own = stretch.per_day(stretch.device_bytes), stretch.per_day(stretch.process_bytes)
    print(f"written: {device:.2f} MB a day to the state's device, journal included; {own:.2f} MB a day by the process")
    log = stretch.per_day(stretch.log_bytes)
    print(f"  its start wrote {start.device_bytes / MB:.2f} MB; its log is {log:.3f} MB a day")
    return [Target("written to the state's disk", device, 20, "MB a day")]


def _print_engine(alone: Stretch, polled: Stretch, with_daemon: Stretch) -> None:
    shares = [100 * one.engine_share for one in (alone, polled, with_daemon)]
    print("the engine's cpu: {:.2f} % alone, {:.2f} % with the poller, {:.2f} % with the daemon".format(*shares))
    ours, peers = shares[2] - shares[0], shares[1] - shares[0]
    print(f"  so {ours:+.2f} points for us, {peers:+.2f} for the poller")


def _print_pages(what: str, pages: Sequence[Any]) -> None:
    print(f"{what}: {pages[-1]['series']} series")
    print("\n".join(table(_page_rows("daemon", pages), "ms")))


def _page_rows(name: str, pages: Sequence[Any]) -> list[tuple[str, list[float]]]:
    return [(name, [one["ms"] for one in pages]), ("  of processor time", [one["cpu_ms"] for one in pages])]


def _pages(world: World, supervisor: Supervisor, series: int) -> list[Target]:
    """Fetch a page of at least 500 series, with checks every second so that there is always something new on it.

    `series` is how many there are of the stack as it is. A bare page of as many is fetched in turn with it.
    """
    if series < SERIES:
        world.add_services(math.ceil((SERIES - series) / SERIES_OF_SERVICE))
    supervisor.set_interval("1s")
    supervisor.reload()
    peer = world.beside("bare_page", PEER_PORT, max(series, SERIES))
    assert peer.stdout is not None
    assert peer.stdout.readline()
    pages = _fetched(world.beside("scraper", 1.0, PAGES, f"{PORT}:{supervisor.pid}", f"{PEER_PORT}:{peer.pid}"))
    ours = [one for one in pages if one["port"] == PORT]
    bare = [one for one in pages if one["port"] == PEER_PORT]
    least = min(one["series"] for one in ours)
    assert least >= SERIES, f"only {least} series"
    print(f"/metrics, checked and fetched every second: {least} series; the bare page: {bare[-1]['series']}")
    print("\n".join(table([*_page_rows("daemon", ours), *_page_rows("bare page", bare)], "ms")))
    p50, p99 = (percentile([one["ms"] for one in ours], percent) for percent in (50, 99))
    peer50, peer99 = (percentile([one["ms"] for one in bare], percent) for percent in (50, 99))
    print(f"  to the bare page: p50 {times(p50, peer50)}, p99 {times(p99, peer99)}")
    words = f"/metrics of {least} series"
    return [Target(f"{words}, p50", p50, 4, "ms"), Target(f"{words}, p99", p99, 10, "ms")]


def _status(supervisor: Supervisor) -> list[Target]:
    """Time `semsupervisor status` beside a Python that does nothing, from the start of the process to its end."""
    arguments = ["--socket", str(supervisor.control_socket), "status"]
    ours = [supervisor.python, "-m", "semsupervisor", *arguments]
    runs = [(_run_ms(ours), _run_ms([supervisor.python, "-c", "pass"])) for _ in range(STATUS_RUNS)]
    taken, bare = [status.wall for status, _ in runs], [nothing.wall for _, nothing in runs]
    rows = [("status", taken), ("  of processor time", [status.cpu for status, _ in runs])]
    rows += [("python -c pass", bare), ("  of processor time", [nothing.cpu for _, nothing in runs])]
    print("`semsupervisor status`, start to finish")
    print("\n".join(table(rows, "ms")))
    print(f"  to a Python that does nothing: p50 {times(percentile(taken, 50), percentile(bare, 50))}")
    modules = json.loads(run([supervisor.python, "-c", MODULES, *arguments]).stderr)
    outside = sorted({name.partition(".")[0] for name in modules} - sys.stdlib_module_names - {"__main__"})
    print(f"  it imports {len(modules)} modules; of the standard library all but {', '.join(outside)}")
    heavy = sum(name in HEAVY for name in modules)
    return [
        Target("status p50", percentile(taken, 50), 100, "ms"),
        Target(f"of {', '.join(HEAVY)} imported by status", heavy, 0, "modules"),
    ]


class RunMs(msgspec.Struct, frozen=True):
    """How long a command took from its start to its end, and of processor time, in ms."""

    wall: float
    cpu: float


def _run_ms(command: Sequence[str]) -> RunMs:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, check=True, timeout=60)
    took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return RunMs(took * 1000, (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1000)


def main() -> int:
    """Run the bench as the command line says; return 0 if all that is promised holds."""
    parser = argparse.ArgumentParser(prog="tests/bench/footprint", description="Measure what the daemon costs.")
    parser.add_argument("--minutes", type=float, default=15.0, metavar="N", help="how long to watch it (15)")
    parser.add_argument("--python", metavar="PATH", help="what runs the daemon (an environment of the product's own)")
    arguments = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
    return run_bench(parser.prog, lambda: weigh(arguments.minutes, arguments.python or product.python()))


if __name__ == "__main__":
    sys.exit(main())
