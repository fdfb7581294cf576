"""Servers for the tests of what asks by HTTP: a real aiohttp one, and one that says exactly the bytes it is given."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Hook:
    """What a receiver of webhooks got, and what it answers: the given answers first, then always 200."""

    def __init__(self, *answers: web.Response) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.answers = list(answers)

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Note a request and answer it."""
        self.bodies.append(await request.read())
        self.headers.append(dict(request.headers))
        return self.answers.pop(0) if self.answers else web.Response()


@asynccontextmanager
async def http_server(
    handler: Handler, *, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, int]]:
    """Serve every path and method by one handler on localhost; yields its URL without a path, and its port."""
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls)
    await site.start()
    bound = int(runner.addresses[0][1])
    try:
        yield f"{'https' if tls else 'http'}://localhost:{bound}", bound
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_server(talk: Talk, *, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Let `talk` deal with each connection on localhost, which is closed after it; yields the port."""
    open_talks: set[asyncio.Task[None]] = set()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_talks.add(task)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            open_talks.discard(task)
            writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", port, ssl=tls)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in list(open_talks):
            task.cancel()
        await server.wait_closed()
        await asyncio.gather(*open_talks, return_exceptions=True)


def free_port() -> int:
    """Return a TCP port of localhost that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def deaf_port() -> Iterator[int]:
    """Yield a port of localhost on which connecting hangs, as it does behind a firewall that drops packets."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):  # once its queue is full the kernel answers nobody
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield int(listening.getsockname()[1])
