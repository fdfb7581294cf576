"""Background tasks with one owner: each has a name, each failure is seen, each loop shows whether it is alive."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import msgspec
import structlog

from semsupervisor.kit import backoff
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.text import encodable

log = structlog.get_logger(__name__)

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 60.0
FAILURES_UNTIL_SHOWN = 3


class LoopHealth(msgspec.Struct):
    """How one guarded loop is doing: failures in a row, the last error, and when it last went well (monotonic s)."""

    name: str
    failures_in_row: int = 0
    failures_total: int = 0
    last_error: str = ""
    last_good_monotonic: float = 0.0


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` to its end even if the caller is cancelled meanwhile; the cancellation is raised after it.

    For what must not be left half done, such as a commit and what follows from it in memory; it has to be short.
    """
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None or task.cancelled():
        return task.result()
    raise cancelled from task.exception()


class TaskOwner:
    """Starts every background task of the daemon in one TaskGroup and knows how its loops are doing.

    `pause` waits the given seconds between two tries of a loop.
    """

    def __init__(
        self, group: asyncio.TaskGroup, clock: Clock, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._group = group
        self._clock = clock
        self._pause = pause
        self._tasks: set[asyncio.Task[Any]] = set()
        self._recurring: dict[str, LoopHealth] = {}
        self.loops: dict[str, LoopHealth] = {}

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work` once in the background; an exception from it ends the whole group."""
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def attempt(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work` once in the background; an exception from it is logged and ends nothing else."""
        return self.start(name, self._logged(name, work))

    def recur(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Attempt what is done again and again under one name; after `FAILURES_UNTIL_SHOWN` in a row it is a loop too.

        As a loop it is shown to fail until it goes well again, or is dropped.
        """
        return self.start(name, self._counted(name, work))

    def drop(self, name: str) -> None:
        """Forget how often something that does not recur any more has failed."""
        self._recurring.pop(name, None)
        self.loops.pop(name, None)

    def loop(self, name: str, turn: Callable[[], Awaitable[Any]]) -> asyncio.Task[Any]:
        """Await `turn` for ever: a failing turn is logged once with its count, backs off and is tried again."""
        health = self.loops.setdefault(name, LoopHealth(name, last_good_monotonic=self._clock.monotonic()))
        return self.start(name, self._guarded(health, turn))

    async def stop(self) -> None:
        """Cancel all tasks and wait until each has ended."""
        mine = asyncio.current_task()
        while tasks := [task for task in self._tasks if task is not mine]:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _logged(self, name: str, work: Coroutine[Any, Any, Any]) -> None:
        try:
            await work
        except Exception:
            log.exception("task.failed", task=name)

    async def _counted(self, name: str, work: Coroutine[Any, Any, Any]) -> None:
        health = self._recurring.setdefault(name, LoopHealth(name))
        try:
            await work
        except Exception as error:
            _count(health, error)
            log.exception("task.failed", task=name, failures=health.failures_in_row)
            if health.failures_in_row >= FAILURES_UNTIL_SHOWN:
                self.loops[name] = health
        else:
            if name in self.loops and health.failures_in_row:
                log.info("loop.recovered", loop=name, failures=health.failures_in_row)
            health.failures_in_row = 0
            health.last_good_monotonic = self._clock.monotonic()

    async def _guarded(self, health: LoopHealth, turn: Callable[[], Awaitable[Any]]) -> None:
        # What a turn awaits may keep a cancellation to itself (asyncio.wait_for up to Python 3.11).
        while not _is_to_end():
            try:
                await turn()
                await asyncio.sleep(0)  # a turn that never waits must not keep all others from theirs
            except asyncio.CancelledError as error:
                if _is_to_end():
                    raise
                await self._back_off(health, error)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is logged, counted and shown
                await self._back_off(health, error)
            else:
                if health.failures_in_row:
                    log.info("loop.recovered", loop=health.name, failures=health.failures_in_row)
                health.failures_in_row = 0
                health.last_good_monotonic = self._clock.monotonic()

    async def _back_off(self, health: LoopHealth, error: BaseException) -> None:
        _count(health, error)
        if health.failures_in_row == 1:
            log.error("loop.failed", loop=health.name, exc_info=error)
        await self._pause(
            backoff.pause_seconds(health.failures_in_row, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, lambda: 1.0)
        )


def _count(health: LoopHealth, error: BaseException) -> None:
    health.failures_in_row += 1
    health.failures_total += 1
    health.last_error = encodable(f"{type(error).__name__}: {error}")


def _is_to_end() -> bool:
    """Tell whether somebody cancels the current task; a CancelledError without that comes from something it awaited."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
