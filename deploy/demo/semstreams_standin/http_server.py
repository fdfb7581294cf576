"""A minimal HTTP/1.1 server on asyncio streams: one request a connection, enough for probes and for `POST /_fault`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus

READ_SECONDS = 10.0
BODY_BYTES_MAX = 1_000_000


@dataclass(frozen=True)
class Request:
    """What a client asked for."""

    method: str
    path: str
    query: str
    body: bytes


@dataclass(frozen=True)
class Response:
    """What goes back; `then` runs after the last byte was handed to the network."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    then: Callable[[], None] | None = None


Handler = Callable[[Request], Awaitable[Response]]


async def listen(handler: Handler, port: int) -> asyncio.Server:
    """Serve `handler` on a port of every address."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(READ_SECONDS):
                request = await _read(reader)
            if request is not None:
                await _answer(writer, request, await handler(request))
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client went away or never said what it wanted: there is nobody to tell
        finally:
            writer.close()

    return await asyncio.start_server(connected, "0.0.0.0", port)


async def _read(reader: asyncio.StreamReader) -> Request | None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *rest = head.split("\r\n")
    words = first.split(" ")
    if len(words) != 3:
        return None
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    size = int(headers.get("content-length", "0") or 0)
    body = await reader.readexactly(size) if 0 < size <= BODY_BYTES_MAX else b""
    path, _, query = words[1].partition("?")
    return Request(words[0], path, query, body)


async def _answer(writer: asyncio.StreamWriter, request: Request, response: Response) -> None:
    lines = [
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {len(response.body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in response.headers.items()),
    ]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if request.method == "HEAD" else response.body))
    await writer.drain()
    if response.then is not None:
        writer.close()
        await writer.wait_closed()
        response.then()
