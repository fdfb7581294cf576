"""What streams had reached is kept over restarts, and lets a look after a start of the server find what is gone."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from semsupervisor.health.baseline import TOLD, Fall, Told
from semsupervisor.health.baselines import ASK_AGAIN_SECONDS, SETTLED_SECONDS, Baselines
from tests.support.clock import ManualClock
from tests.support.jetstream import stream

STAMP = "2026-02-15T00:00:00.187363221Z"
DAY_SECONDS = TOLD.total_seconds()
YEAR_SECONDS = 365 * DAY_SECONDS


class Watcher:
    """Looks at one stream, with a new memory after each `restart`."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.clock = ManualClock()
        self.asked: list[tuple[str, str, int]] = []
        self.holder: Callable[[str, str, int], str | None] = self._holder
        self.seconds = 30.0
        self.restart()

    def restart(self) -> None:
        """Forget what is not on the disk."""
        self.baselines = Baselines(self.clock, self.file, self._ask)

    async def told(self, last: int, server: str = "A", after_seconds: float = 30.0) -> Told | None:
        """Return what is told by a look some time after the one before."""
        self.clock.advance(after_seconds)
        return await self.baselines.look(server, [stream(name="EV", last_sequence=last, created=STAMP)], self.seconds)

    async def look(self, last: int, server: str = "A", after_seconds: float = 30.0) -> Mapping[str, Fall]:
        """Return the falls of such a look, which is known."""
        told = await self.told(last, server, after_seconds)
        assert told is not None
        return told.falls

    def _ask(self, account: str, name: str, beyond: int) -> str | None:
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


@pytest.mark.parametrize("jump", [50 * YEAR_SECONDS, -DAY_SECONDS])
async def test_a_clock_that_is_set_ends_no_fall_and_prolongs_none(watcher: Watcher, jump: float) -> None:
    """As by the first answer of NTP, over a restart as well: it is told for the day that passes."""
    await watcher.look(500)
    await watcher.look(400, "B")
    watcher.clock.jump(jump)
    assert "EV" in await watcher.look(400, "B")
    watcher.restart()
    assert "EV" in await watcher.look(400, "B", after_seconds=DAY_SECONDS - 120)
    assert await watcher.look(400, "B", after_seconds=120) == {}


async def test_a_fall_found_in_1970_is_told_for_a_day(watcher: Watcher) -> None:
    """A host without a clock of its own finds it before NTP answers, and the next boot is in 1970 again."""
    watcher.clock = ManualClock(datetime(1970, 1, 1, tzinfo=UTC))
    watcher.restart()
    await watcher.look(500)
    await watcher.look(400, "B")
    watcher.clock.jump(56 * YEAR_SECONDS)
    assert "EV" in await watcher.look(400, "B")
    watcher.clock = ManualClock(datetime(1970, 1, 1, tzinfo=UTC), monotonic=10.0)
    watcher.restart()
    assert "EV" in await watcher.look(400, "B")
    watcher.clock.jump(56 * YEAR_SECONDS)
    assert "EV" in await watcher.look(400, "B", after_seconds=DAY_SECONDS - 60)
    assert await watcher.look(400, "B", after_seconds=60) == {}


async def test_a_host_that_slept_was_away_for_that_long(watcher: Watcher) -> None:
    """Sleep is time that passes: nothing was set."""
    await watcher.look(500)
    await watcher.look(400, "B")
    watcher.clock.sleep(DAY_SECONDS)
    assert await watcher.look(400, "B") == {}


async def test_what_was_put_back_under_a_running_server_is_kept_at_once(watcher: Watcher) -> None:
    """A reboot minutes later is then compared with that, and no loss."""
    for _ in range(3):
        await watcher.look(500, after_seconds=SETTLED_SECONDS)
    await watcher.look(400)
    watcher.restart()
    assert await watcher.look(400, "B") == {}
    watcher.restart()
    assert (await watcher.look(399, "C"))["EV"].was == 400


async def test_the_disk_is_written_to_once_an_hour(watcher: Watcher) -> None:
    """However much the streams grow."""
    written = set()
    for number in range(60):
        await watcher.look(500 + number, after_seconds=150.0)
        if watcher.file.exists():
            written.add(watcher.file.read_bytes())
    assert len(written) == 3


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


async def test_garbage_is_begun_afresh(watcher: Watcher) -> None:
    """What fell before is not known for a day, over a restart as well, and nothing is said to be over."""
    watcher.file.write_bytes(b"{")
    for server in ("A", "B"):
        told = await watcher.told(500, server)
        assert told is not None
        assert (told.falls, told.sure) == ({}, False)
        watcher.restart()
    told = await watcher.told(500, "B", after_seconds=DAY_SECONDS)
    assert told is not None
    assert told.sure


async def test_what_cannot_be_read_is_not_known(watcher: Watcher) -> None:
    """Until it can be: the file is left as it is, and what fell is told then."""
    await watcher.look(500)
    found = await watcher.look(400, "B")
    await watcher.look(400, "B")
    kept = watcher.file.rename(watcher.file.with_name("kept"))
    watcher.file.mkdir()
    watcher.restart()
    assert await watcher.told(400, "B") is None
    watcher.file.rmdir()
    kept.rename(watcher.file)
    assert await watcher.look(400, "B") == found


async def test_what_cannot_be_written_is_tried_again(watcher: Watcher) -> None:
    """Nothing is raised for it, and what is found is told."""
    watcher.file.mkdir()
    watcher.baselines = Baselines(watcher.clock, watcher.file / "folder" / "file", watcher.holder)
    await watcher.look(500)
    assert "EV" in await watcher.look(400, "B")
    (watcher.file / "folder").mkdir()
    await watcher.look(400, "B")
    assert (watcher.file / "folder" / "file").exists()


async def test_a_disk_that_hangs_is_not_waited_for(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the file nothing is known or compared; without the snapshots a fall is told all the same."""
    free = threading.Event()
    try:
        await watcher.look(500)
        watcher.seconds = 0.05
        watcher.holder = lambda *_: str(free.wait(60))
        monkeypatch.setattr(Baselines, "_write", lambda *_: free.wait(60))
        assert (await watcher.look(400, "B"))["EV"].snapshot is None
        watcher.restart()
        monkeypatch.setattr(Baselines, "_read", lambda *_: free.wait(60))
        assert await watcher.told(300, "C") is None
    finally:
        free.set()


async def test_snapshots_that_were_not_seen_are_asked_for_again(watcher: Watcher) -> None:
    """By and by, and whatever the disk answers: a dying one costs neither the look nor the other falls theirs."""
    answers: Iterator[Exception | str | None] = iter(
        [OSError(errno.EIO, "Input/output error"), None, "20261124-020000"]
    )

    def ask(*_: object) -> str | None:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    watcher.holder = ask
    await watcher.look(500)
    assert (await watcher.look(400, "B"))["EV"].snapshot is None
    assert (await watcher.look(400, "B"))["EV"].snapshot is None
    for held in (None, "20261124-020000", "20261124-020000"):
        assert (await watcher.look(400, "B", after_seconds=ASK_AGAIN_SECONDS))["EV"].snapshot == held


async def test_snapshots_of_many_falls_are_named_in_one_budget(tmp_path: Path) -> None:
    """Those for which no time is left are named at later looks; all falls are told at the first."""
    clock, some = ManualClock(), [f"S{number}" for number in range(5)]

    def slow(*_: object) -> str:
        clock.advance(27.0)
        return "20261124-020000"

    kept = Baselines(clock, tmp_path / "stream-baselines", slow)
    await kept.look("A", [stream(name=name, created=STAMP) for name in some], 60.0)
    named = []
    for _ in range(2):
        told = await kept.look("B", [stream(name=name, created=STAMP, last_sequence=1) for name in some], 60.0)
        assert told is not None
        assert set(told.falls) == set(some)
        named.append(sum(fall.snapshot is not None for fall in told.falls.values()))
    assert named == [3, 5]
