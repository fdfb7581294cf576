"""Receivers that record what they are sent: a webhook server that can be down, refuse or hang, and a mail server."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.mail import Mail, MailServer, mail_server

LOOPBACK = "127.0.0.1"
TAKEN = 204
CLONE_NEWNET = 0x40000000
START_SECONDS = 30.0


@dataclass(frozen=True)
class Attempt:
    """One request as it came: its idempotency key, its body, and whether it was taken."""

    key: str
    body: dict[str, Any]
    taken: bool


class WebhookServer:
    """A webhook receiver on loopback; `namespace` is the network namespace of which, this test's own if not given."""

    def __init__(self, namespace: Path | None = None) -> None:
        self.attempts: list[Attempt] = []
        self._namespace = namespace
        self._status = TAKEN
        self._going_on = threading.Event()
        self._going_on.set()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.take()
        self.shut()

    @property
    def url(self) -> str:
        """Return its address, the same whenever it is open."""
        return f"http://{LOOPBACK}:{self._port}/alerts"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """Return what was taken, in its order; what came twice under one key stands there once."""
        return list({attempt.key: attempt.body for attempt in tuple(self.attempts) if attempt.taken}.values())

    def open(self) -> None:
        """Listen."""
        listener = _listener(self._namespace, self._port)
        self._port = int(listener.getsockname()[1])
        self._server = ThreadingHTTPServer((LOOPBACK, self._port), self._handler(), bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = listener
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def shut(self) -> None:
        """Listen no more: who connects is refused."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def refuse(self, status: int) -> None:
        """Answer with this status from now on."""
        self._status = status

    def hang(self) -> None:
        """Read what comes and answer nothing, until `take`."""
        self._going_on.clear()

    def take(self) -> None:
        """Take what comes from now on."""
        self._status = TAKEN
        self._going_on.set()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                hung = not receiver._going_on.is_set()
                receiver._going_on.wait()
                status = receiver._status
                taken = status == TAKEN and not hung
                receiver.attempts.append(Attempt(self.headers["Idempotency-Key"], json.loads(content), taken))
                with suppress(OSError):  # who was kept waiting is gone by now
                    self.send_response(status)
                    self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class calls it so
                """Say nothing: all is in the record."""

        return Handler


class MailBox:
    """A mail server on loopback that runs beside the test, on a port of its choice if none is given."""

    def __init__(self, port: int = 0) -> None:
        self._wanted_port = port
        self._up = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._server: MailServer | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(START_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None
        assert self._over is not None
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(START_SECONDS)

    @property
    def port(self) -> int:
        """Return where it listens."""
        assert self._server is not None
        return self._server.port

    @property
    def mails(self) -> Sequence[Mail]:
        """Return what it took."""
        assert self._server is not None
        return tuple(self._server.mails)

    @property
    def asked(self) -> Sequence[str]:
        """Return what it was asked."""
        assert self._server is not None
        return tuple(self._server.asked)

    def say_to(self, address: str, *answers: str) -> None:
        """Give these answers to the next attempts to name a recipient, and take it after them."""
        assert self._server is not None
        self._server.say_to[address].extend(answers)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with mail_server(port=self._wanted_port) as self._server:
            self._up.set()
            await self._over.wait()


def free_port() -> int:
    """Return a port on which nobody listens now."""
    with _listener(None, 0) as listener:
        return int(listener.getsockname()[1])


def _listener(namespace: Path | None, port: int) -> socket.socket:
    if namespace is None:
        return socket.create_server((LOOPBACK, port))
    # A socket belongs to the namespace in which its thread is when it makes it; the thread ends with it.
    with ThreadPoolExecutor(1) as other:
        return other.submit(_listener_within, namespace, port).result()


def _listener_within(namespace: Path, port: int) -> socket.socket:
    libc = ctypes.CDLL(None, use_errno=True)
    with namespace.open() as file:
        if libc.setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns: {os.strerror(ctypes.get_errno())}", str(namespace))
    return socket.create_server((LOOPBACK, port))
