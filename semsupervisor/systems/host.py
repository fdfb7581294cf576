"""The host itself: its file systems and how full they are, its name, its boot, and whether it is shutting down."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import psutil

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# Always full, by nature.
READ_ONLY_MEDIA = frozenset({"cramfs", "erofs", "iso9660", "romfs", "squashfs", "udf"})


class Mount(msgspec.Struct, frozen=True):
    """One line of the mount table: what is mounted, where, and of which kind."""

    device: str
    point: str
    kind: str


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """How full a file system is, as `df` counts: ratios are 0 to 1, and what is reserved for root is not free.

    `inodes_used_ratio` is None where inodes are made as they are needed.
    """

    size_bytes: int
    free_bytes: int
    used_ratio: float
    inodes_used_ratio: float | None


class Filesystem(msgspec.Struct, frozen=True):
    """A file system by its mount point, and how full it is."""

    point: str
    usage: Usage


def mounts() -> tuple[Mount, ...]:
    """Return the mount table, later mounts last. It asks the kernel, and no file system. Raises: OSError."""
    return tuple(Mount(one.device, one.mountpoint, one.fstype) for one in psutil.disk_partitions(all=True))


def carrier(path: str, table: Sequence[Mount]) -> Mount | None:
    """Return the mount that carries an absolute path without links, under its shortest name.

    The same device may be mounted a second time further down, as systemd does for the folders that a hardened service
    may write to; that is the same file system.
    """
    above = [mount for mount in table if _is_within(path, mount.point)]
    deepest = max(reversed(above), key=lambda mount: len(mount.point), default=None)
    if deepest is None or not _names_one_file_system(deepest.device):
        return deepest
    same = [mount for mount in above if (mount.device, mount.kind) == (deepest.device, deepest.kind)]
    return min(same, key=lambda mount: len(mount.point))


def filesystem_of(path: str, table: Sequence[Mount]) -> Filesystem | None:
    """Return the file system that carries a path, or would if the path existed; None when it cannot fill.

    It blocks as long as the file system does. Raises: OSError.
    """
    mount = carrier(os.path.realpath(path), table)
    if mount is None or mount.kind in READ_ONLY_MEDIA:
        return None
    status = os.statvfs(mount.point)
    return Filesystem(mount.point, _usage(status)) if status.f_blocks else None


def boot_id() -> str:
    """Return what the kernel drew by lot at this boot. Raises: OSError."""
    return BOOT_ID.read_text().strip()


async def is_shutting_down(timeout_seconds: float = 1.0) -> bool:
    """Tell whether systemd is about to halt or restart the host; False where there is no systemd to ask."""
    try:
        asked = await asyncio.create_subprocess_exec(
            "systemctl",
            "is-system-running",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return False
    try:
        async with asyncio.timeout(timeout_seconds):
            said, _ = await asked.communicate()
    except TimeoutError:
        return False
    finally:
        if asked.returncode is None:
            asked.kill()
            await asked.wait()
    return said.strip() == b"stopping"


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _names_one_file_system(device: str) -> bool:
    """Tell a block device or a server's export from words such as `tmpfs` and `overlay`, which many mounts share."""
    return device.startswith("/") or ":" in device


def _usage(status: os.statvfs_result) -> Usage:
    used, free = status.f_blocks - status.f_bfree, status.f_bavail
    return Usage(
        size_bytes=status.f_blocks * status.f_frsize,
        free_bytes=free * status.f_frsize,
        used_ratio=used / (used + free) if used + free else 1.0,
        inodes_used_ratio=1 - status.f_ffree / status.f_files if status.f_files else None,
    )
