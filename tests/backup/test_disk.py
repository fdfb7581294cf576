"""A folder of snapshots that does not answer holds up its own callers alone."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from semsupervisor.backup.disk import Disk
from semsupervisor.backup.folders import Folders, TargetUnusable
from semsupervisor.kit.blocking import BlockingCalls
from tests.support.waiting import eventually


async def test_what_hangs_is_given_up_and_holds_up_no_other_folder(tmp_path: Path) -> None:
    """The error says which folder it is; what is left to be done is done when the folder answers again."""
    calls, gate, closed = BlockingCalls(), threading.Event(), threading.Event()
    hung, well = (Disk(Folders(tmp_path / name), calls) for name in ("hung", "well"))
    with pytest.raises(TargetUnusable, match=r"the disk of the snapshots does not answer: /.*/hung: no answer within"):
        await hung.do(gate.wait, 0.02)
    hung.leave(closed.set)
    assert await well.do(lambda: 7) == 7
    assert not closed.is_set()
    gate.set()
    await eventually(closed.is_set)
    assert await hung.do(lambda: 8) == 8
