"""What the streams' servers say was lost, asked of one stream a look in turn, and kept in between."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from semsupervisor.errors import SupervisorError
from semsupervisor.systems.bodies import Unreadable
from semsupervisor.systems.jetstream_state import Lost, StreamState

# The answer holds the number of each message that was deleted in between.
MOST_DELETED = 10_000
# A login that may not ask is noted in the server's log, and a stream that is not there in its errors, each time.
LOOKS_OF_REST = 20

LostOf = Callable[[str], Awaitable[Lost]]


class Losses:
    """Asks by `lost_of`, which sees the streams of one account; nothing is known of what it cannot tell.

    A name that more than one account has a stream of is not asked for: it is not known whose it would be. Which account
    it is shows by the first answer; until then one is tried after the other, with a rest in between.
    """

    def __init__(self, lost_of: LostOf) -> None:
        self._lost_of = lost_of
        self._known: dict[str, Lost] = {}
        self._account = ""
        self._tried: set[str] = set()
        self._last = ""
        self._rest = 0

    async def look(self, streams: Sequence[StreamState], timeout_seconds: float) -> Sequence[StreamState]:
        """Ask for the next stream, and return all with what is known to be lost of each. Nothing is raised."""
        if self._rest:
            self._rest -= 1
        elif (one := self._next(streams)) is not None:
            self._last = one.subject_name
            await self._ask(one, timeout_seconds)
        there = {one.subject_name for one in streams}
        self._known = {name: lost for name, lost in self._known.items() if name in there}
        return self.known(streams)

    def known(self, streams: Sequence[StreamState]) -> Sequence[StreamState]:
        """Return the streams with what was told last."""
        return [msgspec.structs.replace(one, lost=self._known.get(one.subject_name)) for one in streams]

    async def _ask(self, stream: StreamState, timeout_seconds: float) -> None:
        known = self._known.pop(stream.subject_name, None)
        try:
            async with asyncio.timeout(timeout_seconds):
                known = await self._lost_of(stream.name)
                self._account = stream.account
        except Unreadable:
            self._account = ""
            self._tried.add(stream.account)
            self._rest = LOOKS_OF_REST
            return
        except (SupervisorError, TimeoutError):
            self._rest = LOOKS_OF_REST
        if known is not None:
            self._known[stream.subject_name] = known

    def _next(self, streams: Sequence[StreamState]) -> StreamState | None:
        """Return the stream after the one that was asked for last, by name, the first one after the last."""
        owners = Counter(one.name for one in streams)
        able = [one for one in streams if owners[one.name] == 1 and one.deleted_messages <= MOST_DELETED]
        if not {one.account for one in able} - self._tried:
            self._tried.clear()
        able = [
            one for one in able if self._account == one.account or not (self._account or one.account in self._tried)
        ]
        return min(able, key=lambda one: (one.subject_name <= self._last, one.subject_name), default=None)
