"""The daemon of the demonstration: a settings file of its own, its process, and the wait until it is ready."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from demonstration import ports
from demonstration.progress import Trouble
from demonstration.stack import Stack

READY_SECONDS = 30.0
STOP_SECONDS = 15.0
COMMAND = Path(sys.executable).with_name("semsupervisor")

SETTINGS = """\
# The demonstration's settings: another folder and other addresses than a production host's, and a receiver.
[host]
name = "demo"

[stack]
directory = {directory}
project = {project}

[docker]
socket = {docker_socket}

[backup]
schedule = "off"
verify.schedule = "off"

[checks]
interval = "5s"

[checks.semstreams]
health = "http://127.0.0.1:{semstreams_port}/health"

[checks.nats]
monitor = "http://127.0.0.1:{monitor_port}"

[receivers.demo]
type = "webhook"
url = {receiver}

[state]
directory = {state}

[api]
socket = {control_socket}
listen = "127.0.0.1:{listen_port}"
"""


class Daemon:
    """`semsupervisor run` as a child process with its state in `folder`."""

    def __init__(self, folder: Path, stack: Stack, receiver_url: str) -> None:
        self.port = ports.choose(9797, "semsupervisor")
        self.control_socket = folder / "control.sock"
        self._settings = folder / "semsupervisor.toml"
        self._log = folder / "semsupervisor.log"
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "state").mkdir()
        self._settings.write_text(
            SETTINGS.format(
                directory=_quoted(stack.folder),
                project=_quoted(stack.project),
                docker_socket=_quoted(os.environ["DOCKER_HOST"].removeprefix("unix://")),
                semstreams_port=stack.semstreams_port,
                monitor_port=stack.monitor_port,
                receiver=_quoted(receiver_url),
                state=_quoted(folder / "state"),
                control_socket=_quoted(self.control_socket),
                listen_port=self.port,
            )
        )

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                # It ends with its parent, even when that is killed: then nothing is left running.
                ["setpriv", "--pdeathsig", "TERM", COMMAND, "run", "--settings", self._settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the demonstration, which then ends it in order
            )
        deadline = time.monotonic() + READY_SECONDS
        while not self._ready():
            self.check()
            if time.monotonic() > deadline:
                raise Trouble(f"the daemon was not ready within {READY_SECONDS:g} s:\n{self.last_lines()}", _ADVICE)
            time.sleep(0.05)

    def check(self) -> None:
        """Raise Trouble if the process has ended."""
        if self._process is not None and self._process.poll() is not None:
            code = self._process.returncode
            raise Trouble(f"the daemon ended with code {code}:\n{self.last_lines()}", _ADVICE)

    def stop(self) -> None:
        """End it by SIGTERM, as systemd does; by SIGKILL only if that takes too long."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection(ports.LOOPBACK, self.port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def last_lines(self) -> str:
        """Return the end of its log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-10:])


_ADVICE = "the daemon's last lines are above; with them, open an issue or correct what they name, then start again"


def _quoted(value: object) -> str:
    return json.dumps(str(value))
