"""What the streams should still hold, kept in a file over restarts of the supervisor and of the host.

What is kept is some minutes old: a server's disk has all of that, whatever becomes of the host, while what was written
in the two minutes before a power cut may be lost and no disk is to blame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
import structlog

from semsupervisor.health import baseline
from semsupervisor.health.baseline import Fall, Known, Mark
from semsupervisor.kit.blocking import BlockingCalls, Hanging
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.files import write_atomically
from semsupervisor.systems.jetstream_state import StreamState

log = structlog.get_logger(__name__)

SETTLED_SECONDS = 300.0
FILE_SECONDS = 2.0
FOLDER_SECONDS = 8.0

Holder = Callable[[str, str, int], str]
"""Returns the newest snapshot of a stream, by its account and name, that goes beyond a number; it may block."""


class Baselines:
    """Follows the streams look by look. `holder` is asked once for each fall."""

    def __init__(self, clock: Clock, file: Path, holder: Holder) -> None:
        self._clock = clock
        self._file = file
        self._holder = holder
        self._calls = BlockingCalls()
        self._known: Known | None = None
        self._kept = Known()
        self._settling: tuple[float, Mapping[str, Mark]] = (0.0, {})

    async def look(self, server_id: str, streams: Sequence[StreamState]) -> Mapping[str, Fall]:
        """Take a look in, and return the streams that went back with a start of their server, by their names.

        Nothing is raised; while the file cannot be read nothing is known, and nothing is compared.
        """
        try:
            before = await self._before()
        except Hanging as error:
            log.warning("baselines.not_read", file=str(self._file), error=str(error))
            return {}
        now = self._clock.instant()
        if self._known is None:
            self._kept, self._settling = before, (now.monotonic, before.marks)
        followed = baseline.follow(before, baseline.marks(server_id, streams), now.wall)
        self._known = known = Known(followed.marks, await self._named(streams, followed, before))
        await self._keep(known, now.monotonic)
        return known.falls

    async def _before(self) -> Known:
        if self._known is not None:
            return self._known
        return await self._calls.run(str(self._file), self._read, FILE_SECONDS)

    async def _named(self, streams: Sequence[StreamState], known: Known, before: Known) -> Mapping[str, Fall]:
        """Return the falls, new ones with the snapshot that still holds more."""
        falls = dict(known.falls)
        for one in streams:
            fall = falls.get(one.subject_name)
            if fall is None or before.falls.get(one.subject_name) == fall:
                continue
            log.error("stream.went_back", stream=one.subject_name, was=fall.was, has=fall.has)
            snapshot = await self._snapshot(one, fall.has)
            falls[one.subject_name] = msgspec.structs.replace(fall, snapshot=snapshot)
        return falls

    async def _snapshot(self, stream: StreamState, beyond: int) -> str:
        ask = partial(self._holder, stream.account, stream.name, beyond)
        try:
            return await self._calls.run("snapshots", ask, FOLDER_SECONDS)
        except Hanging as error:
            log.warning("baselines.snapshots_not_seen", error=str(error))
            return ""

    async def _keep(self, known: Known, now: float) -> None:
        """Write down what has settled, and a fall at once."""
        marks, (since, settling) = self._kept.marks, self._settling
        if now - since >= SETTLED_SECONDS:
            marks, self._settling = settling, (now, known.marks)
        kept = Known(marks, known.falls)
        if kept == self._kept:
            return
        try:
            await self._calls.run(str(self._file), partial(self._write, kept), FILE_SECONDS)
        except Hanging as error:
            log.warning("baselines.not_kept", file=str(self._file), error=str(error))
        self._kept = kept

    def _read(self) -> Known:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Known)
        except FileNotFoundError:
            return Known()
        except (OSError, msgspec.DecodeError) as error:
            log.warning("baselines.not_read", file=str(self._file), error=str(error))
            return Known()

    def _write(self, known: Known) -> None:
        try:
            write_atomically(self._file, msgspec.json.encode(known))
        except OSError as error:
            log.warning("baselines.not_kept", file=str(self._file), error=str(error))
