"""What the streams should still hold, kept in a file over restarts of the supervisor and of the host.

What is kept is some minutes old: a server's disk has all of that, whatever becomes of the host, while what was written
in the two minutes before a power cut may be lost and no disk is to blame. It may be as old as an hour more, which
spares the disk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec
import structlog

from semsupervisor.errors import SupervisorError
from semsupervisor.health import baseline
from semsupervisor.health.baseline import Known, Mark, Told
from semsupervisor.kit.blocking import BlockingCalls, Hanging
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.files import write_atomically
from semsupervisor.systems.jetstream_state import StreamState

log = structlog.get_logger(__name__)

SETTLED_SECONDS = 300.0
KEEP_SECONDS = 3600.0
LOOK_SECONDS = 2.0
SHORTEST_SECONDS = 0.05
ASK_AGAIN_SECONDS = 600.0
# The clocks of a host drift by less than this between two looks: more is a clock that was set.
CLOCK_SET = timedelta(seconds=2)

Holder = Callable[[str, str, int], str | None]
"""Returns the newest snapshot of a stream, by its account and name, that goes beyond a number; it may block.

Empty without one; None if not all could be read.
"""


class Baselines:
    """Follows the streams look by look. `holder` is asked of each fall, again and again while it does not know."""

    def __init__(self, clock: Clock, file: Path, holder: Holder) -> None:
        self._clock = clock
        self._file = file
        self._holder = holder
        self._calls = BlockingCalls()
        self._known: Known | None = None
        self._kept = Known()
        self._kept_at = -math.inf
        self._settled: Mapping[str, Mark] = {}
        self._settling: tuple[float, Mapping[str, Mark]] = (0.0, {})
        self._last: tuple[datetime, float] | None = None
        self._asked: dict[str, float] = {}

    async def look(self, server_id: str, streams: Sequence[StreamState], seconds: float = LOOK_SECONDS) -> Told | None:
        """Take a look in, and return which streams went back with a start of their server; None if that is not known.

        Nothing is raised, and it takes no longer than so many seconds: what is not done by then is for the next looks.
        While the file cannot be read nothing is known, and nothing is compared.
        """
        until = self._clock.monotonic() + seconds
        try:
            before = await self._before(until)
        except (Hanging, OSError) as error:
            log.warning("baselines.not_read", file=str(self._file), error=str(error))
            return None
        marks = baseline.marks(server_id, streams)
        self._known = known = baseline.follow(before, marks, self._clock.now())
        for name, fall in known.falls.items():
            if before.falls.get(name) != fall:
                log.error("stream.went_back", stream=name, was=fall.was, has=fall.has)
        await self._keep(known, until)
        self._known = known = await self._named(streams, known, until)
        return baseline.told(known, marks)

    async def _before(self, until: float) -> Known:
        """Return what was known, by what the wall clock is now. Raises: Hanging, OSError."""
        if self._known is None:
            read = await self._calls.run(str(self._file), self._read, self._left(until))
            self._kept, self._settled = read, read.marks
            self._settling = (self._clock.monotonic(), read.marks)
            known = baseline.begun(read, self._clock.now())
        else:
            known = self._known
        wall, awake = self._clock.now(), self._clock.since_boot()
        (last_wall, last_awake), self._last = self._last or (wall, awake), (wall, awake)
        by = wall - last_wall - timedelta(seconds=awake - last_awake)
        return baseline.moved(known, by) if abs(by) > CLOCK_SET else known

    async def _named(self, streams: Sequence[StreamState], known: Known, until: float) -> Known:
        """Return what is known, with the snapshots that still hold more of what fell, as far as there is time."""
        falls = dict(known.falls)
        for one in streams:
            now, fall = self._clock.monotonic(), falls.get(one.subject_name)
            if now >= until:
                break
            asked = self._asked.get(one.subject_name, -math.inf)
            if fall is None or fall.snapshot is not None or now - asked < ASK_AGAIN_SECONDS:
                continue
            self._asked[one.subject_name] = now
            try:
                ask = partial(self._holder, one.account, one.name, fall.has)
                snapshot = await self._calls.run("snapshots", ask, self._left(until))
            except (SupervisorError, OSError) as error:
                log.warning("baselines.snapshots_not_seen", error=str(error))
                break
            falls[one.subject_name] = msgspec.structs.replace(fall, snapshot=snapshot)
        self._asked = {name: at for name, at in self._asked.items() if name in falls}
        return msgspec.structs.replace(known, falls=falls)

    async def _keep(self, known: Known, until: float) -> None:
        """Write down what has settled once an hour, and at once what is told and what is not to be told again."""
        now, (since, settling) = self._clock.monotonic(), self._settling
        self._settling = (since, baseline.lowered(settling, known.marks))
        if now - since >= SETTLED_SECONDS:
            self._settled, self._settling = self._settling[1], (now, known.marks)
        self._settled = baseline.lowered(self._settled, known.marks)
        due = now - self._kept_at >= KEEP_SECONDS and self._settled != self._kept.marks
        marks = baseline.lowered(self._settled if due else self._kept.marks, known.marks)
        kept = msgspec.structs.replace(known, marks=marks)
        if kept == self._kept:
            return
        try:
            await self._calls.run(str(self._file), partial(self._write, kept), self._left(until))
        except (Hanging, OSError) as error:
            log.warning("baselines.not_kept", file=str(self._file), error=str(error))
            return
        self._kept = kept
        if due:
            self._kept_at = now

    def _left(self, until: float) -> float:
        return max(SHORTEST_SECONDS, until - self._clock.monotonic())

    def _read(self) -> Known:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Known)
        except FileNotFoundError:
            return Known()
        except msgspec.DecodeError as error:
            log.warning("baselines.begun_afresh", file=str(self._file), error=str(error))
            afresh = Known(unsure_since=self._clock.now())
            self._write(afresh)
            return afresh

    def _write(self, known: Known) -> None:
        write_atomically(self._file, msgspec.json.encode(known))
