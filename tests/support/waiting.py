"""Waiting for what another process or task does: looked at often, and never without an end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")

PAUSE_SECONDS = 0.02
# Long enough for a machine on which everything takes five times as long.
LONGEST_SECONDS = 30.0


@overload
async def eventually(look: Callable[[], Awaitable[T]], within_seconds: float = LONGEST_SECONDS) -> T: ...
@overload
async def eventually(look: Callable[[], T], within_seconds: float = LONGEST_SECONDS) -> T: ...
async def eventually(look: Callable[[], T | Awaitable[T]], within_seconds: float = LONGEST_SECONDS) -> T:
    """Look until the answer is true and return it; fail with the last answer when the time is over."""
    deadline = time.monotonic() + within_seconds
    while True:
        answer = look()
        seen: T = await answer if isinstance(answer, Awaitable) else answer
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_seconds:g} s: {look!r} still answers {seen!r}")
        await asyncio.sleep(PAUSE_SECONDS)


def eventually_sync(
    look: Callable[[], T], within_seconds: float = LONGEST_SECONDS, *, pause_seconds: float = PAUSE_SECONDS
) -> T:
    """Look until the answer is true and return it, from a test without a loop, with a pause between two looks."""
    deadline = time.monotonic() + within_seconds
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_seconds:g} s: {look!r} still answers {seen!r}")
        time.sleep(pause_seconds)
    return seen
