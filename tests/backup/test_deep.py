"""Archives are walked in a process of their own, which says what is in them, or why it cannot."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from semsupervisor.backup import deep
from semsupervisor.backup.framing import MAGIC
from semsupervisor.backup.manifest import StreamEntry
from tests.backup.test_blocks import block
from tests.support.archives import archive, frame, stored, tar

MEMBERS = {"meta.inf": b"{}", "msgs/1.blk": block(1, 2, 3)}


def stream(messages: int, **config: Any) -> StreamEntry:
    """Return a stream of so many messages."""
    state = {"messages": messages, "first_seq": 1, "last_seq": messages}
    return StreamEntry(account="$G", name="EV", file="EV.tar.s2", config=config, state=state, blocks=1)


async def damage(folder: Path, content: bytes, messages: int = 3, **config: Any) -> str:
    """Return what is found in an archive of some content."""
    await asyncio.to_thread((folder / "EV.tar.s2").write_bytes, content)
    return await deep.damage(folder, stream(messages, **config))


async def test_an_archive_is_walked_beside(tmp_path: Path) -> None:
    """What it lacks, and where it is broken, comes back in words."""
    assert await damage(tmp_path, archive(MEMBERS)) == ""
    assert (await damage(tmp_path, archive(MEMBERS), messages=4)).startswith("3 of 4 messages are in it")
    torn = archive({"msgs/1.blk": block(1, 2)[:-9]})
    assert await damage(tmp_path, torn, compression="none") == "msgs/1.blk is broken behind the message 1"
    assert await damage(tmp_path, torn, compression="s2") == ""


async def test_a_process_that_does_not_say_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ends otherwise, and one that cannot be begun."""
    monkeypatch.setattr(deep, "_RUN", "raise SystemExit('no memory')")
    assert await damage(tmp_path, archive(MEMBERS)) == "the process that reads it ended with 1: no memory"
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    assert "cannot be started" in await damage(tmp_path, archive(MEMBERS))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (stored(tar(MEMBERS), 700), b'"messages":3'),
        (MAGIC + frame(0xFE, b"padding") + stored(tar(MEMBERS))[len(MAGIC) :], b'"messages":3'),
        (MAGIC + frame(0x00, b"sum!\x05\x00z\x01\x01"), b"the tar breaks off"),
        (MAGIC + frame(0x00, b"sum!\xff"), b"a block without a length"),
        (None, b"it cannot be read: No such file or directory"),
    ],
)
def test_the_process_says_what_it_finds(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    content: bytes,
    expected: bytes,
) -> None:
    """Packed blocks and plain ones are read, all else is passed over."""
    file = tmp_path / "archive"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setattr(sys, "argv", ["deep", str(file), "1", "3"])
    deep.main()
    sys.stdout.flush()
    assert expected in capfdbinary.readouterr().out
