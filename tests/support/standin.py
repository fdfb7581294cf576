"""The demo's SemStreams stand-in as a process on loopback, with faults on demand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tests.support.commands import REPOSITORY
from tests.support.talking import free_port
from tests.support.waiting import eventually_sync

DEMO = REPOSITORY / "deploy" / "demo"


class StandIn:
    """One SemStreams stand-in that uses the NATS server at an address."""

    def __init__(self, folder: Path, nats_url: str) -> None:
        self._port = free_port()
        self._metrics_port = free_port()
        self._log_file = folder / "log"
        environment = {
            **os.environ,
            "PYTHONPATH": str(DEMO),
            "SEMSTREAMS_CONFIG": str(DEMO / "config.json"),
            "SEMSTREAMS_DATA": str(folder),
            "SEMSTREAMS_HTTP_PORT": str(self._port),
            "SEMSTREAMS_METRICS_PORT": str(self._metrics_port),
            "SEMSTREAMS_NATS_URL": nats_url,
        }
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "semstreams_standin"], env=environment, stdout=log, stderr=log
            )
        try:
            eventually_sync(self._is_ready, within_seconds=60)
        except BaseException:
            self.stop()
            raise

    @property
    def health(self) -> str:
        """Return the address of its /health."""
        return f"http://127.0.0.1:{self._port}/health"

    @property
    def metrics_port(self) -> int:
        """Return the port of its metrics service, which serves everything else as well."""
        return self._metrics_port

    def fault(self, name: str, **parameters: Any) -> None:
        """Switch a fault on, beside those that are on."""
        self._fault("POST", {"fault": name, **parameters})

    def clear_faults(self) -> None:
        """Switch all faults off."""
        self._fault("DELETE", None)

    def pause(self) -> None:
        """Let it stand still."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it, stopped or not."""
        self._process.kill()
        self._process.wait(10)

    def _fault(self, method: str, body: object) -> None:
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"http://127.0.0.1:{self._port}/_fault", data=data, method=method)
        with urlopen(request, timeout=5) as answer:
            assert answer.status < 300

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self._log_file.read_text()
        try:
            with urlopen(f"http://127.0.0.1:{self._port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
