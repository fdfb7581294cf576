"""A peer for what looking costs: the same questions every 10 s, asked by nothing but the standard library.

usage: python -m tests.bench.poller SOCKET PROJECT SEMSTREAMS NATS

It lists and inspects the project's containers, reads their memory, asks SemStreams' /health and NATS' /healthz and
/varz, and looks at the disk. It keeps, judges and tells nothing.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

INTERVAL_SECONDS = 10.0
LABEL = "com.docker.compose.project"


class EngineConnection(http.client.HTTPConnection):
    """HTTP over the engine's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=5)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def ask(connection: http.client.HTTPConnection, path: str) -> Any:
    """Return the JSON that is at a path."""
    connection.request("GET", path)
    return json.loads(connection.getresponse().read())


def look(engine: EngineConnection, project: str, urls: list[tuple[str, int, str]]) -> None:
    """Ask everything once."""
    filters = quote(json.dumps({"label": [f"{LABEL}={project}"]}))
    for listed in ask(engine, f"/containers/json?all=1&filters={filters}"):
        state = ask(engine, f"/containers/{listed['Id']}/json")["State"]
        Path(f"/proc/{state['Pid']}/cgroup").read_text()
    for host, port, path in urls:
        ask(http.client.HTTPConnection(host, port, timeout=5), path)
    os.statvfs("/")


def main(socket_path: str, project: str, semstreams: str, nats: str) -> None:
    """Look for ever."""
    engine = EngineConnection(socket_path)
    urls = [(semstreams, 8080, "/health"), (nats, 8222, "/healthz"), (nats, 8222, "/varz")]
    while True:
        look(engine, project, urls)
        print("looked", flush=True)
        time.sleep(INTERVAL_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:5])
