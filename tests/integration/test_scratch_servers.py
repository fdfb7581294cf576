"""Snapshots given to scratch servers of both generations on the real engine, which leave nothing behind."""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import nats
import pytest
from nats.js.api import ConsumerConfig, StreamSource

from semsupervisor.backup import manifest as manifests
from semsupervisor.backup.comparing import Content
from semsupervisor.backup.disk import Disk
from semsupervisor.backup.folders import Folders
from semsupervisor.backup.manifest import ArchiveEntry, Kind
from semsupervisor.backup.proving import Proof, Proving
from semsupervisor.backup.scratch import Get
from semsupervisor.backup.unpacking import NotPossible
from semsupervisor.backup.verify import Verifier
from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.systems.docker_scratch import OWNER_LABEL
from semsupervisor.systems.http import Answer
from tests.backup.test_hot import Stack, a_workshop, backed_up
from tests.support.engine import Engine
from tests.support.images import DemoImages
from tests.support.nats_server import GENERATIONS, NatsServer
from tests.support.scratch_means import on_engine
from tests.support.snapshot_folder import MANIFEST, entry
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("logs")]

MESSAGES = 1500
DAMAGED = "message 1000"
AT = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)


@pytest.fixture(params=GENERATIONS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NatsServer]:
    """Return a running server of each generation."""
    with NatsServer(request.param, tmp_path / "nats") as one:
        asyncio.run(fill(one.url))
        yield one


async def fill(url: str) -> None:
    """Make streams of which a server could lose something by being started again: by age, by use, by copying."""
    client = await nats.connect(url)
    try:
        jetstream = client.jetstream()
        await jetstream.add_stream(name="EV", subjects=["ev.>"])
        await jetstream.add_stream(name="AGED", subjects=["aged"], max_age=0.2)
        await jetstream.add_stream(name="WORK", subjects=["work"], retention="workqueue")
        await jetstream.add_stream(name="MIRROR", mirror=StreamSource(name="EV"))
        for stream in ("EV", "WORK"):
            wanted: Any = ConsumerConfig(durable_name="reader", ack_policy="explicit")  # type: ignore[arg-type]
            await jetstream.add_consumer(stream, wanted)
        bucket = await jetstream.create_key_value(bucket="settings", history=3)
        for number in range(9):
            await bucket.put("version", str(number).encode())
            await jetstream.publish("work", b"x")
            await jetstream.publish("aged", b"x")
        for number in range(MESSAGES):
            await client.publish("ev.a", f"message {number}".encode())
        await eventually(lambda: holds(client, "EV"), within_seconds=60)
        await eventually(lambda: holds(client, "MIRROR"), within_seconds=60)
        for subject, stream in (("ev.>", "EV"), ("work", "WORK")):
            reader = await jetstream.pull_subscribe(subject, durable="reader", stream=stream)
            for message in await reader.fetch(4):
                await message.ack_sync()
    finally:
        await client.close()


async def holds(client: Any, stream: str) -> bool:
    """Tell whether all messages are in a stream."""
    return bool((await client.jetstream().stream_info(stream)).state.messages == MESSAGES)


class Trying:
    """Gives snapshots in one folder to scratch servers of one image."""

    def __init__(self, engine: Engine, folder: Path, image: str) -> None:
        self._engine = engine
        self._folder = folder
        self._image = image

    async def proved(self, snapshot: Path, get: Get | None = None) -> Proof:
        """Give a snapshot to a server, which is asked by what is given, or else by the usual client."""
        disk = Disk(Folders(snapshot.parent), BlockingCalls())
        async with on_engine(self._folder, self._engine, self._image) as means:
            if get is not None:
                means = msgspec.structs.replace(means, scratch=msgspec.structs.replace(means.scratch, get=get))
            return await Proving(means, disk, snapshot.name, lambda *_: None).prove("level3")

    def left(self) -> list[str]:
        """Return the names of the containers and networks that are there."""
        label = f"label={OWNER_LABEL}={self._folder}"
        containers = self._engine.docker("container", "ls", "--all", "--filter", label, "--format", "{{.Names}}")
        networks = self._engine.docker("network", "ls", "--filter", label, "--format", "{{.Name}}")
        return [*containers.split(), *networks.split()]


@pytest.fixture
def trying(engine: Engine, demo_images: DemoImages, server: NatsServer, tmp_path: Path) -> Trying:
    """Return what tries snapshots out on the same generation."""
    (image,) = (tag for tag in demo_images.tags if tag.endswith(f"nats:{server.generation}"))
    return Trying(engine, tmp_path, image)


async def hot(server: NatsServer, folder: Path) -> Path:
    """Take a hot snapshot and return its folder."""
    folder.mkdir()
    client = await nats.connect(server.url)
    try:
        async with a_workshop(folder, Stack(folder / "stack", client)) as shop:
            job = await backed_up(shop)
            assert job.notes == ()
            return folder / "backup" / str(job.data["snapshot"])
    finally:
        await client.close()


def cold(server: NatsServer, folder: Path, snapshot_id: str = "20260301-030000") -> Path:
    """Make a cold snapshot of a server that was stopped, and return its folder."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(server.folder / "store", "data")
        content_bytes, members = sum(one.size for one in tar.getmembers()), len(tar.getmembers())
    snapshot = folder / snapshot_id
    snapshot.mkdir(parents=True)
    (snapshot / "nats-data.tar.gz").write_bytes(packed.getvalue())
    manifest = msgspec.structs.replace(
        MANIFEST,
        id=snapshot_id,
        kind=Kind.COLD,
        began_at=AT,
        ended_at=AT,
        files={"nats-data.tar.gz": entry(packed.getvalue())},
        streams=(),
        archive=ArchiveEntry(file="nats-data.tar.gz", members=members, content_bytes=content_bytes),
    )
    (snapshot / manifests.FILE_NAME).write_bytes(manifests.encode(manifest))
    return snapshot


def flip(server: NatsServer) -> None:
    """Change one bit of a message in the store."""
    block = server.streams / "EV" / "msgs" / "1.blk"
    content = bytearray(block.read_bytes())
    content[content.index(DAMAGED.encode()) + 3] ^= 1
    block.write_bytes(content)


async def seen_below(snapshot: Path) -> tuple[str, ...]:
    """Return what level 2 finds."""
    disk = Disk(Folders(snapshot.parent), BlockingCalls())
    return (await Verifier(disk).verify(snapshot.name, 2, lambda *_: None)).damage


async def test_a_flipped_byte_in_the_store_is_found(server: NatsServer, trying: Trying, tmp_path: Path) -> None:
    """By a server that reads every record, hot and cold, and by no lower level; a whole snapshot passes."""
    whole = await hot(server, tmp_path / "whole")
    proof = await trying.proved(whole)
    assert (proof.damage, proof.streams["EV"]) == ((), Content(MESSAGES, 1, MESSAGES))
    assert proof.streams["WORK"] == Content(5, 5, 9)
    assert set(proof.streams) == {"EV", "AGED", "WORK", "MIRROR", "KV_settings"}
    await asyncio.to_thread(flip, server)
    snapshot = await hot(server, tmp_path / "damaged")
    assert await seen_below(snapshot) == ()
    lost = "stream EV: of 1500 messages 500 cannot be read, or follow one that cannot be"
    assert lost in (await trying.proved(snapshot)).damage
    await asyncio.to_thread(server.stop)
    stopped = await asyncio.to_thread(cold, server, tmp_path / "cold")
    assert await seen_below(stopped) == ()
    assert lost in (await trying.proved(stopped)).damage
    assert trying.left() == []


async def test_a_cold_snapshot_is_unpacked_and_read(server: NatsServer, trying: Trying, tmp_path: Path) -> None:
    """What it holds is what the server held, wherever the store is; without one nothing is known."""
    await asyncio.to_thread(server.stop)
    snapshot = await asyncio.to_thread(cold, server, tmp_path / "cold")
    proof = await trying.proved(snapshot)
    assert (proof.damage, proof.streams["EV"]) == ((), Content(MESSAGES, 1, MESSAGES))
    nested = server.folder / "away" / "jetstream"
    await asyncio.to_thread(nested.parent.mkdir)
    await asyncio.to_thread(os.rename, server.folder / "store", nested)
    await asyncio.to_thread((nested / "jetstream" / "$G" / "streams" / "EV" / "meta.inf").write_bytes, b"{}")
    await asyncio.to_thread(os.rename, nested.parent, server.folder / "store")
    damaged = await asyncio.to_thread(cold, server, tmp_path / "cold", "20260301-030001")
    proof = await trying.proved(damaged)
    assert proof.damage == ("stream EV: a server that was given its files does not have it",)
    assert set(proof.streams) == {"AGED", "WORK", "MIRROR", "KV_settings"}
    await asyncio.to_thread(os.rename, server.folder / "store", server.folder / "nested")
    await asyncio.to_thread((server.folder / "store").mkdir)
    nothing = await asyncio.to_thread(cold, server, tmp_path / "cold", "20260301-030002")
    with pytest.raises(NotPossible, match="holds no store with streams in it"):
        await trying.proved(nothing)
    assert trying.left() == []


async def test_one_that_is_given_up_leaves_nothing(server: NatsServer, trying: Trying, tmp_path: Path) -> None:
    """Cancelled when it is there, it is removed before the cancellation is through."""
    snapshot = await hot(server, tmp_path / "whole")
    asked = asyncio.Event()

    async def never(*_: object) -> Answer:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with asyncio.TaskGroup() as group:
        task = group.create_task(trying.proved(snapshot, never))
        async with asyncio.timeout(60):
            await asked.wait()
        assert len(await asyncio.to_thread(trying.left)) == 2
        task.cancel()
    assert trying.left() == []
