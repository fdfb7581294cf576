"""Looking, now and then, for what looked after the stack before and still does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from semsupervisor.health import predecessors
from semsupervisor.health.predecessors import ActiveScript
from semsupervisor.kit.blocking import BlockingCalls, Hanging
from semsupervisor.systems import schedules
from semsupervisor.systems.schedules import Scheduled

log = structlog.get_logger(__name__)

LOOK_SECONDS = 300.0
TIMEOUT_SECONDS = 10.0
MOST_IN_VAIN = 10


class Predecessors:
    """The runbook's scripts that the host still runs; of what cannot be read nothing is said.

    `known` tells whether that is known: since the first look that came back, or since so many were waited for in vain.
    """

    def __init__(self, directory: str, read: Callable[[], Sequence[Scheduled]] = schedules.read) -> None:
        self._directory = directory
        self._read = read
        self._calls = BlockingCalls()
        self.active: tuple[ActiveScript, ...] = ()
        self._in_vain = 0
        self._seen = False

    @property
    def known(self) -> bool:
        """Tell whether there was a look, or too many that did not come back: a disk that hangs must not end backups."""
        return self._seen or self._in_vain >= MOST_IN_VAIN

    async def look(self) -> None:
        """Look once."""
        try:
            found = await self._calls.run_in_turn("the host's schedules", self._read, TIMEOUT_SECONDS)
        except Hanging as error:
            log.debug("predecessors.unseen", error=str(error))
            self._in_vain += 1
            return
        self.active = predecessors.active(((one.where, one.command) for one in found), self._directory)
        self._seen = True
