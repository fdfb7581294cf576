"""Each level finds what it claims to find, and an untouched snapshot is found well at each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import pytest

from semsupervisor.backup import manifest as manifests
from semsupervisor.backup.disk import Disk
from semsupervisor.backup.folders import PIECE_BYTES, Folders, NoSnapshot
from semsupervisor.backup.manifest import FileEntry
from semsupervisor.backup.verify import Verdict, Verifier
from semsupervisor.kit.blocking import BlockingCalls
from tests.support.archives import archive
from tests.support.snapshot_folder import ARCHIVE, MANIFEST, STREAM, entry, whole
from tests.support.waiting import eventually


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a whole snapshot."""
    return whole(tmp_path)


def verifier(folder: Path) -> Verifier:
    """Return what verifies the snapshots beside one."""
    return Verifier(Disk(Folders(folder.parent), BlockingCalls()))


async def verified(folder: Path, level: int) -> Verdict:
    """Verify a snapshot."""
    return await verifier(folder).verify(folder.name, level, lambda *_: None)


async def test_a_whole_snapshot_is_well(folder: Path) -> None:
    """Every byte was read at level 1, none at level 0."""
    assert await verified(folder, 0) == Verdict(0, (), 0)
    assert await verified(folder, 1) == Verdict(1, (), len(ARCHIVE) + 3)


def rewritten(**changes: object) -> Callable[[Path], object]:
    """Return what writes another manifest."""
    content = manifests.encode(msgspec.structs.replace(MANIFEST, **changes))
    return lambda folder: (folder / manifests.FILE_NAME).write_bytes(content)


@pytest.mark.parametrize(
    ("level", "damage", "found"),
    [
        (0, lambda at: (at / manifests.FILE_NAME).unlink(), "manifest.json is missing"),
        (0, lambda at: (at / manifests.FILE_NAME).write_bytes(b"{"), "manifest.json cannot be read"),
        (0, rewritten(version=9), "it is of version 9"),
        (0, rewritten(id="20250101-000000"), "manifest.json is that of 20250101-000000"),
        (0, lambda at: (at / STREAM).unlink(), f"{STREAM} is missing"),
        (0, lambda at: (at / STREAM).write_bytes(b""), f"{STREAM} has 0 bytes instead of {len(ARCHIVE)}"),
        (0, lambda at: (at / STREAM).write_bytes(ARCHIVE[:-1]), f"{STREAM} has {len(ARCHIVE) - 1} bytes"),
        (0, lambda at: (at / "extra").write_bytes(b"x"), "extra is not in the manifest"),
        (1, lambda at: (at / STREAM).write_bytes(ARCHIVE[:-1] + b"A"), f"{STREAM} has another content"),
        (1, rewritten(files={**MANIFEST.files, ".env": FileEntry(3, "00")}), ".env has another content"),
    ],
)
async def test_damage_is_found_at_its_level(
    folder: Path, level: int, damage: Callable[[Path], object], found: str
) -> None:
    """And at the level above; below it is not claimed to be."""
    await asyncio.to_thread(damage, folder)
    if level:
        assert (await verified(folder, 0)).damage == ()
    for looked_at in {level, 1}:
        verdict = await verified(folder, looked_at)
        assert [text for text in verdict.damage if text.startswith(found)]


@pytest.mark.parametrize(
    ("content", "blocks", "found"),
    [
        (ARCHIVE[:-1], 1, "is no whole archive"),
        (b"x" * 30, 1, "is no whole archive"),
        (ARCHIVE, 2, "has 1 blocks"),
        (archive({"meta.inf": b"{}"}), 1, "has 3072 bytes unpacked instead of"),
        (archive({"errors.txt": b"no such file"}), 1, "is no whole archive: the server could not read all of it"),
    ],
)
async def test_an_archive_that_was_never_whole_is_found(folder: Path, content: bytes, blocks: int, found: str) -> None:
    """Its checksum agrees, for it was written so."""
    stream = msgspec.structs.replace(MANIFEST.streams[0], blocks=blocks)
    await asyncio.to_thread((folder / STREAM).write_bytes, content)
    await asyncio.to_thread(rewritten(files={**MANIFEST.files, STREAM: entry(content)}, streams=(stream,)), folder)
    (text,) = (await verified(folder, 1)).damage
    assert text.startswith(f"{STREAM} {found}")


async def test_only_a_snapshot_is_verified(folder: Path) -> None:
    """Another name is an error, and no damage."""
    with pytest.raises(NoSnapshot):
        await verifier(folder).verify("20250101-000000", 1, lambda *_: None)


async def test_a_long_look_can_be_cut_short(folder: Path) -> None:
    """Between two pieces of a file, which is closed then; how far the look is, is said after each."""
    large = b"x" * 5 * PIECE_BYTES
    await asyncio.to_thread((folder / ".env").write_bytes, large)
    await asyncio.to_thread(rewritten(files={**MANIFEST.files, ".env": entry(large)}), folder)
    passed: list[float] = []

    def progress(done: float, total: float | None, unit: str) -> None:
        passed.append(done)
        if len(passed) == 2:
            looking.cancel()

    looking = asyncio.create_task(verifier(folder).verify(folder.name, 1, progress))
    with pytest.raises(asyncio.CancelledError):
        await looking
    assert passed == [PIECE_BYTES, 2 * PIECE_BYTES]
    await eventually(lambda: str(folder / ".env") not in open_files())
    assert (await verified(folder, 1)).damage == ()


def open_files() -> set[str]:
    """Return the names of the files that this process has open."""
    return {file.path for file in psutil.Process().open_files()}
