"""A stream comes over whole or not at all, from servers of both generations, however slow the target."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.js.api import StorageType

from semsupervisor.backup.framing import FrameWalk
from semsupervisor.systems import snapshots
from semsupervisor.systems.snapshots import SnapshotBroken, SnapshotRefused, TargetTooSlow, take
from tests.support.nats_connection import connected
from tests.support.nats_server import GENERATIONS, NatsServer
from tests.support.waiting import eventually

MESSAGES = 2000


@pytest.fixture(params=GENERATIONS, scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a running server of each generation."""
    one = NatsServer(request.param, tmp_path_factory.mktemp("nats"))
    one.start()
    yield one
    one.stop()


async def filled(client: Client, name: str, messages: int = MESSAGES, size: int = 4096) -> None:
    """Make a stream with so many messages that cannot be compressed."""
    await client.jetstream().add_stream(name=name, subjects=[f"{name}.>"])
    for _ in range(messages):
        await client.publish(f"{name}.a", os.urandom(size))

    async def stored() -> bool:
        return (await client.jetstream().stream_info(name)).state.messages == messages

    await eventually(stored)


class Target:
    """Takes chunks, walks their frames, and can be slow."""

    def __init__(self, pause_seconds: float = 0.0) -> None:
        self.walk = FrameWalk()
        self.bytes = 0
        self._pause_seconds = pause_seconds

    async def write(self, chunk: bytes) -> None:
        """Take one."""
        self.walk.feed(chunk)
        self.bytes += len(chunk)
        await asyncio.sleep(self._pause_seconds)


async def test_a_snapshot_is_whole(server: NatsServer) -> None:
    """It begins with what the server says of the stream, and its frames end where the last chunk does."""
    async with connected(server) as client, connected(server) as other:
        await filled(client, "WHOLE")
        await client.jetstream().add_consumer("WHOLE", durable_name="reader", ack_policy="explicit")
        target = Target()
        begun = await take(other, "WHOLE", target.write)
        target.walk.end()
        assert (begun.config["name"], begun.state["messages"], begun.state["consumer_count"]) == ("WHOLE", MESSAGES, 1)
        assert target.bytes > MESSAGES * 4096


@pytest.mark.parametrize("chunk_bytes", [snapshots.CHUNK_BYTES, snapshots.SMALL_CHUNK_BYTES])
async def test_a_slow_target_holds_the_server_back(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    """Little waits in memory, and nothing is lost."""
    monkeypatch.setattr(snapshots, "MOST_QUEUED_BYTES", 512 * 1024)
    monkeypatch.setattr(snapshots, "SIGN_OF_LIFE_SECONDS", 0.05)
    async with connected(server) as client, connected(server) as other:
        name = f"SLOW{chunk_bytes}"
        await filled(client, name)
        target = Target(pause_seconds=0.005)
        await take(other, name, target.write, chunk_bytes=chunk_bytes)
        target.walk.end()
        assert target.bytes > MESSAGES * 4096


async def test_a_target_that_stands_still_is_given_up(server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than to fill the memory; nothing is written any more then."""
    writing: list[bool] = []

    async def stand_still(_: bytes) -> None:
        writing.append(True)
        try:
            await asyncio.Event().wait()
        finally:
            writing.pop()

    monkeypatch.setattr(snapshots, "MOST_QUEUED_BYTES", 256 * 1024)
    monkeypatch.setattr(snapshots, "MOST_HELD_BYTES", 512 * 1024)
    monkeypatch.setattr(snapshots, "SIGN_OF_LIFE_SECONDS", 0.01)
    async with connected(server) as client, connected(server) as other:
        await filled(client, "STILL")
        with pytest.raises(TargetTooSlow, match="took nothing"):
            await take(other, "STILL", stand_still)
        assert writing == []


async def test_an_error_of_the_target_ends_it(server: NatsServer) -> None:
    """It is raised as it is, and the server takes the next request."""

    async def full(_: bytes) -> None:
        raise OSError(28, "No space left on device")

    async with connected(server) as client, connected(server) as other:
        await filled(client, "FULL", messages=500)
        with pytest.raises(OSError, match="No space"):
            await take(other, "FULL", full)
    async with connected(server) as again:
        target = Target()
        await take_when_free(again, "FULL", target)
        target.walk.end()


async def take_when_free(client: Client, name: str, target: Target) -> None:
    """Take a snapshot as soon as the server has seen that nobody listens to the last one."""
    for _ in range(200):
        try:
            await take(client, name, target.write)
        except SnapshotBroken as error:
            assert "under way" in str(error)  # noqa: PT017 - any other is a failure of the test
            await asyncio.sleep(0.05)
        else:
            return
    raise AssertionError("the server says for ever that a snapshot is under way")


async def test_what_has_no_snapshot_is_refused(server: NatsServer) -> None:
    """A stream that is not there, and one in memory: each with the server's words."""
    async with connected(server) as client:
        await client.jetstream().add_stream(name="MEM", subjects=["mem.>"], storage=StorageType.MEMORY)
        with pytest.raises(SnapshotRefused, match="there is no stream NONE"):
            await take(client, "NONE", Target().write)
        with pytest.raises(SnapshotRefused, match="gives no snapshot of MEM"):
            await take(client, "MEM", Target().write)


async def test_without_jetstream_there_is_none(tmp_path: Path) -> None:
    """Nobody answers the request."""
    bare = NatsServer("2.14", tmp_path / "bare", jetstream=False)
    await asyncio.to_thread(bare.start)
    try:
        async with connected(bare) as client:
            with pytest.raises(SnapshotRefused, match="no JetStream"):
                await take(client, "ANY", Target().write)
    finally:
        await asyncio.to_thread(bare.stop)


@pytest.mark.parametrize("generation", GENERATIONS)
async def test_a_server_that_dies_breaks_it(generation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is an error, soon, and never a snapshot."""
    monkeypatch.setattr(snapshots, "SILENCE_SECONDS", 1.0)
    monkeypatch.setattr(snapshots, "MOST_QUEUED_BYTES", 256 * 1024)
    server = NatsServer(generation, tmp_path / "nats")
    await asyncio.to_thread(server.start)
    target = Target()

    async def killing(chunk: bytes) -> None:
        await target.write(chunk)
        if target.bytes == len(chunk):
            await asyncio.to_thread(server.stop)

    async with connected(server) as client, connected(server) as other:
        await filled(client, "DIES", messages=12_000)
        with pytest.raises(SnapshotBroken, match="broke off"):
            await take(other, "DIES", killing)
