"""What a schedule owes: a run that was missed is made up once, and a clock that is set makes none. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import Enum

from semsupervisor.jobs.record import JobRecord, JobState
from semsupervisor.kit.cron import Next

# Less ahead of the clock may be a correction of it; what is more was written by a clock that was wrong.
TOLERATED_LEAD = timedelta(hours=1)
# Who was off for longer may as well have a clock that is ahead: it gets a while to be set.
LONGEST_ABSENCE = timedelta(days=30)
# So long after its end a run that has failed is asked for again, once each; then it is spent.
PAUSES = (timedelta(minutes=15), timedelta(hours=1))
_INSTANT = timedelta(microseconds=1)


class Verdict(Enum):
    """What is to be done now: `anew` begins to count from now, and owes nothing for what was before.

    `doubtful` would be owed if the clock is right that so much time has passed.
    """

    ANEW = "anew"
    OWED = "owed"
    DOUBTFUL = "doubtful"
    LATER = "later"


def next_due(since: datetime, following: Next, delay: Callable[[datetime], timedelta]) -> datetime | None:
    """Return when a schedule is due next after the last run, None for never; `delay` is by how much it is put off.

    An hour that the clock shows twice counts once: what it shows was passed by the last run already.
    """
    found = following(since.astimezone(UTC) + _INSTANT)
    while found is not None and _shown(found) <= _shown(since.astimezone(found.tzinfo)):
        found = following(found.astimezone(UTC) + _INSTANT)  # a zone's own arithmetic loses which of two hours it is
    return found and found.astimezone(UTC) + delay(found)


def delay(key: str, most_seconds: float) -> Callable[[datetime], timedelta]:
    """Return by how much each run is put off, so that hosts of one schedule do not all begin at once.

    It is less than `most_seconds`, and the same for the same key and time, whoever asks again.
    """

    def of(due: datetime) -> timedelta:
        dice = zlib.crc32(f"{key} {due.astimezone(UTC).isoformat()}".encode())
        return timedelta(seconds=int(dice / 2**32 * most_seconds))

    return of


def verdict(since: datetime | None, now: datetime, due: datetime | None) -> Verdict:
    """Return what is owed now, `since` being the last run or when the schedule began to count, `due` the next one.

    A first look owes nothing, nor does one whose last run is in the future: what was missed is not known then.
    """
    if since is None or since - now > TOLERATED_LEAD:
        return Verdict.ANEW
    if due is None or due > now:
        return Verdict.LATER
    return Verdict.DOUBTFUL if now - due > LONGEST_ABSENCE else Verdict.OWED


def again_at(job: JobRecord, tries: int) -> datetime | None:
    """Return when a run is asked for again of which `job` was the last try, None where it is done or spent.

    What a person has cancelled or given up is spent; who was cut off or found nobody may have more luck later.
    """
    if job.state is not JobState.UNDONE or job.cancelled or job.ended_at is None or tries >= len(PAUSES):
        return None
    return job.ended_at + PAUSES[tries]


def _shown(moment: datetime) -> datetime:
    """Return what a clock on the wall shows."""
    return moment.replace(tzinfo=None)
