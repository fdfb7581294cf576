"""A webhook receiver on loopback: keeps what it got and when it had the last byte of it."""

from __future__ import annotations

import json
import queue
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from demonstration.ports import LOOPBACK


@dataclass(frozen=True)
class Message:
    """One message that arrived, with the wall-clock time (Unix, s) of its last byte."""

    arrived: float
    body: dict[str, Any]

    @property
    def kind(self) -> str:
        """Return what it tells: firing, resolved, update or test."""
        return str(self.body.get("kind", ""))

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts it tells of."""
        return list(self.body.get("alerts", []))


class Receiver:
    """Listens from its creation until `close`; `messages` holds what arrived and was not taken yet."""

    def __init__(self) -> None:
        messages: queue.Queue[Message] = queue.Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                arrived = time.time()
                self.send_response(204)
                self.end_headers()
                messages.put(Message(arrived, json.loads(raw)))

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class calls it so
                """Say nothing: what arrives is shown by the story."""

        self.messages = messages
        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.url = f"http://{LOOPBACK}:{self._server.server_port}/alerts"
        threading.Thread(target=self._server.serve_forever, name="webhook-receiver", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
