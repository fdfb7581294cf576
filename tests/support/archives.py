"""Archives of streams, as a server sends them: S2 streams of tars, stored rather than compressed."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping

from semsupervisor.backup.framing import MAGIC

BLOCK_BYTES = 1024 * 1024
END_BYTES = 1024


def tar(members: Mapping[str, bytes], *, ends: bool = True) -> bytes:
    """Return a tar as a server writes it: in PAX format, and not filled up beyond its end."""
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w", format=tarfile.PAX_FORMAT) as opened:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1.5
            opened.addfile(info, io.BytesIO(content))
        length = opened.offset
    return into.getvalue()[:length] + bytes(END_BYTES if ends else 0)


def frame(kind: int, body: bytes) -> bytes:
    """Return one frame."""
    return bytes([kind]) + len(body).to_bytes(3, "little") + body


def stored(content: bytes, block_bytes: int = BLOCK_BYTES) -> bytes:
    """Return an S2 stream of some content."""
    blocks = (content[at : at + block_bytes] for at in range(0, len(content), block_bytes))
    return MAGIC + b"".join(frame(0x01, b"sum!" + block) for block in blocks)


def archive(members: Mapping[str, bytes]) -> bytes:
    """Return a stream's archive of some members."""
    return stored(tar(members))


def unpacked(stream: bytes) -> bytes:
    """Return what `stored` was given."""
    at, found = len(MAGIC), b""
    while at < len(stream):
        length = int.from_bytes(stream[at + 1 : at + 4], "little")
        found += stream[at + 8 : at + 4 + length]
        at += 4 + length
    return found
