"""A tar is walked to its end whatever the pieces; no byte of its headers may be missing or wrong."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.backup.framing import Malformed
from semsupervisor.backup.tarwalk import PackedWalk, TarWalk

RECORD = 512
END = bytes(2 * RECORD)


def a_tar(format: int = tarfile.PAX_FORMAT, large: int = 3000) -> bytes:  # noqa: A002 - as tarfile calls it
    """Return a tar with a folder, files with short and long names, a link, and an own attribute."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=format) as tar:
        folder = tarfile.TarInfo("data")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, size in (("data/small", 5), ("data/" + "long" * 40, large), ("data/empty", 0)):
            info = tarfile.TarInfo(name)
            info.size = size
            info.pax_headers = {"SCHILY.xattr.user.x": "é"} if format == tarfile.PAX_FORMAT else {}
            tar.addfile(info, io.BytesIO(bytes(size)))
        link = tarfile.TarInfo("data/link")
        link.type, link.linkname = tarfile.SYMTYPE, "small"
        tar.addfile(link)
    return made.getvalue()


def walked(content: bytes, pieces: Iterator[int] | None = None) -> TarWalk:
    """Return a walk to the end."""
    walk, at = TarWalk(), 0
    while at < len(content):
        size = next(pieces, RECORD) if pieces else len(content)
        walk.feed(content[at : at + size])
        at += size
    walk.end()
    return walk


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_a_whole_tar(format: int) -> None:  # noqa: A002 - as tarfile calls it
    """Its members and the bytes of its files are counted."""
    walk = walked(a_tar(format))
    assert (walk.members, walk.content_bytes) == (5, 3005)


@given(st.lists(st.integers(1, 2000), max_size=50))
def test_the_pieces_do_not_matter(sizes: list[int]) -> None:
    """However it comes, it is the same."""
    assert walked(a_tar(), iter(sizes)).content_bytes == 3005


@given(st.integers(0, 1_000_000))
def test_a_tar_that_breaks_off(place: int) -> None:
    """Cut anywhere before its end it is not whole."""
    content = a_tar()
    whole = len(content.rstrip(b"\0"))
    whole = -(-whole // RECORD) * RECORD + len(END)
    with pytest.raises(Malformed):
        walked(content[: place % whole])


def extended(*records: bytes, size: int = 0) -> bytes:
    """Return a tar that says the size of its one file in an extended header only."""
    info = tarfile.TarInfo("pax")
    info.type, content = tarfile.XHDTYPE, b"".join(records)
    info.size = len(content)
    file = tarfile.TarInfo("data/large")
    padded = content + bytes(-len(content) % RECORD)
    return info.tobuf(tarfile.USTAR_FORMAT) + padded + file.tobuf(tarfile.USTAR_FORMAT) + bytes(size) + END


def test_a_size_in_an_extended_header() -> None:
    """It is what counts; a damaged one is damage."""
    assert walked(extended(b"13 size=1024\n", b"9 path=a\n", size=1024)).content_bytes == 1024
    assert walked(extended(b"10 size=x\n")).content_bytes == 0
    assert walked(extended()).members == 1
    for wrong in (b"x size=1\n", b"99 size=1\n", b"0 size=1\n"):
        with pytest.raises(Malformed, match="extended"):
            walked(extended(wrong))


def test_a_size_in_binary() -> None:
    """What does not fit into the digits is so large that nothing is long enough for it."""
    file = tarfile.TarInfo("data/huge")
    file.size = 9 * 2**30
    walk = TarWalk()
    walk.feed(file.tobuf(tarfile.GNU_FORMAT))
    assert walk.content_bytes == 9 * 2**30
    with pytest.raises(Malformed):
        walk.end()


def test_damage() -> None:
    """A wrong header is seen, and so is what follows the end."""
    content = a_tar()
    for place, byte in ((0, b"D"), (150, b"9"), (130, b"7")):
        with pytest.raises(Malformed, match="header"):
            walked(content[:place] + byte + content[place + 1 :])
    for more in (content, b"x"):
        with pytest.raises(Malformed):
            walked(content + more)
    long = tarfile.TarInfo("pax")
    long.type, long.size = tarfile.XHDTYPE, 2**21
    with pytest.raises(Malformed, match="longer"):
        walked(long.tobuf(tarfile.USTAR_FORMAT))


def packed(content: bytes, piece_bytes: int = 1000) -> PackedWalk:
    """Return a walk through a gzip to its end."""
    walk = PackedWalk()
    for at in range(0, len(content), piece_bytes):
        walk.feed(content[at : at + piece_bytes])
    walk.end()
    return walk


def test_a_packed_tar() -> None:
    """It is unpacked in bounded pieces, and has to end with the tar."""
    content = gzip.compress(a_tar(large=5_000_000))
    assert packed(content, len(content)).tar.content_bytes == 5_000_005
    for wrong in (content[:-1], content[:-9] + b"12345678", content + b"x", b"nonsense", gzip.compress(a_tar()[:600])):
        with pytest.raises(Malformed):
            packed(wrong)
