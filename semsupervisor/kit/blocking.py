"""Calls that may block for ever, such as those on a network file system whose server is away.

A thread that hangs cannot be ended. Those of a pool would be missing in it, and the interpreter waits for them at its
end; so each call gets a thread of its own that nobody waits for, and a key never has more than one.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from semsupervisor.errors import TemporaryError

T = TypeVar("T")

MOST_KEYS = 64


class Hanging(TemporaryError):
    """A call has not come back in time, or an earlier one of the same key has not come back yet."""


class BlockingCalls:
    """Runs blocking calls beside the loop, each key's one at a time, and of so many keys at most."""

    def __init__(self, most_keys: int = MOST_KEYS) -> None:
        self._most_keys = most_keys
        self._busy: dict[str, deque[Callable[[], bool]]] = {}

    async def run(self, key: str, call: Callable[[], T], timeout_seconds: float) -> T:
        """Return what `call` returns, or raise what it raises; at once if the key's last has not come back.

        Raises also: Hanging.
        """
        if key in self._busy:
            raise Hanging(f"{key}: an earlier look has not come back yet")
        return await self.run_in_turn(key, call, timeout_seconds)

    async def run_in_turn(self, key: str, call: Callable[[], T], timeout_seconds: float) -> T:
        """Run `call` when the key's earlier ones have come back, which counts for its time.

        One that is given up before its turn is never made. Raises: Hanging; what `call` raises.
        """
        if key not in self._busy and len(self._busy) >= self._most_keys:
            raise Hanging(f"{key}: {len(self._busy)} other calls have not come back yet")
        result = self._taken(key, call)
        limit = asyncio.timeout(timeout_seconds)
        try:
            async with limit:
                return await result
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise Hanging(f"{key}: no answer within {timeout_seconds:g} s") from error

    def leave(self, key: str, call: Callable[[], object]) -> None:
        """Let `call` be made after the key's earlier ones; nobody waits for it, or hears what becomes of it."""
        self._taken(key, call).add_done_callback(asyncio.Future.exception)

    def _taken(self, key: str, call: Callable[[], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()

        def settle(set_result: Callable[[], None]) -> None:
            if not result.done():
                set_result()
            self._next(key)

        def work() -> None:
            try:
                value = call()
            except Exception as error:  # noqa: BLE001 - it is raised again where the call is awaited
                failure = error
                _hand_over(loop, lambda: settle(lambda: result.set_exception(failure)))
            else:
                _hand_over(loop, lambda: settle(lambda: result.set_result(value)))

        start = partial(_started, result, work, f"blocking {key}")
        if key in self._busy:
            self._busy[key].append(start)
        else:
            self._busy[key] = deque()
            start()
        return result

    def _next(self, key: str) -> None:
        """Start the key's next call that is still wanted, if there is one."""
        waiting = self._busy[key]
        while waiting:
            if waiting.popleft()():
                return
        del self._busy[key]


def _started(result: asyncio.Future[Any], work: Callable[[], None], name: str) -> bool:
    """Start a call in a thread of its own, unless nobody wants it any more."""
    if result.done():
        return False
    threading.Thread(target=work, name=name, daemon=True).start()
    return True


def _hand_over(loop: asyncio.AbstractEventLoop, settle: Callable[[], None]) -> None:
    """Settle on the loop, if there still is one: a call may outlive it."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(settle)
