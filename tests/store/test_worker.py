"""Calls in a thread of their own, and an end to waiting for them."""

from __future__ import annotations

import threading

import pytest

from semsupervisor.store import worker
from semsupervisor.store.worker import Silent, Worker
from tests.support.waiting import eventually


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
