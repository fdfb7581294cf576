"""While a job holds the stack, what it causes is not told: which services it has stopped, and since when."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from semsupervisor.alerts.muting import SETTLE_SECONDS, Hold
from semsupervisor.jobs.record import JobRecord, JobState
from semsupervisor.kit.clock import Clock

HELD = "held"
BACK = "back"
# Whatever is not back after so long is told, job or not: it may need somebody.
LONGEST_WAY_BACK_SECONDS = 120.0


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What ran before a job stopped it, and so has to run after it.

    The parts are called as `Owner.name` does. `lacking` is what was not as it should be before.
    """

    project: str
    semstreams: tuple[str, ...] = ()
    nats: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """Return all of them."""
        return (*self.semstreams, *self.nats)


def held(job: JobRecord) -> Held | None:
    """Return what a job has stopped and not brought back, as far as it tells."""
    if job.data.get(HELD) is None or job.data.get(BACK):
        return None
    return msgspec.convert(job.data[HELD], Held)


class Holding:
    """Tells what of the stack a job holds now; `holder` gives the job."""

    def __init__(self, clock: Clock, holder: Callable[[], JobRecord | None]) -> None:
        self._clock = clock
        self._holder = holder
        self._last: Hold | None = None
        self._seen_at = 0.0
        self._way_back_since: float | None = None

    def now(self) -> Hold | None:
        """Return what is held, also for a while after it was given back: to be asked whenever something is judged."""
        now, job = self._clock.monotonic(), self._holder()
        stopped = held(job) if job is not None else None
        if job is None or stopped is None:
            self._way_back_since = None
            return self._last if self._last and now - self._seen_at < SETTLE_SECONDS else None
        if job.state is not JobState.UNDOING:
            self._way_back_since = None
        elif self._way_back_since is None:
            self._way_back_since = now
        elif now - self._way_back_since > LONGEST_WAY_BACK_SECONDS:
            self._last = None
            return None
        if self._last is None or self._last.job_id != job.id:
            self._last = Hold(job.id, f"{job.title} (job {job.id}) holds the stack", frozenset(stopped.parts), now)
        self._seen_at = now
        return self._last
