"""A manifest comes back as it was written, and what is no manifest is refused with a reason."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from semsupervisor.backup.manifest import (
    FileEntry,
    Kind,
    LeftOut,
    Manifest,
    StreamEntry,
    Unusable,
    decode,
    differences,
    encode,
)

AT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)


def stream(name: str, messages: object) -> StreamEntry:
    """Return a stream of so many messages."""
    return StreamEntry(
        account="$G", name=name, file=f"streams/{name}", config={}, state={"messages": messages}, blocks=1
    )


MANIFEST = Manifest(
    version=1,
    id="20260301-020000",
    kind=Kind.HOT,
    host="edge7",
    supervisor="0.1.0",
    began_at=AT,
    ended_at=AT,
    files={".env": FileEntry(3, "aa"), "streams/EV/stream.tar.s2": FileEntry(40, "bb")},
    streams=(stream("EV", 5), stream("KV", 2), stream("ODD", "many")),
    left_out=(LeftOut("stream MEM", "it is in memory", is_fault=False),),
)


def test_it_comes_back_as_it_was_written() -> None:
    """As JSON that a person can read too."""
    assert decode(encode(MANIFEST)) == MANIFEST
    assert b'\n  "id": "20260301-020000",\n' in encode(MANIFEST)


def test_it_sums_up() -> None:
    """A count that is none counts as none."""
    assert (MANIFEST.size_bytes, MANIFEST.messages, MANIFEST.is_complete) == (43, 7, True)
    stored = [msgspec.structs.replace(stream, state={"bytes": 21}) for stream in MANIFEST.streams]
    assert msgspec.structs.replace(MANIFEST, streams=tuple(stored)).content_bytes == 21 * len(stored) > 0
    broken = msgspec.structs.replace(MANIFEST, left_out=(LeftOut("stream EV", "no space", is_fault=True),))
    assert not broken.is_complete


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "cannot be read"),
        (b"{}", "missing required field `version`"),
        (b'{"version": 2}', "of version 2, this supervisor knows 1: use the supervisor that wrote it"),
        (b'{"version": 1}', "has another content than it was written with"),
    ],
)
def test_what_is_no_manifest_is_refused(content: bytes, why: str) -> None:
    """A newer one too, whatever it holds."""
    with pytest.raises(Unusable, match=why):
        decode(content)


def test_differences_are_named() -> None:
    """Missing, not listed, of another size; nothing to say of what is as it should be."""
    assert list(differences(MANIFEST, {".env": 3, "streams/EV/stream.tar.s2": 40})) == []
    assert list(differences(MANIFEST, {".env": 4, "extra": 1})) == [
        ".env has 4 bytes instead of 3",
        "extra is not in the manifest",
        "streams/EV/stream.tar.s2 is missing",
    ]
