"""What is known of a stack by other means than the product's: docker, df, /proc, curl's way of asking, and nats-py."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Coroutine
from functools import cache
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from nats.js import JetStreamContext
from nats.js.api import ConsumerInfo, StreamInfo

from tests.support.commands import run
from tests.support.demo_stack import DemoStack
from tests.support.nats_acts import client, monitor
from tests.support.nats_faults import jetstream

UNITS = {"B": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
ANSWER_SECONDS = 30.0


class Around:
    """One reading of everything, each source asked once and only if something wants it."""

    def __init__(self, stack: DemoStack) -> None:
        self.stack = stack
        self.inspected = cache(stack.inspect)
        self.varz = cache(lambda: self._monitor("/varz"))
        self.jsz = cache(lambda: self._monitor("/jsz?accounts=true&streams=true&consumers=true&config=true"))
        self.health = cache(lambda: stack.ask("/health").value)
        self.flows = cache(lambda: stack.ask("/api/flows").value)
        self.account = cache(lambda: self._js(lambda js: js.account_info()))
        self.streams = cache(self._streams)
        self.consumers = cache(self._consumers)
        self.metrics = cache(self._metrics)
        self.stats = cache(self._stats)
        self.cgroup = cache(self._cgroup)
        self.engine_version = cache(lambda: run_docker(stack, "version", "--format", "{{.Server.Version}}"))

    def part(self, name: str) -> Any:
        """Return one of the parts that SemStreams tells of."""
        return next((part for part in self.health()["sub_statuses"] if part["component"] == name), None)

    def in_container(self, service: str, *command: str) -> str:
        """Return what a command in a service's container writes."""
        return run_docker(self.stack, "exec", self.stack.container(service), *command)

    def _monitor(self, path: str) -> Any:
        return json.loads(urlopen(f"{monitor(self.stack)}{path}", timeout=ANSWER_SECONDS).read())

    def _metrics(self) -> dict[str, float]:
        """Return the sum of each metric over its labels."""
        body = self.stack.ask("/metrics", port=9090).body.decode()
        found: dict[str, float] = {}
        for name, value in re.findall(r"^(\w+)(?:\{.*\})? (\S+)", body, re.MULTILINE):
            found[name] = found.get(name, 0.0) + float(value)
        return found

    def _stats(self, service: str) -> dict[str, str]:
        line = run_docker(self.stack, "stats", "--no-stream", "--format", "{{json .}}", self.stack.container(service))
        return dict(json.loads(line))

    def _cgroup(self, service: str) -> Callable[[str, str], str]:
        """Return what reads a file of a container's control group: by its controller in version 1, or its name in 2."""
        lines = Path(f"/proc/{self.inspected(service)['State']['Pid']}/cgroup").read_text().splitlines()
        places = {names: place for _, names, place in (line.split(":", 2) for line in lines)}

        def read(first: str, second: str) -> str:
            controller = first.partition(".")[0]
            for names, place in places.items():
                if controller in names.split(","):
                    return Path(f"/sys/fs/cgroup/{controller}{place}/{first}").read_text()
            return Path(f"/sys/fs/cgroup{places['']}/{second}").read_text()

        return read

    def _js(self, ask: Callable[[JetStreamContext], Coroutine[Any, Any, Any]]) -> Any:
        async def asked() -> Any:
            async with jetstream(client(self.stack)) as js:
                return await asyncio.wait_for(ask(js), ANSWER_SECONDS)

        return asyncio.run(asked())

    def _streams(self) -> dict[str, StreamInfo]:
        found: list[StreamInfo] = self._js(lambda js: js.streams_info())
        return {str(info.config.name): info for info in found}

    def _consumers(self) -> dict[str, ConsumerInfo]:
        async def all_of(js: JetStreamContext) -> dict[str, ConsumerInfo]:
            names = [str(info.config.name) for info in await js.streams_info()]
            return {f"{name}/{info.name}": info for name in names for info in await js.consumers_info(name)}

        found: dict[str, ConsumerInfo] = self._js(all_of)
        return found


def run_docker(stack: DemoStack, *words: str) -> str:
    """Return what `docker WORDS` writes."""
    return str(stack.engine.docker(*words)).strip()


def amount(text: str) -> float:
    """Return what Docker's `12.3MiB` stands for, in bytes."""
    found = re.match(r"([0-9.]+)\s*([A-Za-z]+)", text.strip())
    assert found is not None, text
    return float(found[1]) * UNITS[found[2]]


def df(point: str, column: str) -> str:
    """Return one column of what df says of a mount point."""
    return run(["df", "--block-size=1", f"--output={column}", point]).stdout.split()[-1]


def proc(path: str) -> str:
    """Return a file of /proc."""
    return Path("/proc", path).read_text()


def meminfo(name: str) -> float:
    """Return a line of /proc/meminfo in bytes."""
    return float(proc("meminfo").partition(f"{name}:")[2].split()[0]) * 1024


def pressure(resource: str, line: str) -> float:
    """Return the share of the last minute that the kernel says was lost to waiting, 0 to 1."""
    text = proc(f"pressure/{resource}").partition(f"{line} ")[2]
    return float(text.partition("avg60=")[2].split()[0]) / 100


def age(moment: str) -> float:
    """Return how many seconds ago a moment of Docker's or the server's was."""
    whole = time.mktime(time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    return time.time() - whole
