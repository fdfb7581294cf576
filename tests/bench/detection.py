"""How soon a death is told, and whether it is on the disk before: tests/bench/detect runs this.

Containers of the demo stack are killed from the host in turn, each only when it has run for so long that the engine
starts it again at once. From the stamp of the engine's `die` event, as an independent recorder heard it, to the last
byte of the request at the receiver: once for the daemon, and once for a bare follower of the same events.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import msgspec

from tests.bench.disk import mounted_copy, synced_append_seconds
from tests.bench.figures import Target, held, percentile, surroundings, table, times
from tests.bench.receiver import is_death
from tests.bench.supervisor import Supervisor
from tests.bench.world import World, run_bench

COPIES = 8
PAUSES_SECONDS = (1.3, 2.3)
RUNS_AT_LEAST_SECONDS = 10.5  # the engine forgets earlier deaths after 10 s, and starts the container at once
CHECK_EVERY = 5
SYNC_PAUSE_SECONDS = 0.25
TOLD_WITHIN_SECONDS = 15.0
MS = 1000.0
SERVICE_LABEL = "com.docker.compose.service"


class Death(msgspec.Struct, frozen=True):
    """One `die` event: the service, the container's id, and its stamp in ns since 1970."""

    service: str
    container: str
    stamp: int


class Told(msgspec.Struct, frozen=True):
    """One death and how long it took, in ms, until the floor and the daemon had told it; None when nobody heard."""

    death: Death
    floor: float | None
    daemon: float | None


class Lines:
    """Collects what a process prints, line by line, as JSON."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self.found: list[Any] = []
        threading.Thread(target=self._collect, args=(process.stdout,), daemon=True).start()

    def _collect(self, output: IO[bytes]) -> None:
        for line in output:
            self.found.append(json.loads(line))


class Syncing(threading.Thread):
    """Appends and syncs at a low rate on the disk that carries the state."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.taken: list[float] = []
        self._file = folder / "synced"
        self._over = threading.Event()

    def run(self) -> None:
        """Go on until `end`."""
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        while not self._over.wait(SYNC_PAUSE_SECONDS * random.uniform(0.5, 1.5)):
            self.taken.append(synced_append_seconds(descriptor) * MS)
        os.close(descriptor)

    def end(self) -> None:
        """Stop, and wait for the last one."""
        self._over.set()
        self.join()


class Deaths:
    """Kills the main processes of the stack's containers in turn."""

    def __init__(self, world: World) -> None:
        self._world = world
        listing = ("ps", "--quiet", "--no-trunc", "--filter", f"label=com.docker.compose.project={world.stack.project}")
        self._containers = world.engine.docker(*listing).split()
        self._killed: dict[str, float] = {}

    def bring_about(self, count: int) -> None:
        """Kill so many, with pauses that fall in with nothing else's rhythm."""
        random.shuffle(self._containers)
        for number in range(count):
            container = self._containers[number % len(self._containers)]
            pid = self._pid_when_due(container)
            time.sleep(random.uniform(*PAUSES_SECONDS))
            os.kill(pid, signal.SIGKILL)
            self._killed[container] = time.monotonic()
            if (number + 1) % 20 == 0:
                print(f"  {number + 1} of {count} killed", flush=True)

    def _pid_when_due(self, container: str) -> int:
        """Wait until the container has run for long enough; its restart takes a second of the time since its death."""
        due = self._killed.get(container, -1e9) + RUNS_AT_LEAST_SECONDS + 2.0
        time.sleep(max(0.0, due - time.monotonic()))
        pid = int(self._world.engine.docker("inspect", "--format", "{{.State.Pid}}", container))
        assert pid, f"container {container[:12]} does not run again"
        return pid


def run(deaths: int, python: str) -> bool:
    """Run the bench and print what it found; return whether each death was told, committed before, and told so soon."""
    with World(health_interval="10s") as world:
        world.add_services(COPIES)
        copies = world.folder / "copies"
        copies.mkdir()
        receiver = world.beside("receiver", world.disk.image, copies, CHECK_EVERY)
        assert receiver.stdout is not None
        port = int(receiver.stdout.readline())
        requests = Lines(receiver)
        recorder = Lines(world.spawn(_recording(world), subprocess.PIPE))
        follower = world.beside("follower", world.engine.socket, world.stack.project, port)
        assert follower.stdout is not None
        assert follower.stdout.readline()
        supervisor = Supervisor(world, python, f"http://127.0.0.1:{port}/daemon")
        supervisor.start()
        (copies / "daemon.pid").write_text(str(supervisor.pid))
        print(f"  {surroundings()}\n  killing {deaths} main processes", flush=True)
        syncing = Syncing(world.disk.folder)
        syncing.start()
        Deaths(world).bring_about(deaths)
        told = _all_told(recorder, requests, deaths)
        syncing.end()
        soon = told_soon(told, syncing.taken)
        return soon & _told_all(told, deaths) & _committed(requests, copies)


def _recording(world: World) -> list[str | Path]:
    filters = ("type=container", "event=die", f"label=com.docker.compose.project={world.stack.project}")
    return ["docker", "events", "--format", "{{json .}}", *(f"--filter={one}" for one in filters)]


def _all_told(recorder: Lines, requests: Lines, deaths: int) -> list[Told]:
    """Return the deaths with when they were told, as soon as all were or the time is over."""
    deadline = time.monotonic() + TOLD_WITHIN_SECONDS
    while True:
        told = match(list(recorder.found), list(requests.found))
        complete = len(told) >= deaths and all(one.floor is not None and one.daemon is not None for one in told)
        if complete or time.monotonic() > deadline:
            return told
        time.sleep(0.1)


def match(events: list[Any], requests: list[Any]) -> list[Told]:
    """Return each death with when it was told: the daemon's first word of it came before the service's next death."""
    died = [
        Death(event["Actor"]["Attributes"][SERVICE_LABEL], event["Actor"]["ID"], event["timeNano"]) for event in events
    ]
    floor = {
        (one["body"]["id"], one["body"]["time_nano"]): one["arrived"] for one in requests if one["path"] == "/floor"
    }
    daemon: dict[str, list[int]] = defaultdict(list)
    for one in requests:
        if is_death(one["body"]):
            daemon[one["body"]["alerts"][0]["subject"]["name"]].append(one["arrived"])
    told = []
    for death in died:
        later = [other.stamp for other in died if other.service == death.service and other.stamp > death.stamp]
        words = [at for at in daemon[death.service] if death.stamp < at < min(later, default=time.time_ns())]
        arrivals = (floor.get((death.container, death.stamp)), min(words, default=None))
        taken = [None if at is None else (at - death.stamp) / 1e6 for at in arrivals]
        told.append(Told(death, taken[0], taken[1]))
    return told


def told_soon(told: list[Told], synced: list[float]) -> bool:
    """Print how soon the deaths were told, beside the floor, and return whether what is promised of it holds."""
    floor = [one.floor for one in told if one.floor is not None]
    daemon = [one.daemon for one in told if one.daemon is not None]
    over = [one.daemon - one.floor for one in told if one.daemon is not None and one.floor is not None]
    rows = [("floor", floor), ("daemon", daemon), ("daemon - floor", over), ("append and sync 4 KiB", synced)]
    print("\nfrom the stamp of `die` to the request's last byte")
    print("\n".join(table(rows, "ms")))
    p50, p99 = percentile(daemon, 50), percentile(daemon, 99)
    print(f"  daemon to floor: p50 {times(p50, percentile(floor, 50))}, p99 {times(p99, percentile(floor, 99))}")
    targets = (
        Target("p50, of floor + 30 ms + sync", p50, percentile(floor, 50) + 30 + percentile(synced, 50), "ms"),
        Target("p99, of 100 ms + sync", p99, 100 + percentile(synced, 99), "ms"),
    )
    soon = held(targets)
    print(f"  {surroundings()}")
    return soon


def _told_all(told: list[Told], deaths: int) -> bool:
    untold = [one.death for one in told if one.daemon is None]
    print(f"\n{len(told)} deaths heard of {deaths} brought about; {len(told) - len(untold)} told by the daemon")
    for death in untold:
        print(f"  NOT TOLD: {death.service} at {death.stamp}")
    return len(told) == deaths and not untold


def _committed(requests: Lines, copies: Path) -> bool:
    """Look into the copies of the disk: is what was told there, and as a message that is still to be sent."""
    found = []
    for one in requests.found:
        if one["copied"] is None:
            continue
        alert, key = one["body"]["alerts"][0]["id"], one["body"]["key"]
        there = one["copied"] and is_on_disk(copies / f"{key}.img", alert, key)
        found.append(there)
        if not there:
            print(f"  NOT COMMITTED before it was sent: alert {alert}, message {key}")
    print(f"{sum(found)} of {len(found)} sampled messages were on the disk, synced, before they had arrived")
    return bool(found) and all(found)


def is_on_disk(copy: Path, alert: str, key: str) -> bool:
    """Tell whether the state on a copied disk knows the alert as firing and the message as not delivered yet."""
    with mounted_copy(copy) as folder, closing(sqlite3.connect(folder / "state.db")) as state:
        alerts = state.execute("SELECT state FROM alerts WHERE id = ?", (alert,)).fetchall()
        messages = state.execute("SELECT state FROM outbox WHERE key = ?", (key,)).fetchall()
    return (alerts, messages) == ([("firing",)], [("queued",)])


def main() -> int:
    """Run the bench as the command line says; return 0 if each death was told as soon as is promised."""
    parser = argparse.ArgumentParser(prog="tests/bench/detect", description="Measure how soon a death is told.")
    parser.add_argument("--deaths", type=int, default=120, metavar="N", help="how many (120)")
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="what runs the daemon (this Python)")
    arguments = parser.parse_args()
    return run_bench(parser.prog, lambda: run(arguments.deaths, arguments.python))


if __name__ == "__main__":
    sys.exit(main())
