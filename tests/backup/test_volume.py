"""A store is copied the way that pays, whole or not at all, and what is put on the disk is what the manifest says."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from semsupervisor.backup import volume
from semsupervisor.backup.folders import TargetUnusable
from semsupervisor.backup.volume import PACKED_NAME, RAW_NAME, Copied, Finishing, Plan, Rates, VolumeCopy, Way
from semsupervisor.errors import EngineError, PermanentError
from tests.backup.test_tarwalk import a_tar

GIB, MB = 2**30, 10**6
FAST, SLOW = Rates(200.0 * MB, 100.0 * MB), Rates(20.0 * MB, 100.0 * MB)


class Given:
    """A tar that is given in two pieces."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.aborted = False

    def read(self, take: Callable[[memoryview], None]) -> None:
        """Give it."""
        for piece in (self.content[:700], self.content[700:]):
            take(memoryview(piece))

    def abort(self) -> None:
        """Remember it."""
        self.aborted = True


@pytest.mark.parametrize(
    ("data_bytes", "free_bytes", "rates", "way"),
    [
        (GIB, 100 * GIB, FAST, Way.RAW),
        (100 * 2**20, 100 * GIB, FAST, Way.PACKED),
        (GIB, 2 * GIB, FAST, Way.PACKED),
        (GIB, 100 * GIB, SLOW, Way.PACKED),
        (0, GIB, FAST, Way.PACKED),
    ],
)
def test_the_way_that_pays(data_bytes: int, free_bytes: int, rates: Rates, way: Way) -> None:
    """It is copied as it is if that is quicker by what people notice, and if there is room for both."""
    found = volume.plan(data_bytes, free_bytes, rates, Path("/backup"))
    assert found.way is way
    assert data_bytes < found.needed_bytes <= free_bytes


def test_no_room() -> None:
    """How much is needed is said, and how much of it is the margin."""
    with pytest.raises(PermanentError, match=r"may need 1.1 GiB with a margin of 64 MiB, 1.0 GiB are free"):
        volume.plan(GIB, GIB, FAST, Path("/backup"))


def test_the_raw_way_is_as_quick_as_the_engine_at_most() -> None:
    """A disk that takes more waits for it."""
    found = volume.plan(30 * 10**9, 10**12, Rates(1e12, 100.0 * MB), Path("/backup"))
    assert found == Plan(Way.RAW, 100.0, found.needed_bytes)


def test_a_disk_is_measured(tmp_path: Path) -> None:
    """A sample is written and packed, and nothing of it stays."""
    seconds = itertools.count(0.0, 2.0)
    half = volume.SAMPLE_BYTES / 2
    assert volume.measure(tmp_path, lambda: next(seconds)) == Rates(half, half)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TargetUnusable):
        volume.measure(tmp_path / "absent", lambda: 0.0)


def test_what_the_server_removes_meanwhile_has_no_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a file nor a folder that has gone since it was listed keeps the rest from being counted."""
    (tmp_path / "below").mkdir()
    (tmp_path / "one").write_bytes(bytes(24))
    (tmp_path / "two").write_bytes(bytes(1000))
    real = Path.lstat

    def lstat(file: Path) -> os.stat_result:
        if file.name == "two":
            (tmp_path / "below").rmdir()
            file.unlink()
        return real(file)

    monkeypatch.setattr(Path, "lstat", lstat)
    assert volume.size(tmp_path) == 24


def test_the_size_of_a_folder(tmp_path: Path) -> None:
    """All files below it count; a folder that is not there has none that could be seen."""
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "one").write_bytes(bytes(1000))
    (tmp_path / "two").write_bytes(bytes(24))
    assert volume.size(tmp_path) == 1024
    with pytest.raises(PermanentError, match="cannot be seen"):
        volume.size(tmp_path / "absent")


@pytest.mark.parametrize("way", Way)
def test_a_copy_is_whole_either_way(tmp_path: Path, way: Way) -> None:
    """In the end there is one packed tar, and its size and checksum are those of the file."""
    tar, heard = a_tar(), list[int]()
    copied = VolumeCopy(Given(tar), tmp_path, way, heard.append).run()
    assert copied == Copied(5, 3005, len(tar))
    assert heard == [700, len(tar)]
    finishing = Finishing(tmp_path, way)
    while finishing.go_on():
        pass
    entry = finishing.end()
    finishing.close()
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    assert (file.name, file.stat().st_mode & 0o777) == (PACKED_NAME, 0o600)
    assert (entry.size_bytes, entry.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert gzip.decompress(content) == tar


def test_it_is_copied_once_more_over_what_is_left(tmp_path: Path) -> None:
    """What an interrupted step has left does not matter to the next one."""
    for name in (PACKED_NAME, RAW_NAME):
        (tmp_path / name).write_bytes(b"half")
    VolumeCopy(Given(a_tar()), tmp_path, Way.RAW, print).run()
    finishing = Finishing(tmp_path, Way.RAW)
    while finishing.go_on():
        pass
    finishing.end()
    finishing.close()
    assert [file.name for file in tmp_path.iterdir()] == [PACKED_NAME]


def test_a_tar_that_is_not_whole_is_no_copy(tmp_path: Path) -> None:
    """An engine that ends it early without a word is found out."""
    given = Given(a_tar()[:1024])
    copy = VolumeCopy(given, tmp_path, Way.RAW, print)
    with pytest.raises(EngineError, match="did not give the whole store"):
        copy.run()
    copy.abort()
    assert given.aborted


def test_a_disk_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the target's fault, and no engine's: while it is copied, and after it."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(volume, "_write", full)
    with pytest.raises(TargetUnusable, match="No space left"):
        VolumeCopy(Given(a_tar()), tmp_path, Way.RAW, print).run()
    (tmp_path / RAW_NAME).unlink()
    (tmp_path / RAW_NAME).mkdir()
    for call in (VolumeCopy(Given(a_tar()), tmp_path, Way.RAW, print).run, Finishing(tmp_path, Way.RAW).go_on):
        with pytest.raises(TargetUnusable):
            call()
