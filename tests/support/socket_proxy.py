"""A proxy before an engine's socket that can cut or stall what goes through it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Self


class SocketProxy:
    """Passes bytes on between `path` and a real socket until told otherwise."""

    def __init__(self, real: Path, path: Path) -> None:
        self.path = path
        self._real = real
        self._pairs: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._following: set[asyncio.StreamWriter] = set()
        self._stalled: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break all connections off; new ones are served."""
        for pair in self._pairs:
            for writer in pair:
                writer.transport.abort()
        self._pairs.clear()

    def stall(self) -> None:
        """Keep the event streams that are followed now open, and pass nothing on in them."""
        self._stalled.update(self._following)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, beyond = await asyncio.open_unix_connection(str(self._real))
        self._pairs.append((writer, beyond))
        for source, sink, asker in ((reader, beyond, writer), (there, writer, None)):
            task = asyncio.create_task(self._pass(source, sink, asker))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, asker: asyncio.StreamWriter | None
    ) -> None:
        try:
            while data := await source.read(65536):
                if asker and b"/events?" in data and b"until=" not in data:
                    self._following.add(asker)
                if sink not in self._stalled:
                    sink.write(data)
                    await sink.drain()
        except ConnectionError:
            pass
        if sink not in self._stalled:
            sink.close()
