"""The folder of the snapshots as jobs use it: beside the loop, a call after the other, each with an end to waiting.

A target that hangs, such as a network file system whose server is away, holds up one job and nothing else; the daemon
ends without it. What takes long is done in pieces, so that a job can be cut short between them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from semsupervisor.backup.folders import Folders, TargetUnusable
from semsupervisor.kit.blocking import BlockingCalls, Hanging

T = TypeVar("T")

ANSWER_SECONDS = 60.0
# What the memory holds for a slow disk may be much by the time it has to be on it.
SYNC_SECONDS = 600.0


class Disk:
    """One folder of snapshots. Who gives the same `calls` waits for each other's turn."""

    def __init__(self, folders: Folders, calls: BlockingCalls) -> None:
        self.folders = folders
        self._calls = calls

    async def do(self, call: Callable[[], T], limit_seconds: float = ANSWER_SECONDS) -> T:
        """Return what `call` returns, or raise what it raises. Raises also: TargetUnusable when there is no answer."""
        try:
            return await self._calls.run_in_turn(str(self.folders.root), call, limit_seconds)
        except Hanging as error:
            raise TargetUnusable(f"the disk of the snapshots does not answer: {error}") from error

    def leave(self, call: Callable[[], object]) -> None:
        """Let `call` be made when its turn comes; nobody waits for it."""
        self._calls.leave(str(self.folders.root), call)
