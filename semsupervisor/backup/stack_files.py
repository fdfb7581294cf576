"""Copies the stack's own files into a snapshot: each as it is, and each that is not there is named."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import msgspec

from semsupervisor.backup.copying import write_whole
from semsupervisor.backup.disk import ANSWER_SECONDS, SYNC_SECONDS, Disk
from semsupervisor.backup.manifest import FileEntry, LeftOut
from semsupervisor.kit.blocking import BlockingCalls, Hanging
from semsupervisor.kit.text import listed

LARGEST_FILE_BYTES = 16 * 2**20


class StackFiles(msgspec.Struct, frozen=True):
    """The files of a stack by their names in a snapshot; of `either` those that are there, one at least."""

    every: Mapping[str, Path]
    either: Mapping[str, Path] = {}


class Copied(msgspec.Struct, frozen=True):
    """What became of them."""

    files: Mapping[str, FileEntry]
    left_out: tuple[LeftOut, ...]


async def copy_files(files: StackFiles, target: Path, disk: Disk, calls: BlockingCalls) -> Copied:
    """Copy them below a folder. One that is there and cannot be read is a fault. Raises: TargetUnusable."""
    copied: dict[str, FileEntry] = {}
    left_out: list[LeftOut] = []
    for name, file in {**files.every, **files.either}.items():
        try:
            content = await calls.run(f"file {file}", partial(_content, file), ANSWER_SECONDS)
        except FileNotFoundError:
            if name in files.every:
                left_out.append(LeftOut(f"file {file}", "it is not there", is_fault=False))
        except OSError as error:
            left_out.append(LeftOut(f"file {file}", error.strerror or str(error), is_fault=True))
        except Hanging as error:
            left_out.append(LeftOut(f"file {file}", str(error), is_fault=True))
        else:
            copied[name] = await disk.do(partial(write_whole, target / name, content), SYNC_SECONDS)
    if files.either and not any(name in copied for name in files.either):
        named = listed(dict.fromkeys(file.name for file in files.either.values()))
        folder = next(iter(files.either.values())).parent
        left_out.append(LeftOut("a compose file", f"in {folder} there is no {named}", is_fault=False))
    return Copied(copied, tuple(left_out))


def _content(source: Path) -> bytes:
    """Return a file of the stack as it is. Raises: OSError when it cannot be read."""
    with source.open("rb") as opened:
        content = opened.read(LARGEST_FILE_BYTES + 1)
    if len(content) > LARGEST_FILE_BYTES:
        raise OSError(0, f"it is larger than {LARGEST_FILE_BYTES // 2**20} MiB, which no configuration is")
    return content
