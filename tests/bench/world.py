"""What a bench runs on: a private engine with the demo stack, and processes beside it in the same network.

So no other load is on that engine, what it costs can be told, and no port and no name meets another's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Self

from tests.bench import processes
from tests.bench.disk import StateDisk
from tests.support.commands import REPOSITORY, CommandFailed, run
from tests.support.demo_stack import DemoStack
from tests.support.engine import DEFAULT_SOCKET, Engine
from tests.support.images import BUILD, BUILD_SECONDS, DemoImages
from tests.support.private_engine import PrivateEngine

CANNOT_RUN = 77
PROJECT = "semstreams"
ENGINE_COMMANDS = ("dockerd", "containerd")
END_SECONDS = 10.0
COPIES = "docker-compose.copies.yml"
COPY = """\
  copy-{number}:
    image: semsupervisor-demo/nats:2.14
    pull_policy: never
    command: ["nats-server", "-m", "8222"]
    restart: unless-stopped
    deploy: {{resources: {{limits: {{memory: 128M}}}}}}
    logging: {{driver: json-file, options: {{max-size: 10m, max-file: "3"}}}}
"""


class CannotRun(Exception):
    """The bench cannot run here; the text says why."""


class World:
    """The engine, the demo stack on it, and the disk for the state; what starts in this context ends with it."""

    def __init__(self, *, health_interval: str) -> None:
        self._health_interval = health_interval
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Self:
        if reason := PrivateEngine.unavailable():
            raise CannotRun(reason)
        with contextlib.ExitStack() as undo:
            self.folder = Path(tempfile.mkdtemp(prefix="semb-"))
            undo.callback(shutil.rmtree, self.folder)
            config = _client_config(self.folder)
            images = _images(config)
            self.engine = undo.enter_context(PrivateEngine(config))
            images.load_into(self.engine)
            folder = self.folder / "stack"
            folder.mkdir()
            self.stack = undo.enter_context(
                DemoStack(self.engine, folder, PROJECT, HEALTH_INTERVAL=self._health_interval)
            )
            try:
                self.disk = undo.enter_context(StateDisk(self.folder))
            except CommandFailed as error:
                raise CannotRun(f"no disk for the state can be made here: {error}") from error
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def spawn(self, command: Sequence[str] | Sequence[str | Path], stdout: int | IO[bytes]) -> subprocess.Popen[bytes]:
        """Start a process in the engine's network; it ends with the world at the latest."""
        process = subprocess.Popen(
            [*self.engine.enter, *command],
            cwd=REPOSITORY,
            env={**os.environ, **self.engine.environment},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
        )
        self._undo.callback(end, process)
        return process

    def beside(self, module: str, *arguments: object) -> subprocess.Popen[bytes]:
        """Run a module of this folder in a process of its own; what it prints can be read from it."""
        return self.spawn([sys.executable, "-m", f"tests.bench.{module}", *map(str, arguments)], subprocess.PIPE)

    def engine_cpu_seconds(self) -> float:
        """Return the processor time of dockerd, its containerd and its shims, and of what they ran and reaped."""
        mine = processes.naming(f"{self.engine.folder}/", ENGINE_COMMANDS)
        return sum(processes.cpu_seconds(pid) for pid in mine)

    def add_services(self, count: int) -> None:
        """Bring up that many more services in the stack, and wait until they run."""
        copies = "".join(COPY.format(number=number) for number in range(1, count + 1))
        (self.stack.folder / COPIES).write_text(f"services:\n{copies}")
        self.stack.files.append(COPIES)
        self.stack.up()


def run_bench(name: str, bench: Callable[[], bool]) -> int:
    """Run a bench and return its exit code: 0 if it returned true, else 1; `CANNOT_RUN` where it cannot run.

    When it is asked to end, by SIGTERM as well, it takes away what it made.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        return 0 if bench() else 1
    except CannotRun as reason:
        print(f"{name}: cannot run here: {reason}")
        return CANNOT_RUN


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process as systemd does, by force only if that takes too long."""
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _client_config(folder: Path) -> Path:
    """Make a folder for the docker command in which the compose plugin is found."""
    plugins = folder / "docker" / "cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-compose").symlink_to(Path(sys.executable).with_name("docker-compose"))
    return plugins.parent


def _images(config: Path) -> DemoImages:
    """Build the demo's images on the machine's own engine, where they are kept."""
    engine = Engine(Path(os.environ.get("DOCKER_HOST", DEFAULT_SOCKET).removeprefix("unix://")), config)
    if trouble := engine.trouble():
        raise CannotRun(f"no Docker engine to build the demo's images on: {trouble}")
    environment = {**engine.environment, "PYTHON": sys.executable}
    run([BUILD], environment=environment, timeout_seconds=BUILD_SECONDS)
    return DemoImages(engine, tuple(run([BUILD, "--list"], environment=environment).stdout.split()))
