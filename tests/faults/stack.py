"""A small stack on the real engine, labelled as compose labels its containers, and the hand that hurts it.

The engine's events are written down by `docker events` in a process of its own, and the stamps of all that other
projects do on the same engine in another one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.truth import HEALTH_PREFIX, SERVICE_LABEL, read_lines
from tests.support.engine import Engine

PROJECT_LABEL = "com.docker.compose.project"
IMAGE = "semsupervisor-demo/nats:2.14"  # of which only busybox is used
CHECKED = "delta"
SERVICES = ("alpha", "beta", "gamma", CHECKED, "epsilon")
SCRIPT = """
trap 'exit 0' TERM; trap 'rm -f /tmp/well' USR1; trap ': >/tmp/well' USR2
: >/tmp/well
while :; do sleep 3600 & wait $!; kill $!; done
"""
CHECK = ("--health-cmd=test -e /tmp/well", "--health-interval=1s", "--health-timeout=5s", "--health-retries=1")
WITHIN_SECONDS = 20.0
BACK_WITHIN_SECONDS = 70.0
PAUSE_SECONDS = 0.02


class Stack:
    """The containers of one compose project; each act returns once the engine has done it."""

    def __init__(self, engine: Engine, project: str, folder: Path) -> None:
        self.project = project
        self.events = folder / "events.jsonl"
        self._engine = engine
        self.stamps = folder / "stamps"
        self._recorders: list[subprocess.Popen[bytes]] = []

    def up(self) -> None:
        """Begin to record, and start all services."""
        filters = ("--filter", "type=container", "--filter", f"label={PROJECT_LABEL}={self.project}")
        self._record(self.stamps, "{{.TimeNano}}")
        self._record(self.events, "{{json .}}", *filters)
        # The recorder has to listen before anything happens that counts.
        self._until(self._probe_recorder, "the recorder of events does not hear anything")
        for service in SERVICES:
            self.create(service)

    def down(self) -> None:
        """Remove all containers of the project, and stop recording."""
        self._engine.remove_by_prefix(self.project)
        for recorder in self._recorders:
            recorder.terminate()
            recorder.wait(WITHIN_SECONDS)

    def name(self, service: str) -> str:
        """Return the name of a service's container."""
        return f"{self.project}-{service}"

    def create(self, service: str) -> None:
        """Make the container of a service and start it."""
        labels = {PROJECT_LABEL: self.project, SERVICE_LABEL: service}
        labels |= {"com.docker.compose.container-number": "1", "com.docker.compose.oneoff": "False"}
        self._engine.docker(
            "run", "--detach", "--pull=never", "--network=none", "--restart=always", f"--name={self.name(service)}",
            *(f"--label={key}={value}" for key, value in labels.items()),
            *(CHECK if service == CHECKED else ()),
            IMAGE, "/bin/sh", "-c", SCRIPT,
        )  # fmt: skip

    def remove(self, service: str) -> None:
        """Remove the container of a service by force, as somebody would by hand."""
        self._engine.docker("rm", "--force", self.name(service))

    def do(self, act: str, service: str) -> None:
        """Run `docker ACT` on the container of a service."""
        options = ("--time=1",) if act == "stop" else ()
        self._engine.docker(act, *options, self.name(service))

    def signal(self, service: str, number: signal.Signals) -> bool:
        """Send a signal from the host to a service's main process, and to no other; return whether there was one."""
        identity, pid = self._inspected(service, "{{.Id}} {{.State.Pid}}").split()
        if pid == "0":
            return False
        try:
            process = os.pidfd_open(int(pid))
        except ProcessLookupError:
            return False
        try:
            # Its number may be another process's by now: what is held open here is looked at before it is sent to.
            if identity not in Path(f"/proc/{pid}/cgroup").read_text():
                return False
            signal.pidfd_send_signal(process, number)
        except (FileNotFoundError, ProcessLookupError):
            return False
        finally:
            os.close(process)
        return True

    def state(self, service: str) -> str:
        """Return the state of a service's container as the engine names it, with its health behind a slash."""
        return self._inspected(service, "{{.State.Status}}{{with .State.Health}}/{{.Status}}{{end}}")

    def states(self) -> dict[str, str]:
        """Return the state of each service that has a container, without its health."""
        listed = self._engine.docker(
            "ps", "--all", "--format", f'{{{{.Label "{SERVICE_LABEL}"}}}} {{{{.State}}}}',
            "--filter", f"label={PROJECT_LABEL}={self.project}",
        )  # fmt: skip
        return dict(line.split() for line in listed.splitlines())

    def await_running(self) -> None:
        """Wait until every service runs; the engine takes its time with one that died often."""
        running = dict.fromkeys(SERVICES, "running")
        self._until(lambda: self.states() == running, "not every service comes back", BACK_WITHIN_SECONDS)

    def await_health(self, service: str, health: str) -> None:
        """Wait until the engine calls a service so, and the recorder has heard it."""
        self._until(lambda: self.state(service) == f"running/{health}", f"{service} does not become {health}")
        self._until(lambda: self._last_health(service) == health, f"nobody heard that {service} is {health}")

    def _last_health(self, service: str) -> str:
        told = [
            event["Action"].removeprefix(HEALTH_PREFIX)
            for event in read_lines(self.events)
            if event["Action"].startswith(HEALTH_PREFIX) and event["Actor"]["Attributes"].get(SERVICE_LABEL) == service
        ]
        return told[-1] if told else ""

    def _record(self, path: Path, template: str, *filters: str) -> None:
        with path.open("wb") as file:
            recorder = subprocess.Popen(
                ["docker", "events", "--format", template, *filters],
                env={**os.environ, **self._engine.environment},
                stdin=subprocess.DEVNULL,
                stdout=file,
            )
        self._recorders.append(recorder)

    def _inspected(self, service: str, template: str) -> str:
        return self._engine.docker("inspect", "--format", template, self.name(service))

    def _probe_recorder(self) -> bool:
        """Make and remove a container of no service, whose events mean nothing."""
        name = f"{self.project}-probe"
        label = f"--label={PROJECT_LABEL}={self.project}"
        self._engine.docker("create", "--pull=never", f"--name={name}", label, IMAGE, "/bin/sh")
        self._engine.docker("rm", name)
        return bool(read_lines(self.events)) and self.stamps.stat().st_size > 0

    @staticmethod
    def _until(look: Callable[[], bool], failure: str, within_seconds: float = WITHIN_SECONDS) -> None:
        deadline = time.monotonic() + within_seconds
        while not look():
            if time.monotonic() > deadline:
                raise AssertionError(failure)
            time.sleep(PAUSE_SECONDS)
