"""The host: which mount carries a path, how full it is, and what the host says of itself."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.systems import host
from semsupervisor.systems.host import READ_ONLY_MEDIA, Mount
from tests.support.commands import run

ROOT = Mount("/dev/sda2", "/", "ext4")
VAR = Mount("/dev/sdb1", "/var", "xfs")
TABLE = (
    Mount("proc", "/proc", "proc"),
    ROOT,
    Mount("tmpfs", "/run", "tmpfs"),
    Mount("tmpfs", "/run/lock", "tmpfs"),
    VAR,
    Mount("overlay", "/var/lib/docker/overlay2/ab/merged", "overlay"),
    Mount("/dev/sdb1", "/var/lib/semsupervisor", "xfs"),
    Mount("/dev/sda2", "/home", "ext4"),
    Mount("nas:/backup", "/backup", "nfs4"),
    Mount("nas:/backup", "/backup/old", "nfs4"),
)


@pytest.mark.parametrize(
    ("path", "point"),
    [
        ("/", "/"),
        ("/opt/semstreams", "/"),
        ("/var/lib/docker", "/var"),
        ("/variable", "/"),
        ("/var/lib/semsupervisor/state.db", "/var"),
        ("/home/me", "/"),
        ("/run/semsupervisor", "/run"),
        ("/run/lock/x", "/run/lock"),
        ("/backup/old/2026", "/backup"),
        ("/var/lib/docker/overlay2/ab/merged/etc", "/var/lib/docker/overlay2/ab/merged"),
    ],
)
def test_a_path_is_carried_by_its_file_system(path: str, point: str) -> None:
    """The deepest mount above a path carries it, named by the shortest mount of the same device above."""
    carried = host.carrier(path, TABLE)
    assert carried is not None
    assert carried.point == point


def test_a_mount_over_another_counts() -> None:
    """Of two mounts on one point the later one is seen."""
    table = (ROOT, VAR, Mount("/dev/sdc1", "/var", "ext4"))
    assert host.carrier("/var/lib", table) == Mount("/dev/sdc1", "/var", "ext4")


def test_without_a_table_nothing_carries() -> None:
    """A path above which nothing is mounted has no file system."""
    assert host.carrier("/x", ()) is None
    assert host.filesystem_of("/x", ()) is None


@given(
    st.lists(st.sampled_from(["/", "/a", "/a/b", "/a/b/c", "/ab", "/b"]), min_size=1),
    st.sampled_from(["/", "/a/b/c/d", "/a", "/ab/c", "/b/a"]),
)
def test_the_carrier_lies_above(points: list[str], path: str) -> None:
    """Whatever is mounted, what carries a path is a mount above it."""
    table = [Mount(f"/dev/{number}", point, "ext4") for number, point in enumerate(points)]
    carried = host.carrier(path, table)
    above = {point for point in points if Path(path).is_relative_to(point)}
    assert (carried.point if carried else None) == max(above, key=len, default=None)


def test_how_full_a_file_system_is(tmp_path: Path) -> None:
    """Sizes and shares are those that df prints."""
    found = host.filesystem_of(str(tmp_path / "not" / "there"), host.mounts())
    assert found is not None
    columns = "--output=target,size,avail,used,iused,itotal"
    *_, size, free, used, inodes_used, inodes = run(["df", "-B1", columns, tmp_path]).stdout.split()
    assert found.usage.size_bytes == int(size)
    assert found.usage.free_bytes == pytest.approx(int(free), abs=50_000_000)
    assert found.usage.used_ratio == pytest.approx(int(used) / (int(used) + int(free)), abs=0.01)
    if int(inodes):
        assert found.usage.inodes_used_ratio == pytest.approx(int(inodes_used) / int(inodes), abs=0.01)


# As a kernel 6.18 writes them: a plain root, a mount of it that a sandbox made read-only, an ext4 that failed, an image
# mounted read-only, a folder with a space and a backslash, and an xfs that ended itself.
MOUNTINFO = """\
25 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw,errors=remount-ro
60 25 8:2 /usr /usr ro,relatime shared:1 master:2 - ext4 /dev/sda2 rw,errors=remount-ro
71 25 7:0 / /mnt/flash rw,relatime - ext4 /dev/loop0 rw,errors=remount-ro,emergency_ro
72 25 7:1 / /mnt/image rw,relatime - ext4 /dev/loop1 ro
73 25 0:45 / /mnt/a\\040b\\134c rw - nfs4 nas:/x\\011y rw,vers=4.2
74 25 8:3 / /mnt/ended rw - xfs /dev/sda3 rw,shutdown
"""


def test_the_mount_table_is_read() -> None:
    """Whether a file system can be written to is its own matter, not that of one mount of it."""
    assert host.parse_mounts(MOUNTINFO) == (
        Mount("/dev/sda2", "/", "ext4"),
        Mount("/dev/sda2", "/usr", "ext4"),
        Mount("/dev/loop0", "/mnt/flash", "ext4", read_only=True),
        Mount("/dev/loop1", "/mnt/image", "ext4", read_only=True),
        Mount("nas:/x\ty", "/mnt/a b\\c", "nfs4"),
        Mount("/dev/sda3", "/mnt/ended", "xfs", read_only=True),
    )


def test_the_machines_own_table_is_that_of_others() -> None:
    """Each mount is the one that psutil sees, in the same order."""
    theirs = [(one.device, one.mountpoint, one.fstype) for one in psutil.disk_partitions(all=True)]
    ours = [(one.device, one.point, one.kind) for one in host.mounts()]
    assert [one for one in ours if one[1] != "/"][:3] == [one for one in theirs if one[1] != "/"][:3]
    assert {point for _, point, _ in theirs} <= {point for _, point, _ in ours}


def test_whether_a_path_is_there(tmp_path: Path) -> None:
    """A path that does not exist has a file system all the same, and it is known that it is not there."""
    for path, there in ((tmp_path, True), (tmp_path / "none", False)):
        found = host.filesystem_of(str(path), host.mounts())
        assert found is not None
        assert (found.has_path, found.read_only) == (there, False)


@pytest.mark.parametrize("kind", sorted(READ_ONLY_MEDIA))
def test_media_that_are_always_full_do_not_count(kind: str) -> None:
    """A path on a read-only medium has no file system that could fill."""
    assert host.filesystem_of("/", (Mount("/dev/loop0", "/", kind),)) is None


def test_a_file_system_without_room_of_its_own_does_not_count() -> None:
    """/proc has no size, so it cannot fill."""
    assert host.filesystem_of("/proc/self", host.mounts()) is None


@pytest.mark.parametrize(
    ("blocks", "free", "available", "ratio"),
    [(1000, 1000, 1000, 0.0), (1000, 200, 100, 800 / 900), (1000, 50, 0, 1.0), (1000, 1000, 0, 1.0)],
)
def test_what_is_reserved_for_root_is_not_free(blocks: int, free: int, available: int, ratio: float) -> None:
    """The share is that of what ordinary users could ever use, as df has it."""
    usage = host._usage(os.statvfs_result((4096, 4096, blocks, free, available, 0, 0, 0, 0, 255)))
    assert usage.used_ratio == pytest.approx(ratio)
    assert (usage.size_bytes, usage.free_bytes) == (blocks * 4096, available * 4096)
    assert usage.inodes_used_ratio is None


def test_a_link_is_followed(tmp_path: Path) -> None:
    """A link's own place does not matter, but where it leads."""
    (tmp_path / "link").symlink_to("/proc")
    assert host.filesystem_of(str(tmp_path / "link" / "self"), host.mounts()) is None


def test_a_mount_point_that_is_gone_is_an_error() -> None:
    """A mount that went away since the table was read is an OSError, and no other file system's figures."""
    with pytest.raises(FileNotFoundError):
        host.filesystem_of("/nowhere/x", (ROOT, Mount("/dev/sdz", "/nowhere", "ext4")))


def test_the_boot_is_known() -> None:
    """The boot's id is the kernel's and stays."""
    assert len(host.boot_id()) == 36
    assert host.boot_id() == host.boot_id()


@pytest.mark.parametrize(
    ("said", "expected"),
    [("stopping", True), ("running", False), ("degraded", False), ("starting", False), ("offline", False)],
)
async def test_systemd_is_asked_whether_the_host_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, expected: bool
) -> None:
    """Only `stopping` means that the host shuts down."""
    answering(tmp_path, f'[ "$1" = is-system-running ] && echo {said}; exit 1')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert await host.is_shutting_down(5.0) is expected


async def test_without_an_answer_the_host_does_not_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no systemd, or it hangs, nothing is said of a shutdown, and nothing is left running."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert await host.is_shutting_down(5.0) is False
    answering(tmp_path, "exec /bin/sleep 60")
    assert await host.is_shutting_down(0.05) is False


def answering(folder: Path, script: str) -> None:
    """Put a systemctl that runs a script into a folder."""
    program = folder / "systemctl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
