"""The probe of the file systems, on the machine's own, and on one that hangs."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from semsupervisor.errors import TemporaryError
from semsupervisor.health.observation import Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.probes.filesystems import FACTS, Filesystems
from semsupervisor.systems import host
from semsupervisor.systems.host import Filesystem, Mount, Usage
from tests.support.clock import ManualClock
from tests.support.waiting import eventually

TABLE = (Mount("/dev/sda", "/", "ext4"), Mount("nas:/b", "/backup", "nfs"))
USAGE = Usage(size_bytes=1000, free_bytes=500, used_ratio=0.5, inodes_used_ratio=0.1)


class Disks:
    """Which file systems there are, and what each path gives, for where the machine has none that can be hurt."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.hanging: set[str] = set()
        self.missing: set[str] = set()
        self.errors: dict[str, OSError] = {}
        self.table: tuple[Mount, ...] = TABLE

    def filesystem_of(self, path: str, table: Sequence[Mount]) -> Filesystem | None:
        """Hang, fail or answer."""
        if path in self.hanging:
            self.gate.wait(10)
        if path in self.errors:
            raise self.errors[path]
        mount = host.carrier(path, table)
        return Filesystem(mount.point, USAGE, mount.read_only, path not in self.missing) if mount else None


@pytest.fixture
def disks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disks]:
    """Return pretended file systems in place of the machine's."""
    pretended = Disks()
    monkeypatch.setattr(host, "filesystem_of", pretended.filesystem_of)
    monkeypatch.setattr(host, "mounts", lambda: pretended.table)
    yield pretended
    pretended.gate.set()


def probing(paths: Sequence[str], timeout_seconds: float = 5.0, *, written: Sequence[str] = ()) -> Filesystems:
    """Return a probe of these paths, some of which have to be written to."""
    return Filesystems(ManualClock(), lambda: {path: path in written for path in paths}, timeout_seconds)


def points(observations: Sequence[Observation]) -> dict[str, Outcome]:
    """Return the outcome of each file system that is there."""
    return {one.subject.name: one.outcome for one in observations if not one.gone}


async def test_the_machines_own_are_seen(tmp_path: Path) -> None:
    """The file system of / is seen once however many of the paths it carries, with sensible figures."""
    observations = await probing(["/", "/", "/nowhere/at/all"]).observe()
    (root,) = observations
    assert (root.source, root.subject, root.outcome) == (
        "filesystems",
        Subject(SubjectKind.FILESYSTEM, "/"),
        Outcome.OK,
    )
    assert 0 <= float(str(root.facts["used_ratio"])) <= 1
    assert int(str(root.facts["size_bytes"])) > 0
    assert tuple(root.facts)[: len(FACTS)] == FACTS


async def test_what_has_no_inodes_tells_none(disks: Disks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where inodes are made as needed there is no such fact."""
    usage = Usage(size_bytes=1000, free_bytes=500, used_ratio=0.5, inodes_used_ratio=None)
    monkeypatch.setattr(host, "filesystem_of", lambda path, table: Filesystem("/", usage))
    (root,) = await probing(["/"]).observe()
    assert root.facts == {
        "used_ratio": 0.5,
        "free_bytes": 500,
        "size_bytes": 1000,
        "read_only": False,
        "read_only_unexpected": False,
    }


@pytest.mark.parametrize(
    ("written", "missing", "unexpected"),
    [
        ((), (), False),
        (("/backup/x",), (), True),
        (("/backup/y",), (), True),
        (("/backup/x", "/backup/y"), ("/backup/x",), True),
        (("/backup/y",), ("/backup/y",), False),
        (("/",), (), False),
    ],
)
async def test_read_only_is_told_where_something_is_written(
    disks: Disks, written: Sequence[str], missing: Sequence[str], unexpected: bool
) -> None:
    """A read-only file system is unexpected if one of its paths is there and has to be written to, whichever it is."""
    disks.table = (TABLE[0], Mount("nas:/b", "/backup", "nfs", read_only=True))
    disks.missing = set(missing)
    _, backup = await probing(["/", "/backup/x", "/backup/y"], written=written).observe()
    assert (backup.facts["read_only"], backup.facts["read_only_unexpected"]) == (True, unexpected)


async def test_one_that_hangs_is_unknown_and_delays_no_other(disks: Disks) -> None:
    """It is named by its mount point though it was never seen, and well again when it comes back."""
    disks.hanging = {"/backup/x"}
    probe = probing(["/", "/backup/x"], timeout_seconds=0.05)
    for reason in ("no answer within 0.05 s", "an earlier look has not come back yet"):
        observations = await probe.observe()
        assert points(observations) == {"/": Outcome.OK, "/backup": Outcome.UNKNOWN}
        hung = observations[1]
        assert hung.facts == dict.fromkeys(FACTS, Unknown(f"/backup/x: {reason}"))
        assert hung.evidence == {"error": f"/backup/x: {reason}"}
    disks.gate.set()
    await eventually(lambda: not probe._calls._busy)
    assert points(await probe.observe()) == {"/": Outcome.OK, "/backup": Outcome.OK}


async def test_what_was_seen_and_hangs_is_unknown_in_all_its_facts(disks: Disks) -> None:
    """Every fact seen before becomes unknown, under the name it had."""
    probe = probing(["/backup/x"], timeout_seconds=0.05)
    (seen,) = await probe.observe()
    disks.hanging = {"/backup/x"}
    (hung,) = await probe.observe()
    assert hung.subject == seen.subject
    assert hung.facts.keys() == seen.facts.keys() > set(FACTS)


async def test_one_that_cannot_be_read_is_unknown(disks: Disks) -> None:
    """The error says which path, and why."""
    disks.errors["/backup/x"] = PermissionError(13, "Permission denied")
    (denied,) = await probing(["/backup/x"]).observe()
    assert (denied.subject.name, denied.outcome) == ("/backup", Outcome.UNKNOWN)
    assert denied.evidence == {"error": "cannot read the file system of /backup/x: Permission denied"}


async def test_a_path_that_can_be_read_counts_for_its_file_system(disks: Disks) -> None:
    """When one path of a file system fails and another does not, the file system is seen."""
    disks.errors["/backup/x"] = PermissionError(13, "Permission denied")
    for paths in (["/backup/x", "/backup/y"], ["/backup/y", "/backup/x"]):
        (seen,) = await probing(paths).observe()
        assert seen.outcome is Outcome.OK


async def test_what_is_carried_by_nothing_is_left_out(disks: Disks) -> None:
    """A path without a file system that could fill gives no observation, whether it can be read or not."""
    disks.table = ()
    assert await probing(["/x"]).observe() == []
    disks.errors["/x"] = OSError(5, "Input/output error")
    assert await probing(["/x"]).observe() == []


async def test_a_disk_that_nobody_writes_to_any_more_is_not_gone(disks: Disks) -> None:
    """A stopped stack empties no disk: what is mounted still is seen, until it is unmounted."""
    paths = {"/": False, "/backup/x": True}
    probe = Filesystems(ManualClock(), lambda: paths, 5.0)
    await probe.observe()
    del paths["/backup/x"]
    for _ in range(2):
        assert points(await probe.observe()) == {"/": Outcome.OK, "/backup": Outcome.OK}
    disks.table = TABLE[:1]
    assert [one.subject.name for one in await probe.observe() if one.gone] == ["/backup"]


async def test_an_unmounted_file_system_is_gone(disks: Disks) -> None:
    """Its subject is told to be gone once, and its paths count for what carries them now."""
    probe = probing(["/", "/backup/x"])
    await probe.observe()
    disks.table = TABLE[:1]
    observations = await probe.observe()
    assert points(observations) == {"/": Outcome.OK}
    assert [(one.subject.name, one.facts) for one in observations if one.gone] == [("/backup", {})]
    assert [one for one in await probe.observe() if one.gone] == []


async def test_without_a_mount_table_nothing_can_be_said(disks: Disks, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is temporary and says what could not be read."""

    def fail() -> tuple[Mount, ...]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(host, "mounts", fail)
    with pytest.raises(TemporaryError, match=r"cannot read the mount table: .*Input/output error"):
        await probing(["/"]).observe()


async def test_a_mount_point_that_is_no_utf_8_is_told_as_escapes(disks: Disks) -> None:
    """Two such mount points are two file systems, and their names can be written as JSON."""
    odd = ("/mnt/caf\udce9", "/mnt/caf\udce8")
    disks.table = (*TABLE, *(Mount(f"/dev/{number}", point, "ext4") for number, point in enumerate(odd)))
    seen = points(await probing(odd).observe())
    assert sorted(seen) == ["/mnt/caf\\udce8", "/mnt/caf\\udce9"]
    assert set(seen.values()) == {Outcome.OK}
