"""A stream comes back as it was or not at all, on servers of both generations."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError

from semsupervisor.systems import restoring
from semsupervisor.systems.restoring import RestoreBroken, RestoreRefused, give
from semsupervisor.systems.snapshots import Begun, take
from tests.support.nats_connection import connected
from tests.support.nats_server import GENERATIONS, NatsServer
from tests.support.waiting import eventually

MESSAGES = 400


@pytest.fixture(params=GENERATIONS, scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a running server of each generation."""
    with NatsServer(request.param, tmp_path_factory.mktemp("nats")) as one:
        yield one


class Taken:
    """A snapshot in the memory, read as one on a disk is."""

    def __init__(self, begun: Begun, content: bytes) -> None:
        self.begun = begun
        self.content = content
        self.longest = 0
        self._at = 0

    async def read(self, most_bytes: int) -> bytes:
        """Return the next piece."""
        piece = self.content[self._at : self._at + most_bytes]
        self._at += len(piece)
        self.longest = max(self.longest, len(piece))
        return piece


async def taken(client: Client, name: str) -> Taken:
    """Make a stream of messages that cannot be compressed, with a consumer, and return its snapshot."""
    jetstream = client.jetstream()
    await jetstream.add_stream(name=name, subjects=[f"{name}.>"])
    await jetstream.add_consumer(name, durable_name="reader", ack_policy="explicit")
    for _ in range(MESSAGES):
        await client.publish(f"{name}.a", os.urandom(4096))

    async def stored() -> bool:
        return (await jetstream.stream_info(name)).state.messages == MESSAGES

    await eventually(stored, within_seconds=60)
    pieces: list[bytes] = []

    async def write(piece: bytes) -> None:
        pieces.append(piece)

    return Taken(await take(client, name, write), b"".join(pieces))


async def delete(client: Client, name: str) -> None:
    """Delete a stream."""
    await client.jetstream().delete_stream(name)


async def test_a_stream_comes_back_as_it_was(server: NatsServer) -> None:
    """Deleted and given back it has its messages, sequences and consumer; it went over in pieces."""
    async with connected(server) as client:
        snapshot = await taken(client, "BACK")
        before = (await client.jetstream().stream_info("BACK")).state
        await delete(client, "BACK")
        after = await give(client, snapshot.begun.config, snapshot.begun.state, snapshot.read)
        for fact in ("messages", "first_seq", "last_seq", "consumer_count"):
            assert after.state[fact] == getattr(before, fact)
        assert snapshot.longest == restoring.CHUNK_BYTES < len(snapshot.content)


async def test_what_is_there_or_broken_is_refused(server: NatsServer) -> None:
    """A stream that is there stays as it is, and an archive that breaks off leaves none."""
    async with connected(server) as client:
        snapshot = await taken(client, "THERE")
        with pytest.raises(RestoreRefused, match="THERE is there already"):
            await give(client, snapshot.begun.config, snapshot.begun.state, snapshot.read)
        await delete(client, "THERE")
        cut = Taken(snapshot.begun, snapshot.content[:-1000])
        with pytest.raises(RestoreRefused, match="does not take the stream THERE"):
            await give(client, cut.begun.config, cut.begun.state, cut.read)
        with pytest.raises(NotFoundError):
            await client.jetstream().stream_info("THERE")


async def test_subjects_of_another_stream_are_said(server: NatsServer) -> None:
    """Two streams cannot take one subject: that is what is said."""
    async with connected(server) as client:
        snapshot = await taken(client, "FIRST")
        await delete(client, "FIRST")
        await client.jetstream().add_stream(name="SECOND", subjects=["FIRST.>"])
        with pytest.raises(RestoreRefused, match="another stream takes subjects of FIRST"):
            await give(client, snapshot.begun.config, snapshot.begun.state, snapshot.read)
        await delete(client, "SECOND")


async def test_without_jetstream_nothing_is_taken(tmp_path: Path) -> None:
    """Nobody answers the request."""
    with NatsServer("2.14", tmp_path / "bare", jetstream=False) as bare:
        async with connected(bare) as client:
            with pytest.raises(RestoreRefused, match="no JetStream"):
                await give(client, {"name": "ANY"}, {}, Taken(Begun({}, {}), b"").read)


async def test_what_a_server_objects_to_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody in the place of JetStream refuses whatever can be refused, is gone in the middle, or says nothing."""
    error = b'{"error": {"code": 500, "err_code": 10062, "description": "the disk is full"}}'
    answers = {"BEGUN": b'{"deliver_subject": "pieces"}', "GONE": b'{"deliver_subject": "nobody"}'}
    piece = Taken(Begun({}, {}), b"x")

    async def answer(asked: Msg) -> None:
        name = asked.subject.rpartition(".")[2]
        if name != "SILENT":
            await asked.respond(answers.get(name, error))

    with NatsServer("2.14", tmp_path / "bare", jetstream=False) as bare:
        async with connected(bare) as client:
            for subject in ("$JS.API.>", "pieces"):
                await client.subscribe(subject, cb=answer)
            # Over one connection the server knows of both before it gets the first request.
            with pytest.raises(RestoreRefused, match=r"does not take the stream A: the disk is full \(10062\)"):
                await give(client, {"name": "A"}, {}, piece.read)
            with pytest.raises(RestoreRefused, match="the disk is full"):
                await give(client, {"name": "BEGUN"}, {}, piece.read)
            with pytest.raises(RestoreBroken, match="has given the restore of GONE up"):
                await give(client, {"name": "GONE"}, {}, piece.read)
            monkeypatch.setattr(restoring, "REQUEST_SECONDS", 0.1)
            with pytest.raises(RestoreBroken, match="SILENT: no answer of the server"):
                await give(client, {"name": "SILENT"}, {}, piece.read)


@pytest.mark.parametrize("generation", GENERATIONS)
async def test_a_server_that_dies_breaks_it(generation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is an error that may pass, and never a stream."""
    monkeypatch.setattr(restoring, "CHUNK_SECONDS", 1.0)
    server = NatsServer(generation, tmp_path / "nats")
    await asyncio.to_thread(server.start)
    try:
        async with connected(server) as client:
            snapshot = await taken(client, "DIES")
            await delete(client, "DIES")

            async def killing(most_bytes: int) -> bytes:
                if snapshot.longest:
                    await asyncio.to_thread(server.stop)
                return await snapshot.read(most_bytes)

            with pytest.raises(RestoreBroken, match="DIES"):
                await give(client, snapshot.begun.config, snapshot.begun.state, killing)
            await client.close()
            with pytest.raises(RestoreBroken, match="DIES"):
                await give(client, snapshot.begun.config, snapshot.begun.state, snapshot.read)
    finally:
        await asyncio.to_thread(server.stop)
