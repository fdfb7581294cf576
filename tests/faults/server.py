"""A web server in a process of its own, whose mood the campaign changes: the receiver of alerts, or SemStreams' health.

usage: python -m tests.faults.server receiver|health|nats PORT LOG

Moods come as lines on standard input, and each is acknowledged by its name once it is in force; the process ends with
its input. Every mood and every request is a line of JSON in LOG before anything is answered.

| kind | moods |
|---|---|
| receiver | takes (200), fails (500), deaf (no answer until the mood changes), drops (hangs up), down (no port open) |
| health | healthy (200), degraded (200), unhealthy (503), down (no port open) |
| nats | healthy: answers /healthz and /varz as the real server does |
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.commands import REPOSITORY

PAUSE_SECONDS = 0.02
HEALTH_PATH = "/health"
STATUS = {"takes": 200, "fails": 500, "healthy": 200, "degraded": 200, "unhealthy": 503}
FIRST_MOOD = {"receiver": "takes", "health": "healthy", "nats": "healthy"}


class MoodyServer(ThreadingHTTPServer):
    """Listens on one port of the loopback, and knows who is connected."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, owner: Listener) -> None:
        self.owner = owner
        self.connected: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Handler)

    def hang_up(self) -> None:
        """Stop listening, and cut all connections."""
        self.shutdown()
        self.server_close()
        for connection in list(self.connected):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is nothing to speak of."""


class Listener:
    """One server with its mood and its log; it comes and goes, the port stays."""

    def __init__(self, kind: str, port: int, log: Path) -> None:
        self.kind = kind
        self.mood = FIRST_MOOD[kind]
        self.answering = threading.Lock()
        self._port = port
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._server: MoodyServer | None = None

    def feel(self, mood: str) -> None:
        """Take on a mood, and write down when."""
        asked = time.time_ns()
        with self.answering:  # what was written down as answered is answered, whatever comes
            self.mood = mood
        if mood == "down" and self._server is not None:
            self._server.hang_up()
            self._server = None
        elif mood != "down" and self._server is None:
            self._server = MoodyServer(self._port, self)
            serve = threading.Thread(target=self._server.serve_forever, args=(PAUSE_SECONDS,), daemon=True)
            serve.start()
        self.write({"mood": mood, "asked": asked, "at": time.time_ns()})

    def write(self, entry: dict[str, Any]) -> None:
        """Append one line, whole: a single write on an append-only file."""
        os.write(self._log, json.dumps(entry).encode() + b"\n")


class Handler(BaseHTTPRequestHandler):
    """Answers as the mood is when the request has come whole."""

    protocol_version = "HTTP/1.1"
    server: MoodyServer

    def setup(self) -> None:
        """Remember the connection."""
        super().setup()
        self.server.connected.add(self.connection)

    def finish(self) -> None:
        """Forget the connection."""
        self.server.connected.discard(self.connection)
        super().finish()

    def do_POST(self) -> None:
        """Take a notification, or not."""
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:
            return  # who sent it was killed meanwhile: nothing has arrived
        owner = self.server.owner
        mood = owner.mood
        headers = {name.lower(): value for name, value in self.headers.items()}
        owner.write({"at": time.time_ns(), "answer": STATUS.get(mood), "headers": headers, "body": body.decode()})
        while mood == owner.mood == "deaf":
            time.sleep(PAUSE_SECONDS)
        if mood in STATUS:
            self._answer(STATUS[mood], {})
        else:
            self.close_connection = True

    def do_GET(self) -> None:
        """Say how it is."""
        owner = self.server.owner
        if owner.kind == "nats":
            name = self.path.split("?")[0].strip("/")
            sample = REPOSITORY / "tests" / "samples" / "nats-2.14.0" / f"{name}.json"
            self._answer(200, json.loads(sample.read_text()))
            return
        if self.path != HEALTH_PATH:
            self._answer(404, {})
            return
        with owner.answering:
            mood = owner.mood
            if mood == "down":
                self.close_connection = True
                return
            owner.write({"at": time.time_ns(), "answered": mood})
            components = {"nats": "connected", "flows": "running"}
            self._answer(STATUS[mood], {"status": mood, "version": "v1.0.0", "components": components})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name for it
        """The log has it already."""


def main(kind: str, port: str, log: str) -> None:
    """Serve until the input ends."""
    listener = Listener(kind, int(port), Path(log))
    listener.feel(listener.mood)
    print(listener.mood, flush=True)
    for line in sys.stdin:
        listener.feel(line.strip())
        print(listener.mood, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
