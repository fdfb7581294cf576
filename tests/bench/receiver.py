"""The receiver of a bench: a process of its own that stamps each request's arrival before anything else is done.

usage: python -m tests.bench.receiver IMAGE FOLDER EVERY

Prints the port that it listens on, and then a line of JSON for each request: its path, the wall clock in ns when its
last byte had come, and its body. Of every EVERY-th death that the daemon tells it holds the answer back, lets the
daemon (its process id is in FOLDER/daemon.pid) stand still, and copies the disk image that carries the daemon's state
into FOLDER under the message's key: what is on that copy was on the disk before the message was sent.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.disk import copy_image

HEAD_END = b"\r\n\r\n"
TAKEN = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
FIRING, DEATH = "firing", "container_died"


class Keeper:
    """Writes down what arrives, and copies the disk now and then."""

    def __init__(self, image: Path, folder: Path, every: int) -> None:
        self._image = image
        self._folder = folder
        self._every = every
        self._deaths = 0
        self._copying = asyncio.Lock()

    async def take(self, path: str, arrived: int, content: bytes) -> None:
        """Write down one request; return when it may be answered."""
        body = json.loads(content)
        copied = None
        if is_death(body):
            self._deaths += 1
            if self._deaths % self._every == 0:
                async with self._copying:
                    copied = await asyncio.to_thread(self._copy, body["key"])
        print(json.dumps({"path": path, "arrived": arrived, "copied": copied, "body": body}), flush=True)

    def _copy(self, key: str) -> bool:
        daemon = int((self._folder / "daemon.pid").read_text())
        os.kill(daemon, signal.SIGSTOP)
        try:
            return copy_image(self._image, self._folder / f"{key}.img")
        finally:
            os.kill(daemon, signal.SIGCONT)


class Connection(asyncio.Protocol):
    """One connection of a sender, kept alive as long as it likes."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._answers: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Stamp first; answer when a request is complete."""
        now = time.time_ns()
        self._received += data
        head, separator, rest = bytes(self._received).partition(HEAD_END)
        if not separator or len(rest) < (length := _content_length(head)):
            return
        self._received.clear()
        path = head.split(b" ", 2)[1].decode()
        answer = asyncio.get_running_loop().create_task(self._answer(path, now, rest[:length]))
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)

    async def _answer(self, path: str, arrived: int, content: bytes) -> None:
        await self._keeper.take(path, arrived, content)
        if self._transport is not None:
            self._transport.write(TAKEN)


def is_death(body: Any) -> bool:
    """Tell whether a body is the daemon's first word of a death."""
    return body.get("kind") == FIRING and any(alert["rule"] == DEATH for alert in body["alerts"])


async def serve(keeper: Keeper) -> None:
    """Listen on any port, for ever."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(keeper), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def _content_length(head: bytes) -> int:
    lines = (line.partition(b":") for line in head.split(b"\r\n"))
    return next(int(value) for name, _, value in lines if name.lower() == b"content-length")


if __name__ == "__main__":
    asyncio.run(serve(Keeper(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))))
