"""Snapshots of real servers, damaged in each way at each place: every damage is found at the level that claims it."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import nats
import pytest

from semsupervisor.backup import manifest as manifests
from semsupervisor.backup.disk import Disk
from semsupervisor.backup.folders import Folders
from semsupervisor.backup.verify import Verdict, Verifier
from semsupervisor.kit.blocking import BlockingCalls
from tests.backup.test_hot import Stack, a_workshop, backed_up
from tests.support.nats_server import GENERATIONS, NatsServer

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("logs")]

PLACES = 11
Damage = Callable[[Path], object]


@pytest.fixture(params=GENERATIONS, scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a running server of each generation."""
    one = NatsServer(request.param, tmp_path_factory.mktemp("nats"))
    one.start()
    yield one
    one.stop()


async def taken(server: NatsServer, folder: Path) -> Path:
    """Take a snapshot of two streams of the same size, a bucket and two files, and return its folder."""
    client = await nats.connect(server.url)
    try:
        jetstream = client.jetstream()
        for name in ("EV", "EW"):
            await jetstream.add_stream(name=name, subjects=[name])
            for _ in range(20):
                await jetstream.publish(name, os.urandom(1000))
        bucket = await jetstream.create_key_value(bucket="settings")
        await bucket.put("version", b"7")
        async with a_workshop(folder, Stack(folder / "stack", client)) as shop:
            job = await backed_up(shop)
            assert job.notes == ()
            return folder / "backup" / str(job.data["snapshot"])
    finally:
        await client.close()


def flipped(path: str, at: int) -> Damage:
    """Return what flips one bit of a file."""

    def damage(folder: Path) -> None:
        content = bytearray((folder / path).read_bytes())
        content[at] ^= 1 << at % 8
        (folder / path).write_bytes(content)

    return damage


def cut(path: str, length: int) -> Damage:
    """Return what leaves only the beginning of a file."""
    return lambda folder: os.truncate(folder / path, length)


def overwritten(path: str, at: int, length: int) -> Damage:
    """Return what fills a stretch of a file with zeros, as a disk does that lost a sector."""

    def damage(folder: Path) -> None:
        content = bytearray((folder / path).read_bytes())
        stretch = content[at : at + length]
        content[at : at + length] = bytes(b ^ 0xFF for b in stretch) if not any(stretch) else bytes(len(stretch))
        (folder / path).write_bytes(content)

    return damage


def swapped(one: str, other: str) -> Damage:
    """Return what exchanges two files."""

    def damage(folder: Path) -> None:
        (folder / one).rename(folder / "aside")
        (folder / other).rename(folder / one)
        (folder / "aside").rename(folder / other)

    return damage


def edited(**changes: object) -> Damage:
    """Return what changes values in the manifest's text, and leaves it readable."""

    def damage(folder: Path) -> None:
        file = folder / manifests.FILE_NAME
        told = {**msgspec.json.decode(file.read_bytes()), **changes}
        file.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")

    return damage


def damages(folder: Path) -> dict[str, tuple[int, Damage]]:
    """Return each damage by name, with the lowest level that claims to find it."""
    chance = random.Random(folder.name)
    paths = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    found: dict[str, tuple[int, Damage]] = {}
    for path in paths:
        size = (folder / path).stat().st_size
        level = 0 if path == manifests.FILE_NAME else 1
        for at in {0, size - 1, *(chance.randrange(size) for _ in range(PLACES))}:
            found[f"flip {path} at {at}"] = (level, flipped(path, at))
        for length in {size - 1, size // 2}:
            found[f"cut {path} to {length}"] = (0, cut(path, length))
        found[f"empty {path}"] = (0, cut(path, 0))
        found[f"overwrite {path}"] = (level, overwritten(path, size // 3, 512))
        found[f"delete {path}"] = (0, partial(deleted, path))
        found[f"link {path}"] = (0, partial(linked, path))
    for at, one in enumerate(paths):
        for other in paths[at + 1 :]:
            same_size = (folder / one).stat().st_size == (folder / other).stat().st_size
            found[f"swap {one} and {other}"] = (1 if same_size else 0, swapped(one, other))
    told = msgspec.json.decode((folder / manifests.FILE_NAME).read_bytes())
    found |= {
        "a file more": (0, lambda folder: (folder / "streams/EV/more").write_bytes(b"x")),
        "a folder's link more": (0, lambda folder: (folder / "streams/EX").symlink_to(folder / "streams/EV")),
        "edit streams": (0, edited(streams=told["streams"][:1])),
        "edit files": (0, edited(files={})),
        "edit left_out": (0, edited(left_out=[])) if told["left_out"] else (0, edited(left_out=["x"])),
        "edit note": (0, edited(note="another")),
        "edit id": (0, edited(id="20200101-020000")),
        "edit version": (0, edited(version=2)),
        "edit began_at": (0, edited(began_at="2020-01-01T00:00:00Z")),
    }
    return found


def deleted(path: str, folder: Path) -> None:
    """Remove a file."""
    (folder / path).unlink()


def torn_blocks(content: bytes) -> dict[str, bytes]:
    """Return a block of the server's store in each way that a disk may leave it."""
    return {
        "short by 100 bytes": content[:-100],
        "halved": content[: len(content) // 2],
        "4 KiB lost": content[:5000] + bytes(4096) + content[9096:],
        "empty": b"",
    }


async def test_what_was_damaged_in_the_store_is_found_by_its_messages(server: NatsServer, tmp_path: Path) -> None:
    """The server copies it as it is: level 1 sees nothing wrong, level 2 does; a single byte is for a later level."""
    snapshot = await taken(server, tmp_path)
    assert await verified(snapshot, 2) == Verdict(2, (), (await verified(snapshot, 1)).bytes_read)
    block = server.streams / "EV" / "msgs" / "1.blk"
    whole = await asyncio.to_thread(block.read_bytes)
    client = await nats.connect(server.url)
    try:
        for number, (name, torn) in enumerate(torn_blocks(whole).items()):
            await asyncio.to_thread(block.write_bytes, torn)
            folder = tmp_path / str(number)
            await asyncio.to_thread(folder.mkdir)
            async with a_workshop(folder, Stack(folder / "stack", client)) as shop:
                job = await backed_up(shop)
            if job.notes:
                assert "stream EV is not in it" in job.notes[0], name
                continue
            copy = folder / "backup" / str(job.data["snapshot"])
            assert (await verified(copy, 1)).damage == (), name
            damage = (await verified(copy, 2)).damage
            assert [text.partition(":")[0] for text in damage] == ["streams/EV/stream.tar.s2"], name
    finally:
        await asyncio.to_thread(block.write_bytes, whole)
        await client.close()


def linked(path: str, folder: Path) -> None:
    """Put a link to the same content in a file's place."""
    file = folder / path
    aside = folder.parent / f"aside-{file.name}"
    file.rename(aside)
    file.symlink_to(aside)


async def verified(folder: Path, level: int) -> Verdict:
    """Verify a snapshot."""
    disk = Disk(Folders(folder.parent), BlockingCalls())
    return await Verifier(disk).verify(folder.name, level, lambda *_: None)


async def test_every_damage_is_found_at_its_level(server: NatsServer, tmp_path: Path) -> None:
    """And at each above it; the snapshot itself is found well at all of them."""
    snapshot = await taken(server, tmp_path)
    table = await asyncio.to_thread(damages, snapshot)
    assert len(table) >= 200
    for level in (0, 1):
        assert (await verified(snapshot, level)).damage == ()
    missed: list[str] = []
    for number, (name, (claimed, damage)) in enumerate(table.items()):
        copy = tmp_path / f"copy-{number}" / snapshot.name
        await asyncio.to_thread(shutil.copytree, snapshot, copy)
        await asyncio.to_thread(damage, copy)
        looks = {level: await verified(copy, level) for level in range(claimed, 2)}
        missed += [f"{name} at level {level}" for level, look in looks.items() if not look.damage]
        await asyncio.to_thread(shutil.rmtree, copy.parent)
    assert missed == []
