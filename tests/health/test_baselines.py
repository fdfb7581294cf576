"""What streams had reached is kept over restarts, and lets a look after a start of the server find what is gone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from semsupervisor.health import baselines
from semsupervisor.health.baseline import Fall
from semsupervisor.health.baselines import SETTLED_SECONDS, Baselines
from tests.support.clock import ManualClock
from tests.support.jetstream import stream

STAMP = "2026-11-15T00:00:00.187363221Z"


class Watcher:
    """Looks at one stream, with a new memory after each `restart`."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.clock = ManualClock()
        self.asked: list[tuple[str, str, int]] = []
        self.holder: Callable[[str, str, int], str] = self._holder
        self.restart()

    def restart(self) -> None:
        """Forget what is not on the disk."""
        self.baselines = Baselines(self.clock, self.file, self._ask)

    async def look(self, last: int, server: str = "A", after_seconds: float = 30.0) -> Mapping[str, Fall]:
        """Return the falls of a look some time after the one before."""
        self.clock.advance(after_seconds)
        return await self.baselines.look(server, [stream(name="EV", last_sequence=last, created=STAMP)])

    def _ask(self, account: str, name: str, beyond: int) -> str:
        return self.holder(account, name, beyond)

    def _holder(self, account: str, name: str, beyond: int) -> str:
        self.asked.append((account, name, beyond))
        return "20261124-020000"


@pytest.fixture
def watcher(tmp_path: Path) -> Watcher:
    """Return one without anything remembered."""
    return Watcher(tmp_path / "stream-baselines")


async def test_a_fall_is_found_and_kept(watcher: Watcher) -> None:
    """The newest snapshot is asked for once, and a restart of the supervisor forgets nothing of it."""
    assert await watcher.look(500) == {}
    found = await watcher.look(400, "B")
    assert (found["EV"].was, found["EV"].has, found["EV"].snapshot) == (500, 400, "20261124-020000")
    assert await watcher.look(410, "B") == found
    watcher.restart()
    assert await watcher.look(420, "B") == found
    assert watcher.asked == [("$G", "EV", 400)]


async def test_what_is_kept_has_settled(watcher: Watcher) -> None:
    """A look is written down minutes later only: a power cut takes what was written last, which is no damage."""
    await watcher.look(500)
    assert not watcher.file.exists()
    await watcher.look(600, after_seconds=SETTLED_SECONDS)
    await watcher.look(700, after_seconds=SETTLED_SECONDS)
    watcher.restart()
    assert await watcher.look(600, "B") == {}
    watcher.restart()
    assert (await watcher.look(599, "B"))["EV"].was == 600


async def test_nothing_is_written_while_nothing_changes(watcher: Watcher) -> None:
    """The disk is spared where nobody writes."""
    for _ in range(4):
        await watcher.look(500, after_seconds=SETTLED_SECONDS)
    watcher.file.unlink()
    await watcher.look(500, after_seconds=SETTLED_SECONDS)
    assert not watcher.file.exists()


async def test_what_cannot_be_read_is_begun_afresh(watcher: Watcher) -> None:
    """Neither garbage nor a folder in the file's place raises anything."""
    watcher.file.write_bytes(b"{")
    assert await watcher.look(500) == {}
    watcher.file.unlink()
    watcher.file.mkdir()
    watcher.restart()
    assert await watcher.look(500) == {}
    assert (await watcher.look(400, "B"))["EV"].was == 500


async def test_a_disk_that_hangs_is_not_waited_for(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the file nothing is known or compared; without the snapshots a fall is told all the same."""
    free = threading.Event()
    monkeypatch.setattr(baselines, "FILE_SECONDS", 0.05)
    monkeypatch.setattr(baselines, "FOLDER_SECONDS", 0.05)
    try:
        await watcher.look(500)
        watcher.holder = lambda *_: str(free.wait(60))
        monkeypatch.setattr(Baselines, "_write", lambda *_: free.wait(60))
        assert (await watcher.look(400, "B"))["EV"].snapshot == ""
        watcher.restart()
        monkeypatch.setattr(Baselines, "_read", lambda *_: free.wait(60))
        assert await watcher.look(300, "C") == {}
    finally:
        free.set()
