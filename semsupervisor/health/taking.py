"""Whose consumers are whose: which of them do not stand or fall with SemStreams. Pure.

A consumer does not tell whose program takes its messages, and others than SemStreams may use the same server. What was
stuck while SemStreams worked is not stuck because it was stopped, and what is delivered while it does not run is taken
by somebody else. What is acknowledged proves nothing: a purge or a limit of the stream moves that as well.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from semsupervisor.health.streams import QUIET_SECONDS, FollowedConsumer, quiet_seconds


class Taker(msgspec.Struct, frozen=True):
    """How SemStreams is at one look: it works, or its container is known not to run; None where it is neither.

    `run` names the last run of its container: two looks with the same one have seen no other run in between.
    """

    works: bool | None = None
    run: object = None


class Taking(msgspec.Struct, frozen=True):
    """How a consumer has done beside SemStreams.

    `still_seconds` is for how long it has now got nothing done while SemStreams worked, and `by_others` tells whether
    it went on while SemStreams did not run.
    """

    still_seconds: float = 0.0
    by_others: bool = False


NOTHING_SEEN = Taking()


class Takings:
    """How all consumers have done, from look to look."""

    def __init__(self) -> None:
        self._at = 0.0
        self._taker = Taker()
        self._absent = False
        self._consumers: Mapping[str, FollowedConsumer] = {}
        self._takings: dict[str, Taking] = {}

    def look(self, at: float, taker: Taker, consumers: Mapping[str, FollowedConsumer]) -> None:
        """Take a look in: the monotonic time of it, how SemStreams was, and what is known of each consumer by name.

        How SemStreams was is seen after what its consumers did: it may have ended in between.
        """
        passed, same = at - self._at, taker == self._taker
        beside_seconds = passed if same and taker.works is True and passed <= QUIET_SECONDS else 0.0
        absent = same and taker.works is False
        # What was counted at the first look of its absence may be from before; what was at the second is not.
        throughout = absent and self._absent
        self._takings = {
            name: self._follow(name, one, at, beside_seconds, absent=throughout) for name, one in consumers.items()
        }
        self._at, self._taker, self._absent, self._consumers = at, taker, absent, consumers

    def is_apart(self, name: str) -> bool:
        """Tell whether what befalls SemStreams explains nothing of a consumer."""
        taking = self._takings[name]
        return taking.by_others or taking.still_seconds >= quiet_seconds(self._consumers[name].state)

    def _follow(self, name: str, now: FollowedConsumer, at: float, beside_seconds: float, *, absent: bool) -> Taking:
        past, before = self._consumers.get(name), self._takings.get(name, NOTHING_SEEN)
        if past is None or now.state.delivered < past.state.delivered:
            return NOTHING_SEEN
        delivered = now.state.delivered > past.state.delivered
        by_others = before.by_others or (absent and delivered)
        still = now.still_since < at
        return Taking(before.still_seconds + beside_seconds if still else 0.0, by_others)
