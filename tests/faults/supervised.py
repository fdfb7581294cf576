"""The daemon under test: the real process with its real command, killed and started again as often as it takes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.faults.arrivals import Violation
from tests.faults.runs import Run
from tests.faults.stack import CHECKED, SERVICES
from tests.support.commands import REPOSITORY

ENDS_WITHIN_SECONDS = 5.0
STARTS_WITHIN_SECONDS = 30.0
PAUSE_SECONDS = 0.02
LOOPING = "gamma"
# What a log of the daemon may not hold: its own defects, and a database that had to be set aside.
DEFECTS = ("task.failed", "loop.failed", "probe.broken", "delivery.defective", "store.set_aside", "Traceback")

SETTINGS = """
[host]
name = "faults"

[stack]
directory = "{folder}"
project = "{project}"

[docker]
socket = "{socket}"
settle = "500ms"
ping_interval = "1s"

[backup]
schedule = "off"
verify.schedule = "off"

[checks]
interval = "1s"
timeout = "1s"
semstreams.health = "http://127.0.0.1:{health_port}/health"
nats.monitor = "http://127.0.0.1:{nats_port}"

[rules]
container_missing.for = "0s"
container_restarting.subjects = ["{looping}"]
semstreams_unreachable.for = "0s"
semstreams_unhealthy.for = "0s"
semstreams_degraded.for = "0s"

[delivery]
first_retry = "100ms"
longest_retry = "500ms"

[receivers.oracle]
type = "webhook"
url = "http://127.0.0.1:{receiver_port}/"
secret_file = "{secret_file}"
timeout = "1s"

[state]
directory = "{state}"

[api]
socket = "{folder}/control.sock"
listen = ""
group = ""
"""

assert {LOOPING, CHECKED} <= set(SERVICES)


class Supervised:
    """Starts, watches and kills the daemon; `runs` says when it was up."""

    def __init__(self, folder: Path, settings: Path) -> None:
        self.runs: list[Run] = []
        self.log = folder / "daemon.log"
        self._settings = settings
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._gone = threading.Event()
        self._log_read = 0
        address = folder / "notify.sock"
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.bind(str(address))
        self._notified.setblocking(False)
        self._environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "NOTIFY_SOCKET": str(address)}

    @property
    def alive(self) -> bool:
        """Tell whether it runs."""
        return self._process is not None and not self._gone.is_set()

    def start(self, failpoint: str = "") -> None:
        """Start it; `failpoint` says where it is to kill itself, in the form name:count."""
        assert not self.alive
        self._drain()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "semsupervisor", "run", "--settings", str(self._settings)],
                env={**self._environment, "SEMSUPERVISOR_FAILPOINT": failpoint},
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._gone = threading.Event()
        self.runs.append(Run())
        threading.Thread(target=self._watch, args=(self._process, self.runs[-1], self._gone), daemon=True).start()

    def await_ready(self, unless: Callable[[], bool] = lambda: False) -> bool:
        """Wait until it says that it is ready; return whether it did before it was gone or the time was over.

        `unless` ends the waiting when it comes true.
        """
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while self.alive and time.monotonic() < deadline and not unless():
            if self._is_ready():
                self.runs[-1].ready = time.time()
                return True
            self._gone.wait(PAUSE_SECONDS)
        return False

    def await_gone(self, within_seconds: float) -> bool:
        """Wait until it is gone by itself; return whether it is."""
        return self._gone.wait(within_seconds)

    def kill(self, then: Callable[[], None] = lambda: None) -> None:
        """Kill it at this instant, if it runs still; `then` is called before it is waited for."""
        process = self._process
        if process is not None:
            process.kill()  # of one that has ended, nothing comes of it
        then()
        if process is not None and not self._gone.wait(ENDS_WITHIN_SECONDS):
            raise AssertionError("the daemon outlives SIGKILL")

    def stop_short(self) -> None:
        """Let it stand still at this instant, all of its threads."""
        process = self._process
        if process is None or self._gone.is_set():
            return
        process.send_signal(signal.SIGSTOP)
        tasks = Path(f"/proc/{process.pid}/task")
        deadline = time.monotonic() + ENDS_WITHIN_SECONDS
        while not self._gone.is_set() and not all(_stands_still(task) for task in tasks.iterdir()):
            if time.monotonic() > deadline:
                raise AssertionError("the daemon does not stand still")
            time.sleep(PAUSE_SECONDS / 10)

    def end(self) -> None:
        """Ask it to end, as systemd does. Raises: Violation when it takes too long or ends badly."""
        assert self._process is not None
        self._process.terminate()
        if not self._gone.wait(ENDS_WITHIN_SECONDS):
            raise Violation(f"asked to end by SIGTERM, the daemon was still there after {ENDS_WITHIN_SECONDS:g} s")
        if self._process.returncode:
            raise Violation(f"asked to end by SIGTERM, the daemon ended with code {self._process.returncode}")

    def died_by(self) -> int | None:
        """Return the signal that killed it last, None when it ended by itself or runs."""
        code = None if self._process is None else self._process.returncode
        return -code if code is not None and code < 0 else None

    def hold_log(self) -> None:
        """Hold that it did not complain of itself since the last call. Raises: Violation."""
        if not self.log.exists():
            return
        with self.log.open("rb") as file:
            file.seek(self._log_read)
            content = file.read()
        self._log_read += len(content)
        for line in content.decode(errors="replace").splitlines():
            if any(defect in line for defect in DEFECTS):
                raise Violation(f"the daemon says of itself: {line[:2000]}")

    def close(self) -> None:
        """End it for good."""
        self.kill()
        self._notified.close()

    def _watch(self, process: subprocess.Popen[bytes], run: Run, gone: threading.Event) -> None:
        process.wait()
        run.gone = time.time()
        gone.set()

    def _is_ready(self) -> bool:
        return any("READY=1" in message for message in self._drain())

    def _drain(self) -> Sequence[str]:
        messages = []
        while True:
            try:
                messages.append(self._notified.recv(4096).decode())
            except BlockingIOError:
                return messages


def _stands_still(task: Path) -> bool:
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0] in "TZX"
    except FileNotFoundError:
        return True
