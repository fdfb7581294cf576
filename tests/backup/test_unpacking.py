"""What of an archive gets into a scratch server's store, and what does not."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from semsupervisor.backup.folders import TargetUnusable
from semsupervisor.backup.unpacking import NoStore, NotPossible, Unpacking, is_index, small

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


@pytest.mark.parametrize("root", ["data", "data/jetstream", "jetstream/x/y"])
def test_only_streams_are_taken(tmp_path: Path, root: str) -> None:
    """Under one folder, wherever in the volume the store was; of what was deleted nothing is taken."""
    archive = packed(
        tmp_path,
        (root, None),
        (f"{root}/jetstream/A/streams/EV", None),
        (f"{root}/jetstream/A/streams/EV/msgs/1.blk", b"x" * 700),
        (f"{root}/jetstream/A/streams/.OLD/msgs/1.blk", b"x"),
        (f"{root}/jetstream/A/streams/BARE/obs", None),
        (f"{root}/jetstream/top", b""),
        (f"{root}/streams/EV/n", b""),
    )
    found, unpacking, passed = unpacked(archive)
    assert found == {
        "store/jetstream": b"",
        "store/jetstream/A": b"",
        "store/jetstream/A/streams": b"",
        "store/jetstream/A/streams/EV": b"",
        "store/jetstream/A/streams/EV/msgs/1.blk": b"x" * 700,
        "store/jetstream/A/streams/BARE/obs": b"",
    }
    assert (unpacking.streams, passed) == ({("A", "EV")}, [700])


def test_two_stores_are_not_mixed(tmp_path: Path) -> None:
    """Which of them is the server's is not known."""
    with pytest.raises(NotPossible, match="two stores, data/jetstream and old/jetstream"):
        unpacked(packed(tmp_path, (FILE, b""), ("old/jetstream/A/streams/EV/meta.inf", b"")))


def become_link(info: tarfile.TarInfo) -> None:
    """Make it a link to somewhere else."""
    info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc", 0


def become_device(info: tarfile.TarInfo) -> None:
    """Make it a device."""
    info.type, info.size = tarfile.CHRTYPE, 0


@pytest.mark.parametrize("change", [become_link, become_device])
def test_what_is_no_file_is_not_given_to_a_server(tmp_path: Path, change: Callable[[tarfile.TarInfo], None]) -> None:
    """Links and devices; whether the snapshot is damaged is not known by that."""
    with pytest.raises(NotPossible, match="neither a file nor a folder"):
        unpacked(packed(tmp_path, (FILE, b""), change=change))


@pytest.mark.parametrize("name", ["data/jetstream/../../etc/passwd", "/data/jetstream/A/x"])
def test_what_leads_out_of_the_store_is_refused(tmp_path: Path, name: str) -> None:
    """No engine packs such a path."""
    with pytest.raises(NoStore, match="which no store does"):
        unpacked(packed(tmp_path, (name, b"x")))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("data/jetstream/A/streams/EV/meta.key", "is encrypted"),
        ("data/x", "holds no store with streams"),
        ("data/jetstream/A/streams", "holds no store with streams"),
    ],
)
def test_what_cannot_be_read_is_no_damage(tmp_path: Path, name: str, words: str) -> None:
    """A store whose key is elsewhere, and one without streams as a server has it that was never used."""
    with pytest.raises(NotPossible, match=words):
        unpacked(packed(tmp_path, (name, b"x")))


def test_more_than_the_manifest_says_is_refused(tmp_path: Path) -> None:
    """However large an archive unpacks, no more than that gets into the store."""
    with pytest.raises(NoStore, match="more than its manifest says"):
        unpacked(packed(tmp_path, (FILE, b"x" * 700)), content_bytes=699)


def test_an_archive_that_breaks_off_is_refused(tmp_path: Path) -> None:
    """One that cannot be read is the target's fault."""
    archive = packed(tmp_path, (FILE, bytes(range(256)) * 40))
    archive.write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(NoStore, match="cannot be unpacked"):
        unpacked(archive)
    archive.unlink()
    with pytest.raises(TargetUnusable, match="cannot read"):
        unpacked(archive)


def test_index_files_of_either_generation() -> None:
    """And no others."""
    assert all(is_index(f"store/jetstream/A/streams/EV/msgs/{name}") for name in ("index.db", "1.idx", "1.fss"))
    assert not any(is_index(name) for name in ("1.blk", "meta.inf", "obs/index/o.dat"))


def test_small_files_as_a_tar() -> None:
    """Each as it is."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(small({"a/b": b"12", "c": b""})))) as tar:
        assert [(one.name, one.size) for one in tar] == [("a/b", 2), ("c", 0)]
