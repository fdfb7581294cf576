"""What a backup gets from the real stack; whole backups by the real daemon are in tests/integration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nats
import pytest

from semsupervisor.backup import source
from semsupervisor.backup.monitor import Ask
from semsupervisor.backup.reckoning import Held
from semsupervisor.backup.stack_files import StackFiles
from semsupervisor.errors import PermanentError, TemporaryError
from semsupervisor.health.probes.nats_client import Door
from semsupervisor.kit.clock import SystemClock
from semsupervisor.systems.http import Answer, HttpClient
from semsupervisor.systems.nats_client import Login
from tests.support.container_words import container
from tests.support.nats_server import GENERATIONS, NatsServer


@pytest.fixture(params=GENERATIONS, scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a running server of each generation."""
    one = NatsServer(request.param, tmp_path_factory.mktemp("nats"))
    one.start()
    yield one
    one.stop()


def door(target: str) -> Door:
    """Return where a server takes clients."""
    return Door(target, lambda _: None, Login())


def asking(monitor: str) -> Ask:
    """Return what asks a monitoring port."""

    async def ask(timeout_seconds: float, path: str) -> Answer:
        http = HttpClient(SystemClock())
        try:
            return await http.get(monitor + path, timeout_seconds)
        finally:
            await http.close()

    return ask


async def test_a_server_is_asked_over_a_connection_of_its_own(server: NatsServer) -> None:
    """Streams, a snapshot at both paces, a bucket; and the connection is gone in the end."""
    client = await nats.connect(server.url)
    try:
        bucket = await client.jetstream().create_key_value(bucket="b")
        await bucket.put("key", b"value")
        target = door(server.url.removeprefix("nats://"))
        async with source.opened(SystemClock(), lambda: target, lambda: asking(server.monitor)) as content:
            assert [(one.name, one.in_memory) for one in await content.streams()] == [("KV_b", False)]
            assert await content.held() == Held(account="$G", streams={"$G": ("KV_b",)})
            for gently in (False, True):
                taken: list[bytes] = []

                async def write(chunk: bytes, into: list[bytes] = taken) -> None:
                    into.append(chunk)

                config, state = await content.take("KV_b", write, gently=gently)
                assert (config["name"], state["messages"], b"".join(taken)[:10]) == (
                    "KV_b",
                    1,
                    b"\xff\x06\x00\x00S2sTwO",
                )
            assert [(one.key, one.revision, one.value) for one in await content.bucket("b")] == [("key", 1, b"value")]
        with pytest.raises(TemporaryError, match="no connection"):
            await content.streams()
    finally:
        await client.close()


async def test_without_an_address_it_is_said_what_to_set() -> None:
    """And nobody listening is told as it is."""
    with pytest.raises(PermanentError, match=r"set checks\.nats\.client"):
        async with source.opened(SystemClock(), lambda: door(""), lambda: asking("")):
            pass
    with pytest.raises(TemporaryError, match="no connection"):
        async with source.opened(SystemClock(), lambda: door("127.0.0.1:1"), lambda: asking("")):
            pass


def test_the_files_are_those_of_the_containers(tmp_path: Path) -> None:
    """The compose files that they were made from, each under a name of its own, or those in the stack's folder."""
    made = [container(compose_files=("/srv/a/compose.yml", "/srv/b/compose.yml")), container(compose_files=())]
    assert source.files(tmp_path, made) == StackFiles(
        {
            "config.json": tmp_path / "config.json",
            ".env": tmp_path / ".env",
            "compose.yml": Path("/srv/a/compose.yml"),
            "1-compose.yml": Path("/srv/b/compose.yml"),
        }
    )
    usual = source.files(tmp_path, []).either
    assert usual["docker-compose.yml"] == tmp_path / "docker-compose.yml"
    assert usual["docker-compose.override.yml"] == tmp_path / "docker-compose.override.yml"


def test_the_images_are_named_with_what_they_meant() -> None:
    """By service."""
    assert source.images({"nats": container(image="nats:2.14", image_id="sha256:ab")}) == {
        "nats": "nats:2.14 sha256:ab"
    }
