"""One thread for what may block on a disk, and an end to waiting for it: a disk that hangs gives no error."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

# Longer than any commit takes that ends, and short enough to tell of it in time.
ANSWER_SECONDS = 10.0


class Silent(Exception):
    """The thread did not answer in time."""

    def __init__(self) -> None:
        super().__init__(f"its disk does not answer within {ANSWER_SECONDS:g} s")


class Worker:
    """Runs one call after the other in its thread, for which the process does not wait at its end."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._stopped = False
        self._free_again: Future[None] | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` and return what it returns; what it raises is raised.

        Raises: Silent when there is no answer in time, and at once while the thread hangs in an earlier call. Work that
        had begun by then goes on, and nobody learns of its outcome. RuntimeError when it was stopped.
        """
        if self._free_again is not None and not self._free_again.done():
            raise Silent
        job = self._submit(work)
        answer = asyncio.wrap_future(job)
        answer.add_done_callback(_retrieved)
        ended, _ = await asyncio.wait([answer], timeout=ANSWER_SECONDS)
        if not ended:
            job.cancel()
            self._free_again = self._submit(_nothing)
            raise Silent
        return answer.result()

    def stop(self) -> None:
        """Take nothing more; it is not waited for, which would block the loop."""
        self._stopped = True
        self._jobs.put(None)

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        if self._stopped:
            raise RuntimeError(f"{self._thread.name} was stopped")
        if not self._thread.is_alive():
            self._thread.start()
        job: Future[T] = Future()
        self._jobs.put(lambda: _do(work, job))
        return job

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job  # what it returned may be large, and the next one may be long in coming


def _do(work: Callable[[], T], job: Future[T]) -> None:
    if not job.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - it is raised again where the call is awaited
        job.set_exception(error)
    else:
        job.set_result(result)


def _nothing() -> None:
    """Run when the thread is free again."""


def _retrieved(answer: asyncio.Future[Any]) -> None:
    """Look at the outcome of what nobody waits for any more; without that, asyncio says that it was missed."""
    if not answer.cancelled():
        answer.exception()
