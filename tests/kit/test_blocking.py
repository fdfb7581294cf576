"""Blocking calls in threads that nobody waits for."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from semsupervisor.kit.blocking import BlockingCalls, Hanging
from tests.support.commands import REPOSITORY
from tests.support.waiting import eventually

FOR_EVER = """
import asyncio, threading
from semsupervisor.kit.blocking import BlockingCalls, Hanging

async def main():
    try:
        await BlockingCalls().run("nfs", threading.Event().wait, 0.05)
    except Hanging as error:
        print(error)

asyncio.run(main())
"""


def failing() -> None:
    """Fail as a file system would."""
    raise OSError(5, "Input/output error")


async def test_what_a_call_returns_or_raises_comes_back() -> None:
    """Results and errors pass, and the key is free again after each."""
    calls = BlockingCalls()
    assert await calls.run("a", lambda: 7, 5.0) == 7
    with pytest.raises(OSError, match="Input/output error"):
        await calls.run("a", failing, 5.0)
    with pytest.raises(TimeoutError):
        await calls.run("a", lambda: (_ for _ in ()).throw(TimeoutError("mine")), 5.0)
    assert await calls.run("a", lambda: 8, 5.0) == 8


async def test_a_call_that_hangs_keeps_its_key_and_no_other() -> None:
    """It is given up after its time; the next of its key is refused at once, others run, until it comes back."""
    calls, gate = BlockingCalls(), threading.Event()
    with pytest.raises(Hanging, match=r"a: no answer within 0\.02 s"):
        await calls.run("a", gate.wait, 0.02)
    with pytest.raises(Hanging, match="a: an earlier look has not come back yet"):
        await calls.run("a", lambda: True, 5.0)
    assert await calls.run("b", lambda: True, 5.0)
    gate.set()
    await eventually(lambda: not calls._busy)
    assert await calls.run("a", lambda: True, 5.0)


async def test_a_cancelled_call_frees_its_key_when_it_comes_back() -> None:
    """Cancelling the waiter does not end the call."""
    calls, gate = BlockingCalls(), threading.Event()
    waiting = asyncio.create_task(calls.run("a", gate.wait, 5.0))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert set(calls._busy) == {"a"}
    gate.set()
    await eventually(lambda: not calls._busy)


async def test_calls_in_turn_follow_each_other() -> None:
    """Each begins when the one before it has come back; one that was given up before its turn is never made."""
    calls, gate, made = BlockingCalls(), threading.Event(), list[str]()

    def slow() -> None:
        gate.wait()
        made.append("first")

    first = asyncio.create_task(calls.run_in_turn("a", slow, 30.0))
    await asyncio.sleep(0)
    with pytest.raises(Hanging, match=r"a: no answer within 0\.02 s"):
        await calls.run_in_turn("a", lambda: made.append("given up"), 0.02)
    third = asyncio.create_task(calls.run_in_turn("a", lambda: made.append("third"), 30.0))
    await asyncio.sleep(0)
    calls.leave("a", failing)
    calls.leave("a", lambda: made.append("left"))
    assert made == []
    gate.set()
    await first
    await third
    await eventually(lambda: not calls._busy)
    assert made == ["first", "third", "left"]


async def test_what_is_left_to_be_done_needs_nobody_that_waits() -> None:
    """It is done although the call before it was given up, and what it raises disturbs nobody."""
    calls, gate, made = BlockingCalls(), threading.Event(), list[str]()
    with pytest.raises(Hanging):
        await calls.run_in_turn("a", gate.wait, 0.01)
    calls.leave("a", failing)
    calls.leave("a", lambda: made.append("closed"))
    gate.set()
    await eventually(lambda: made == ["closed"])


async def test_only_so_many_hang_at_a_time() -> None:
    """One more key is refused, however many ask; the keys that wait may."""
    calls, gate = BlockingCalls(most_keys=2), threading.Event()
    for key in "ab":
        with pytest.raises(Hanging, match="no answer"):
            await calls.run(key, gate.wait, 0.01)
    with pytest.raises(Hanging, match="c: 2 other calls have not come back yet"):
        await calls.run("c", lambda: True, 5.0)
    gate.set()
    assert await calls.run_in_turn("a", lambda: True, 30.0)
    await eventually(lambda: not calls._busy)
    assert await calls.run("c", lambda: True, 5.0)


def test_a_call_may_outlive_its_loop() -> None:
    """What comes back after the loop was closed disturbs nobody."""
    calls, gate = BlockingCalls(), threading.Event()

    async def give_up() -> None:
        with pytest.raises(Hanging):
            await calls.run("a", gate.wait, 0.01)

    asyncio.run(give_up())
    gate.set()
    for thread in threading.enumerate():
        if thread.name == "blocking a":
            thread.join(5)


def test_a_call_that_hangs_keeps_no_process_alive() -> None:
    """The interpreter ends while a call hangs still."""
    ended = subprocess.run(
        [sys.executable, "-c", FOR_EVER], cwd=REPOSITORY, capture_output=True, text=True, timeout=20, check=True
    )
    assert ended.stdout == "nfs: no answer within 0.05 s\n"
