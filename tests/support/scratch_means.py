"""What a snapshot is tried out with: the machine's engine, or none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from semsupervisor.backup import proving, scratch
from semsupervisor.backup.proving import Room
from semsupervisor.kit.clock import SystemClock
from semsupervisor.systems.docker import Docker
from semsupervisor.systems.docker_scratch import Scratches
from semsupervisor.systems.host_figures import Memory
from semsupervisor.systems.http import HttpClient
from tests.support.engine import Engine

PLENTY_BYTES = 2**40


async def plenty() -> Room:
    """Return more room than any test needs."""
    return Room(PLENTY_BYTES, PLENTY_BYTES)


def much() -> Memory:
    """Return more memory than any test needs."""
    return Memory(PLENTY_BYTES, PLENTY_BYTES)


def without_engine(
    folder: Path, room: Callable[[], Awaitable[Room]] = plenty, memory: Callable[[], Memory] = much
) -> proving.Means:
    """Return it where no engine answers."""
    return scratch_means(folder, Docker(str(folder / "absent.sock"), 2.0), HttpClient(SystemClock()), "", room, memory)


@asynccontextmanager
async def on_engine(folder: Path, engine: Engine, image: str) -> AsyncIterator[proving.Means]:
    """Return it on an engine, with an image by its name."""
    docker, http = Docker(str(engine.socket), 10.0), HttpClient(SystemClock())
    await docker.open()
    try:
        image_id = await asyncio.to_thread(engine.docker, "image", "inspect", "--format", "{{.Id}}", image)
        yield scratch_means(folder, docker, http, image_id)
    finally:
        await http.close()
        await docker.close()


def scratch_means(
    folder: Path,
    docker: Docker,
    http: HttpClient,
    image: str,
    room: Callable[[], Awaitable[Room]] = plenty,
    memory: Callable[[], Memory] = much,
) -> proving.Means:
    """Return it; the folder tells the containers apart from those of other tests."""

    async def of_image() -> str:
        return image

    means = scratch.Means(Scratches(docker, str(folder)), docker.socket, http.get)
    return proving.Means(SystemClock(), means, of_image, room, memory)
