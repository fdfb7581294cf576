"""The stack's files are copied as they are, and what is not there is named."""

from __future__ import annotations

import asyncio
from pathlib import Path

from semsupervisor.backup import stack_files
from semsupervisor.backup.disk import Disk
from semsupervisor.backup.folders import Folders
from semsupervisor.backup.stack_files import Copied, StackFiles, copy_files
from semsupervisor.kit.blocking import BlockingCalls


async def copied(folder: Path, files: StackFiles) -> Copied:
    """Copy files into a folder beside theirs."""
    calls = BlockingCalls()
    return await copy_files(files, folder / "into", Disk(Folders(folder), calls), calls)


async def test_each_is_copied_or_named(tmp_path: Path) -> None:
    """One that is not there is no fault, one that cannot be read is; a folder is none."""
    await asyncio.to_thread((tmp_path / "a").write_bytes, b"A=1")
    await asyncio.to_thread((tmp_path / "folder").mkdir)
    await asyncio.to_thread((tmp_path / "huge").write_bytes, bytes(stack_files.LARGEST_FILE_BYTES + 1))
    done = await copied(tmp_path, StackFiles({name: tmp_path / name for name in ("a", "none", "folder", "huge")}))
    assert (list(done.files), done.files["a"].size_bytes) == (["a"], 3)
    assert [(left.what, left.is_fault) for left in done.left_out] == [
        (f"file {tmp_path / 'none'}", False),
        (f"file {tmp_path / 'folder'}", True),
        (f"file {tmp_path / 'huge'}", True),
    ]
    assert "larger than 16 MiB" in done.left_out[2].why


async def test_of_some_one_is_enough(tmp_path: Path) -> None:
    """Compose takes the first that is there; where none is, that is named once."""
    either = {name: tmp_path / name for name in ("compose.yml", "docker-compose.yml")}
    done = await copied(tmp_path, StackFiles({}, either))
    assert [(left.what, left.why, left.is_fault) for left in done.left_out] == [
        ("a compose file", f"in {tmp_path} there is no compose.yml or docker-compose.yml", False)
    ]
    await asyncio.to_thread((tmp_path / "docker-compose.yml").write_bytes, b"services: {}")
    done = await copied(tmp_path, StackFiles({}, either))
    assert (list(done.files), done.left_out) == (["docker-compose.yml"], ())
