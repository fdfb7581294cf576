"""What every backup does goes into the folder that it began in, and says which file it could not have."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from semsupervisor.backup.copying import Known, Write
from semsupervisor.backup.hot import HotBackup
from semsupervisor.backup.taking import Taking
from semsupervisor.jobs.record import JobState
from semsupervisor.kit.tasks import TaskOwner
from tests.backup.test_hot import FRAMES, Stack, a_workshop, backed_up, listed
from tests.support.clock import ManualClock
from tests.support.workshop import Workshop

pytestmark = pytest.mark.usefixtures("logs")


async def test_a_backup_stays_where_it_began(tmp_path: Path) -> None:
    """Other settings change nothing for what is under way."""
    stack = Stack(tmp_path / "stack")
    stack.content, stack.names = FRAMES, [Known("EV", 8, False)]
    where = ["first"]
    clock = ManualClock()

    async def take(name: str, write: Write, *, gently: bool) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        where[0] = "second"
        await write(FRAMES)
        return {"name": name}, {}

    stack.take = take  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as group:
        owner = TaskOwner(group, clock)
        taking = Taking(clock, lambda: tmp_path / where[0], stack.source(), stack.look)
        shop = Workshop(tmp_path, owner, [HotBackup(taking).kind()])
        await shop.runner.take_up()
        job = await backed_up(shop)
        await owner.stop()
        await shop.store.close()
    assert job.state is JobState.DONE
    assert await asyncio.to_thread(lambda: [file.name for file in (tmp_path / "first").iterdir()]) == [
        job.data["snapshot"]
    ]


async def test_a_file_that_hangs_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is taken, and why it is not whole is said."""
    stack = Stack(tmp_path / "stack")
    stack.content, stack.names = FRAMES, [Known("EV", 8, False)]
    pipe = tmp_path / "stack" / ".env"
    await asyncio.to_thread(pipe.unlink)
    await asyncio.to_thread(os.mkfifo, pipe)
    monkeypatch.setattr("semsupervisor.backup.stack_files.ANSWER_SECONDS", 0.05)
    async with a_workshop(tmp_path, stack) as shop:
        job = await backed_up(shop)
        assert job.notes == (f"file {pipe} is not in it: file {pipe}: no answer within 0.05 s",)
        (one,) = await listed(tmp_path)
        assert (one.streams, one.complete) == (1, False)
        await asyncio.to_thread(pipe.write_bytes, b"")
