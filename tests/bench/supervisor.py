"""The daemon under measurement: a process of its own, with settings of a host's size."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

from tests.bench.world import World

PORT = 9797
READY_SECONDS = 30.0
PAUSE_SECONDS = 0.05

SETTINGS = """
[host]
name = "bench"

[stack]
directory = "{stack}"
project = "{project}"

[docker]
socket = "{docker_socket}"

[backup]
schedule = "off"
verify.schedule = "off"

[checks]
interval = "{interval}"
filesystems.paths = [{paths}]

[rules.container_restarting]
enabled = false

[receivers.bench]
type = "webhook"
url = "{receiver}"

[state]
directory = "{state}"

[api]
socket = "{control_socket}"
listen = "127.0.0.1:{port}"
group = ""
"""


class Supervisor:
    """`semsupervisor run` with its state on the world's disk; `python` is what runs it, `receiver` a webhook's URL."""

    def __init__(self, world: World, python: str, receiver: str) -> None:
        self.control_socket = world.folder / "control.sock"
        self.python = python
        self._world = world
        self._receiver = receiver
        self._file = world.folder / "semsupervisor.toml"
        self._log = Path(world.folder / "log", "semsupervisor.log")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def log_bytes(self) -> int:
        """Return how much it has logged."""
        return self._log.stat().st_size

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.set_interval("10s")
        self._log.parent.mkdir()
        with self._log.open("wb") as log:
            command = [self.python, "-m", "semsupervisor", "run", "--settings", str(self._file)]
            self._process = self._world.spawn(command, log)
        deadline = time.monotonic() + READY_SECONDS
        while "daemon.ready" not in self._log.read_text():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the daemon is not ready:\n{self._log.read_text()[-4000:]}")
            time.sleep(PAUSE_SECONDS)

    def set_interval(self, interval: str, paths: str = "") -> None:
        """Write its settings with another interval between two checks; `reload` makes it read them."""
        self._file.write_text(
            SETTINGS.format(
                stack=self._world.stack.folder,
                project=self._world.stack.project,
                docker_socket=self._world.engine.socket,
                interval=interval,
                paths=paths,
                receiver=self._receiver,
                state=self._world.disk.folder,
                control_socket=self.control_socket,
                port=PORT,
            )
        )

    def reload(self) -> None:
        """Make it read its settings again, and wait until it has."""
        assert self._process is not None
        before = self._log.read_text().count("settings.loaded")
        self._process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + READY_SECONDS
        while self._log.read_text().count("settings.loaded") == before:
            assert time.monotonic() < deadline, "the daemon does not read its settings again"
            time.sleep(PAUSE_SECONDS)
