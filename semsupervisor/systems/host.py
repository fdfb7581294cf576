"""The host itself: its file systems and how they are, its name, its boot, and whether it is shutting down."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

MOUNTS = Path("/proc/self/mountinfo")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# Always full, by nature.
READ_ONLY_MEDIA = frozenset({"cramfs", "erofs", "iso9660", "romfs", "squashfs", "udf"})


# What the options of a file system say when nothing can be written to it: mounted so, or turned so by the kernel after
# an error (before Linux 6.15 that was `ro` as well).
READ_ONLY_OPTIONS = frozenset({"ro", "emergency_ro", "shutdown"})

_SPECIAL = re.compile(r"\\([0-7]{3})")


class Mount(msgspec.Struct, frozen=True):
    """One line of the mount table: what is mounted, where, of which kind, and whether it can be written to.

    `read_only` is of the file system itself: a hardened service sees most mounts read-only that are not.
    """

    device: str
    point: str
    kind: str
    read_only: bool = False


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """How full a file system is, as `df` counts: ratios are 0 to 1, and what is reserved for root is not free.

    `inodes_used_ratio` is None where inodes are made as they are needed.
    """

    size_bytes: int
    free_bytes: int
    used_ratio: float
    inodes_used_ratio: float | None


class Filesystem(msgspec.Struct, frozen=True):
    """The file system of a path by its mount point, how full it is, and whether the path is there."""

    point: str
    usage: Usage
    read_only: bool = False
    has_path: bool = True


def mounts() -> tuple[Mount, ...]:
    """Return the mount table, later mounts last. It asks the kernel, and no file system. Raises: OSError."""
    return parse_mounts(MOUNTS.read_text(errors="surrogateescape"))


def parse_mounts(text: str) -> tuple[Mount, ...]:
    """Return what a mountinfo file of proc(5) says."""
    return tuple(_mount(line) for line in text.splitlines())


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
    real = os.path.realpath(path)
    mount = carrier(real, table)
    if mount is None or mount.kind in READ_ONLY_MEDIA:
        return None
    status = os.statvfs(mount.point)
    if not status.f_blocks:
        return None
    return Filesystem(mount.point, _usage(status), mount.read_only, has_path=Path(real).exists())


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


def _mount(line: str) -> Mount:
    """The optional fields in the middle end with a dash."""
    first, _, second = line.partition(" - ")
    kind, device, options = second.split(" ")[:3]
    read_only = not READ_ONLY_OPTIONS.isdisjoint(options.split(","))
    return Mount(_plain(device), _plain(first.split(" ")[4]), kind, read_only)


def _plain(text: str) -> str:
    """The kernel writes spaces, tabs, line ends and backslashes as octal numbers."""
    return _SPECIAL.sub(lambda found: chr(int(found[1], 8)), text)


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
