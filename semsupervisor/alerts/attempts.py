"""Whether a message that was not taken is tried again, and when. Pure."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from semsupervisor.alerts.notification import OutboxEntry
from semsupervisor.kit.backoff import pause_seconds
from semsupervisor.settings.model import DeliverySettings


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt that went wrong.

    `in_row` counts the receiver's failures since its last success, this one included, whatever the message;
    `refusals` counts how often this message was refused for good, the first time `refused_seconds` ago (infinite: no
    patience will help, the fault is ours). `spent_seconds` went by since the message's last
    failure, or since its first attempt began. `asked_seconds` is the pause that the receiver asked for, 0 for none.
    """

    refused: bool
    in_row: int
    refusals: int
    spent_seconds: float
    refused_seconds: float = 0.0
    asked_seconds: float = 0.0


def next_pause(
    entry: OutboxEntry, failure: Failure, settings: DeliverySettings, chance: Callable[[], float]
) -> float | None:
    """Return the seconds until the next attempt, at most the longest pause of the settings; None = give it up.

    Exponential with full jitter over the receiver's failures in a row, so that one that refuses everything (a wrong
    password) is asked ever more rarely and most of the queue is still there when somebody has mended it.
    """
    if failure.refused and _refused_enough(failure, settings):
        return None
    if not failure.refused and entry.tried_seconds + failure.spent_seconds >= settings.give_up_seconds:
        return None
    longest = settings.longest_retry_seconds
    pause = pause_seconds(failure.in_row, settings.first_retry_seconds, longest, chance)
    return min(max(pause, failure.asked_seconds), longest)


def _refused_enough(failure: Failure, settings: DeliverySettings) -> bool:
    often = failure.refusals >= settings.refusals
    return often and failure.refused_seconds >= settings.give_up_refused_seconds
