"""The real daemon as a process of its own, started by its real command, with what a test asks it and its log."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from semsupervisor.api.client import Client, NotReachable, RequestRefused
from semsupervisor.kit.failpoints import VARIABLE as FAILPOINT
from tests.support.commands import REPOSITORY
from tests.support.demo_stack import DemoStack
from tests.support.unscheduled import unscheduled
from tests.support.waiting import eventually_sync

START_SECONDS = 60.0
STOP_SECONDS = 60.0
LOG_SHOWN = 200

SETTINGS = """
[host]
name = "edge-7"

[stack]
directory = {directory}
project = {project}

[docker]
socket = {engine}
timeout = "2s"
ping_interval = "1s"
settle = "{settle}"

[checks]
interval = "1s"
timeout = "1500ms"

[delivery]
first_retry = "100ms"
longest_retry = "1s"
give_up_refused = "0s"

[state]
directory = {state}

[api]
socket = {control}
listen = ""
group = ""
"""

WEBHOOK = """
[receivers.{name}]
type = "webhook"
url = "{url}"
timeout = "2s"
"""

MAIL = """
[receivers.{name}]
type = "email"
host = "127.0.0.1"
port = {port}
security = "none"
from = "semsupervisor@edge-7.example.org"
to = {to}
timeout = "2s"
"""

# The shipped rules but for their patience: what takes half a minute there takes two seconds.
IMPATIENT = """
[rules]
engine_unreachable.for = "2s"
container_missing.for = "2s"
container_oom_killed.clear_for = "3s"
semstreams_restarted.clear_for = "1s"
nats_restarted.clear_for = "1s"
semstreams_unreachable.for = "2s"
semstreams_unhealthy.for = "2s"
semstreams_degraded.for = "4s"
semstreams_health_not_offered.for = "2s"
semstreams_nats_disconnected.for = "2s"
nats_unreachable.for = "2s"
nats_unhealthy.for = "2s"
nats_full_check_failed.for = "2s"
observation_stale.above = 12
"""


def settings(folder: Path, *more: str, stack: DemoStack, settle: str = "500ms", state: Path | None = None) -> str:
    """Return the settings of a daemon that lives in a folder and watches a stack; `more` are receivers and rules."""
    paths = {
        "directory": stack.folder,
        "engine": stack.engine.socket,
        "state": state or folder / "state",
        "control": folder / "control.sock",
    }
    quoted = {name: json.dumps(str(path)) for name, path in paths.items()}
    return "".join((SETTINGS.format(project=json.dumps(stack.project), settle=settle, **quoted), *more))


def webhook(url: str, name: str = "hook") -> str:
    """Return the settings of a webhook."""
    return WEBHOOK.format(name=name, url=url)


def mail(port: int, *to: str, name: str = "mail") -> str:
    """Return the settings of mail without encryption to a server on loopback."""
    return MAIL.format(name=name, port=port, to=json.dumps(to))


class DaemonProcess:
    """`semsupervisor run` in a folder of its own; use it as a context manager: a failure in it shows the daemon's log.

    `enter` are the words before its command that put it into another network namespace; `environment` is added to its
    own.
    """

    def __init__(
        self, folder: Path, text: str, enter: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self.settings = folder / "semsupervisor.toml"
        self.settings.write_text(unscheduled(text))
        self.socket = folder / "control.sock"
        self._folder = folder
        self._enter = tuple(enter)
        self._environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **(environment or {})}
        self._log = folder / "daemon.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.runs:
                self.stop()
        finally:
            self.kill()
            if error is not None:
                error.add_note("\n".join(("the daemon's log:", *self.log.splitlines()[-LOG_SHOWN:])))

    @property
    def log(self) -> str:
        """Return all that it has logged, in all of its runs."""
        return self._log.read_text(errors="replace")

    @property
    def runs(self) -> bool:
        """Tell whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self, failpoint: str = "") -> None:
        """Start it and wait until it says that it is ready; at the failpoint (`name:count`) it kills itself."""
        self.launch(failpoint)
        eventually_sync(self._is_ready, within_seconds=START_SECONDS)

    def launch(self, failpoint: str = "") -> None:
        """Start it and wait for nothing."""
        assert not self.runs
        command = [*self._enter, sys.executable, "-m", "semsupervisor", "run", "--settings", str(self.settings)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env={**self._environment, **({FAILPOINT: failpoint} if failpoint else {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def stop(self) -> float:
        """End it by SIGTERM, as systemd does; hold that it ends well, and return the seconds that it took."""
        assert self._process is not None
        began = time.monotonic()
        self._process.terminate()
        assert self._process.wait(STOP_SECONDS) == 0, self.log
        return time.monotonic() - began

    def ask_to_end(self) -> None:
        """Send what systemd sends, and wait for nothing."""
        assert self._process is not None
        self._process.terminate()

    def wait_for_its_end(self, within_seconds: float = STOP_SECONDS) -> int:
        """Return how a process that ends by itself ended, below zero the signal."""
        assert self._process is not None
        return self._process.wait(within_seconds)

    def kill(self) -> None:
        """End it by SIGKILL, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)

    def ask_to_reload(self) -> None:
        """Send what `systemctl reload` sends."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    @property
    def memory_bytes(self) -> int:
        """Return the memory that it occupies now."""
        assert self._process is not None
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def get(self, path: str, **query: str | int) -> Any:
        """Return what its API answers at a path."""
        return Client(str(self.socket)).get(path, query)

    def verdict(self, path: str) -> str:
        """Return how it says that something is (`/v1/health`, `/readyz`, `/healthz`); empty if it cannot be asked."""
        try:
            return str(self.get(path)["status"])
        except (NotReachable, RequestRefused):
            return ""

    def post(self, *parts: str) -> Any:
        """Have it do what stands at the path made of `parts`."""
        return Client(str(self.socket)).post(*parts)

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that are pending or firing."""
        return list(self.get("/v1/alerts")["alerts"])

    def timeline(self, kind: str = "") -> list[str]:
        """Return the texts in the timeline, oldest first, of one kind if given."""
        query = {"kind": kind} if kind else {}
        entries = self.get("/v1/timeline", limit=1000, **query)["entries"]
        return [str(entry["text"]) for entry in entries][::-1]

    def _is_ready(self) -> bool:
        if not self.runs:
            raise AssertionError(f"the daemon ended at its start:\n{self.log}")
        return self.verdict("/readyz") == "healthy"
