"""Calls in a thread of their own, and an end to waiting for them."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from semsupervisor.store import worker
from semsupervisor.store.worker import Silent, Worker
from tests.support.commands import REPOSITORY
from tests.support.waiting import eventually

HANGING = """
import asyncio, threading
from semsupervisor.store import worker
worker.ANSWER_SECONDS = 0.05
async def hang():
    own = worker.Worker("test")
    try:
        await own.run(threading.Event().wait)
    except worker.Silent:
        own.stop()
asyncio.run(hang())
"""


async def test_what_comes_back_is_the_callers() -> None:
    """A result is returned and an error is raised as it is."""
    own = Worker("test")
    assert await own.run(lambda: 1) == 1
    with pytest.raises(ZeroDivisionError):
        await own.run(lambda: 1 // 0)
    own.stop()


async def test_a_thread_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The call that hangs ends in time, the next ones at once and without being made, until the thread is free."""
    monkeypatch.setattr(worker, "ANSWER_SECONDS", 0.05)
    own, free, made = Worker("test"), threading.Event(), list[str]()
    with pytest.raises(Silent, match="does not answer"):
        await own.run(lambda: free.wait(30))
    monkeypatch.setattr(worker, "ANSWER_SECONDS", 30.0)
    with pytest.raises(Silent):
        await own.run(lambda: made.append("refused"))
    free.set()

    async def answers() -> bool:
        try:
            await own.run(lambda: made.append("made"))
        except Silent:
            return False
        return True

    await eventually(answers)
    assert made == ["made"]
    own.stop()


def test_a_thread_that_hangs_does_not_hold_up_the_end_of_the_process() -> None:
    """A process whose thread never comes back ends all the same."""
    subprocess.run([sys.executable, "-c", HANGING], cwd=REPOSITORY, timeout=60, check=True)


async def test_what_was_stopped_takes_nothing_more() -> None:
    """Who asks after the end is told so at once, and does not wait for an answer that nobody gives."""
    own = Worker("test")
    own.stop()
    with pytest.raises(RuntimeError, match="test was stopped"):
        await own.run(lambda: 1)
