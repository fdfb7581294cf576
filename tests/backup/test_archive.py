"""An archive counts as whole only when the server got to the end of it, whatever it said."""

from __future__ import annotations

import pytest

from semsupervisor.backup.archive import ArchiveWalk, too_small
from semsupervisor.backup.framing import Malformed
from tests.support.archives import stored, tar

BLOCK = b"x" * 100_000
WHOLE = {"meta.inf": b"{}", "msgs/1.blk": BLOCK, "obs/c/o.dat": b"state"}
WORDS = "Could not read message block [2]:\n no such file"


def walked(content: bytes, block_bytes: int = 70_000) -> ArchiveWalk:
    """Walk an archive of that content to its end."""
    walk = ArchiveWalk()
    walk.feed(stored(content, block_bytes))
    walk.end()
    return walk


@pytest.mark.parametrize("block_bytes", [512, 999, 70_000, 2**20])
def test_a_whole_archive_is_whole(block_bytes: int) -> None:
    """However it is cut into blocks; what they hold is counted."""
    content = tar(WHOLE)
    walk = walked(content, block_bytes)
    assert (walk.unpacked_bytes, walk.blocks) == (len(content), -(-len(content) // block_bytes))


@pytest.mark.parametrize("block_bytes", [512, 70_000])
def test_what_the_server_could_not_read_is_told_in_its_words(block_bytes: int) -> None:
    """It closes the archive as if it were whole."""
    content = tar({**WHOLE, "errors.txt": WORDS.encode()})
    with pytest.raises(Malformed, match=r"could not read all of it: Could not read message block \[2\]: no such file"):
        walked(content, block_bytes)


def test_words_without_end_are_cut() -> None:
    """They come from the server."""
    with pytest.raises(Malformed) as raised:
        walked(tar({"errors.txt": b"w" * 5000}))
    assert len(str(raised.value)) < 400


def fake(name: bytes, size: bytes) -> bytes:
    """Return what looks like a tar's header, as a message may."""
    header = bytearray(512)
    header[: len(name)], header[124 : 124 + len(size)], header[257:262] = name, size, b"ustar"
    return bytes(header)


@pytest.mark.parametrize("size", [b"00000000100\0", b"9z\0", b"\0"])
def test_a_message_that_looks_like_such_words_is_none(size: bytes) -> None:
    """Only the last member of the tar says what the server could not read."""
    held = fake(b"errors.txt\0", size) + bytes(512) * 4
    walked(tar({**WHOLE, "msgs/2.blk": held, "index.db": b"i" * 2000}))
    walked(tar({"errors.txt": b"of a consumer of that name", "obs/errors.txt": b"x"}))


@pytest.mark.parametrize(
    "content", [tar(WHOLE, ends=False), tar(WHOLE)[:-1], tar(WHOLE)[:-512], tar(WHOLE)[:50_000], b"short"]
)
def test_a_tar_that_breaks_off_is_refused(content: bytes) -> None:
    """The frames around it end as they must."""
    with pytest.raises(Malformed, match="the server did not get to its end"):
        walked(content)


@pytest.mark.parametrize(
    ("config", "unpacked_bytes", "expected"),
    [
        ({}, 99, True),
        ({}, 100, False),
        ({"compression": "none"}, 99, True),
        ({"compression": "s2"}, 99, False),
    ],
)
def test_an_archive_holds_at_least_its_messages(config: dict[str, str], unpacked_bytes: int, expected: bool) -> None:
    """Unless the store packs them itself."""
    assert too_small(config, unpacked_bytes, 100) is expected
