"""When a scratch server cannot be had, and what is said of it; the servers themselves are in tests/integration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from semsupervisor.backup.unpacking import NotPossible
from semsupervisor.daemon.parts import Means
from semsupervisor.daemon.scratching import Scratching
from semsupervisor.health.last_answers import LastAnswers
from semsupervisor.settings.load import load
from semsupervisor.systems.docker import Docker
from semsupervisor.systems.http import HttpClient
from tests.support.broken_engine import speaking
from tests.support.clock import ManualClock

pytestmark = pytest.mark.usefixtures("logs")


class Place:
    """What it is told of the host."""

    def __init__(self, folder: Path) -> None:
        clock = ManualClock()
        self.root = str(folder)
        self.socket = folder / "docker.sock"
        self.docker = Docker(str(self.socket), 2.0)
        http = HttpClient(clock)
        means = Means(clock, http, lambda _: None, lambda: self.root, lambda _: 0.0, dict, LastAnswers(clock))
        settings = load(None).settings
        self.scratching = Scratching(lambda: settings, means, self.docker)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """Return it."""
    made = Place(tmp_path)
    await made.docker.open()
    yield made
    await made.docker.close()


async def test_the_room_is_that_of_the_engine(place: Place) -> None:
    """Where that is not known nothing is tried."""

    async def info(_: web.Request) -> web.StreamResponse:
        return web.json_response({"DriverStatus": [["Backing Filesystem", "extfs"]]})

    room = place.scratching.means().room
    async with speaking(place.socket, info):
        seen = await room()
        assert 0 < seen.free_bytes <= seen.size_bytes
        for root in ("", "/absent"):
            place.root = root
            with pytest.raises(NotPossible):
                await room()


async def test_without_a_container_of_nats_there_is_no_image(place: Place) -> None:
    """The service is named."""

    async def nothing(request: web.Request) -> web.StreamResponse:
        listed = request.path.endswith("/containers/json")
        return web.json_response([] if listed else {"ApiVersion": "1.41"})

    async with speaking(place.socket, nothing):
        with pytest.raises(NotPossible, match="no container of the service nats"):
            await place.scratching.means().image()


async def test_an_engine_that_is_away_is_asked_again_later(place: Place, logs: Any) -> None:
    """It keeps nobody from going on."""
    await place.scratching.sweep(())
    assert [line["event"] for line in logs] == ["scratch.not_swept"]
