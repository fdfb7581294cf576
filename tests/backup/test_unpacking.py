"""What of an archive gets into a scratch server's store, and what does not."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from semsupervisor.backup.unpacking import NoStore, Unpacking, is_index, small

FILE = "data/jetstream/A/streams/EV/msgs/1.blk"


def packed(
    folder: Path, *members: tuple[str, bytes | None], change: Callable[[tarfile.TarInfo], None] | None = None
) -> Path:
    """Return an archive of files, and of folders where there is no content."""
    file = folder / "nats-data.tar.gz"
    with tarfile.open(file, "w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.size = (tarfile.DIRTYPE, 0) if content is None else (tarfile.REGTYPE, len(content))
            if change is not None:
                change(info)
            tar.addfile(info, io.BytesIO(content or b""))
    return file


def unpacked(archive: Path, content_bytes: int = 10**6) -> tuple[dict[str, bytes], Unpacking, list[int]]:
    """Return what comes of an archive, with its mode, and how far it said to be."""
    passed: list[int] = []
    unpacking = Unpacking(archive, "store", content_bytes, passed.append)
    content = b"".join(unpacking.pieces())
    found = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for member in tar:
            assert (member.uid, member.mode) == (0, 0o700 if member.isdir() else 0o600)
            opened = tar.extractfile(member)
            found[member.name] = opened.read() if opened else b""
    return found, unpacking, passed


def test_only_the_store_is_taken(tmp_path: Path) -> None:
    """Under its own folder, whatever the volume was called, and the accounts are known."""
    archive = packed(
        tmp_path,
        ("data", None),
        ("data/jetstream", None),
        (FILE, b"x" * 700),
        ("data/jetstream/top", b""),
        ("data/n", b""),
    )
    found, unpacking, passed = unpacked(archive)
    assert found == {
        "store/jetstream": b"",
        "store/jetstream/A/streams/EV/msgs/1.blk": b"x" * 700,
        "store/jetstream/top": b"",
    }
    assert (unpacking.accounts, passed) == ({"A"}, [700])


def become_link(info: tarfile.TarInfo) -> None:
    """Make it a link to somewhere else."""
    info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc", 0


def become_device(info: tarfile.TarInfo) -> None:
    """Make it a device."""
    info.type, info.size = tarfile.CHRTYPE, 0


@pytest.mark.parametrize("change", [become_link, become_device])
def test_what_no_store_holds_is_refused(tmp_path: Path, change: Callable[[tarfile.TarInfo], None]) -> None:
    """Links and devices."""
    with pytest.raises(NoStore, match="which no store does"):
        unpacked(packed(tmp_path, (FILE, b""), change=change))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("data/jetstream/../../etc/passwd", "which no store does"),
        ("/data/jetstream/A/x", "which no store does"),
        ("data/jetstream/A/streams/EV/meta.key", "is encrypted"),
        ("data/x", "holds no store of streams"),
    ],
)
def test_what_is_no_store_of_ours_is_refused(tmp_path: Path, name: str, words: str) -> None:
    """Paths that lead out of it, a store whose key is elsewhere, and none at all."""
    with pytest.raises(NoStore, match=words):
        unpacked(packed(tmp_path, (name, b"x")))


def test_more_than_the_manifest_says_is_refused(tmp_path: Path) -> None:
    """However large an archive unpacks, no more than that gets into the store."""
    with pytest.raises(NoStore, match="more than its manifest says"):
        unpacked(packed(tmp_path, (FILE, b"x" * 700)), content_bytes=699)


def test_an_archive_that_breaks_off_is_refused(tmp_path: Path) -> None:
    """So is one that is not there."""
    archive = packed(tmp_path, (FILE, bytes(range(256)) * 40))
    archive.write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(NoStore, match="cannot be unpacked"):
        unpacked(archive)
    archive.unlink()
    with pytest.raises(NoStore, match="cannot be unpacked"):
        unpacked(archive)


def test_index_files_of_either_generation() -> None:
    """And no others."""
    assert all(is_index(f"store/jetstream/A/streams/EV/msgs/{name}") for name in ("index.db", "1.idx", "1.fss"))
    assert not any(is_index(name) for name in ("1.blk", "meta.inf", "obs/index/o.dat"))


def test_small_files_as_a_tar() -> None:
    """Each as it is."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(small({"a/b": b"12", "c": b""})))) as tar:
        assert [(one.name, one.size) for one in tar] == [("a/b", 2), ("c", 0)]
