"""Calls that may block for ever, such as those on a network file system whose server is away.

A thread that hangs cannot be ended. Those of a pool would be missing in it, and the interpreter waits for them at its
end; so each call gets a thread of its own that nobody waits for, and a key never has more than one.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from semsupervisor.errors import TemporaryError

T = TypeVar("T")


class Hanging(TemporaryError):
    """A call has not come back in time, or an earlier one of the same key has not come back yet."""


class BlockingCalls:
    """Runs blocking calls beside the loop, each key's one at a time."""

    def __init__(self) -> None:
        self._busy: set[str] = set()

    async def run(self, key: str, call: Callable[[], T], timeout_seconds: float) -> T:
        """Return what `call` returns, or raise what it raises. Raises also: Hanging."""
        if key in self._busy:
            raise Hanging(f"{key}: an earlier look has not come back yet")
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()

        def settle(set_result: Callable[[], None]) -> None:
            self._busy.discard(key)
            if not result.done():
                set_result()

        def work() -> None:
            try:
                value = call()
            except Exception as error:  # noqa: BLE001 - it is raised again where the call is awaited
                failure = error
                _hand_over(loop, lambda: settle(lambda: result.set_exception(failure)))
            else:
                _hand_over(loop, lambda: settle(lambda: result.set_result(value)))

        self._busy.add(key)
        threading.Thread(target=work, name=f"blocking {key}", daemon=True).start()
        limit = asyncio.timeout(timeout_seconds)
        try:
            async with limit:
                return await result
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise Hanging(f"{key}: no answer within {timeout_seconds:g} s") from error


def _hand_over(loop: asyncio.AbstractEventLoop, settle: Callable[[], None]) -> None:
    """Settle on the loop, if there still is one: a call may outlive it."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(settle)
