"""The number that something usually has: learned when it holds, and kept over restarts of the supervisor."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import msgspec
import structlog

from semsupervisor.kit.blocking import BlockingCalls, Hanging
from semsupervisor.kit.files import write_atomically

log = structlog.get_logger(__name__)

RISE_SECONDS = 600.0
FALL_SECONDS = 86_400.0
FILE_SECONDS = 2.0


class Usual(msgspec.Struct, frozen=True):
    """What is known: the usual number, the one that was seen last, and since when (monotonic seconds)."""

    number: float | None = None
    seen: float | None = None
    since: float = 0.0

    def after(self, seen: float, now: float) -> Usual:
        """Return what is known after a look.

        A number that holds for ten minutes is the usual one if there was none or it was smaller. A smaller one is
        a loss that is to be told, so it takes a day until it counts as meant.
        """
        since = self.since if seen == self.seen else now
        if self.number is not None and seen == self.number:
            return Usual(seen, seen, since)
        patience = RISE_SECONDS if self.number is None or seen > self.number else FALL_SECONDS
        return Usual(seen if now - since >= patience else self.number, seen, since)


class UsualNumber:
    """Learns one number, and keeps it in a file; without a file it is learned anew at each start."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._usual: Usual | None = None
        self._calls = BlockingCalls()

    async def learn(self, seen: float, now: float) -> float | None:
        """Take a look in, and return the usual number; None while there is none, or its disk does not answer."""
        try:
            before = self._usual or Usual(await self._calls.run(str(self._file), self._read, FILE_SECONDS))
        except Hanging as error:
            log.warning("usual.not_read", file=str(self._file), error=str(error))
            return None
        self._usual = before.after(seen, now)
        if self._usual.number != before.number:
            await self._keep(self._usual.number)
        return self._usual.number

    async def _keep(self, number: float | None) -> None:
        try:
            await self._calls.run(str(self._file), partial(self._write, number), FILE_SECONDS)
        except Hanging as error:
            log.warning("usual.not_kept", file=str(self._file), error=str(error))

    def _read(self) -> float | None:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=float) if self._file else None
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            log.warning("usual.not_read", file=str(self._file), error=str(error))
            return None

    def _write(self, number: float | None) -> None:
        try:
            if self._file is not None:
                write_atomically(self._file, msgspec.json.encode(number))
        except OSError as error:
            log.warning("usual.not_kept", file=str(self._file), error=str(error))
