"""Copying into a growing snapshot; with jobs and real servers in test_hot."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from semsupervisor.backup.copying import Known, Value, Write, below, copy_buckets, write_whole
from semsupervisor.backup.disk import Disk
from semsupervisor.backup.folders import Folders
from semsupervisor.backup.reckoning import Held
from semsupervisor.errors import PermanentError, TemporaryError
from semsupervisor.kit.blocking import BlockingCalls


class Buckets:
    """A server that holds buckets only."""

    def __init__(self, **content: Sequence[Value]) -> None:
        self._content = content

    async def streams(self) -> Sequence[Known]:
        """Return none: they are given."""
        return ()

    async def held(self) -> Held:
        """Return that nothing is known."""
        return Held(account="$G")

    async def take(self, name: str, write: Write, *, gently: bool) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Hand nothing over."""
        raise TemporaryError(f"{name} is not taken here, {gently} or not, into {write}")

    async def bucket(self, name: str) -> Sequence[Value]:
        """Return what a bucket holds."""
        if name not in self._content:
            raise TemporaryError("no answer")
        return self._content[name]


async def test_buckets_are_written_as_text(tmp_path: Path) -> None:
    """Text as text, all else in base64; other streams are none, and one that does not answer is left out."""
    server = Buckets(a=[Value("k", 3, "é".encode()), Value("raw", 4, b"\xff")])
    known = [Known(name, 1, False) for name in ("EV", "KV_", "KV_..", "KV_a", "KV_b")]
    files, left_out = await copy_buckets(Disk(Folders(tmp_path), BlockingCalls()), tmp_path, server, "$G", known)
    assert list(files) == ["kv/a.json"]
    written = await asyncio.to_thread((tmp_path / "kv/a.json").read_bytes)
    assert json.loads(written) == [
        {"key": "k", "revision": 3, "text": "é"},
        {"key": "raw", "revision": 4, "base64": "/w=="},
    ]
    assert [(one.what, one.why, one.is_fault) for one in left_out] == [
        ("kv/b.json, the bucket as text", "no answer", False)
    ]


def test_each_account_has_a_place() -> None:
    """The default one's is that of the official command; one that no folder can be named after has none."""
    assert (below("$G"), below("OPS")) == ("", "accounts/OPS/")
    with pytest.raises(PermanentError, match="no folder can be named after"):
        below("../OPS")


def test_a_file_is_written_anew(tmp_path: Path) -> None:
    """A step that is done again finds what it wrote before."""
    for content in (b"one", b"three"):
        assert write_whole(tmp_path / "file", content).size_bytes == len(content)
    assert (tmp_path / "file").read_bytes() == b"three"
