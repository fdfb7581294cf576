"""The number that something usually has: learned when it holds, and kept over restarts of the supervisor."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import msgspec
import structlog

from semsupervisor.kit.blocking import BlockingCalls, Hanging
from semsupervisor.kit.files import write_atomically

log = structlog.get_logger(__name__)

FIRST_SECONDS = 600.0
HALVING_SECONDS = 86_400.0
LONGEST_GAP_SECONDS = 600.0
FILE_SECONDS = 2.0

_FIRST_SHARE = 1.0 - 0.5 ** (FIRST_SECONDS / HALVING_SECONDS)
_LEAST_SHARE = 1e-6


class Usual(msgspec.Struct, frozen=True):
    """What is known: the usual number, for what share of the time each number was seen, and the last look.

    What was seen a day ago weighs half as much as what is seen now, so that the shares come to one in time. `at` is in
    monotonic seconds, None before the first look.
    """

    number: float | None = None
    shares: Mapping[float, float] = {}
    at: float | None = None

    @classmethod
    def kept(cls, number: float | None) -> Usual:
        """Return what is known of a number that an earlier run has learned: it counts as if it had always held."""
        return cls(number, {} if number is None else {number: 1.0})

    def after(self, seen: float, now: float) -> Usual:
        """Return what is known after a look.

        Usual is the number that was reached for most of the time, of ten minutes at least; what comes for a while
        each day is not. A smaller one is a loss that is to be told, so it takes a day until it counts as meant.
        """
        gap = 0.0 if self.at is None else min(max(now - self.at, 0.0), LONGEST_GAP_SECONDS)
        kept = 0.5 ** (gap / HALVING_SECONDS)
        shares = {number: share * kept for number, share in self.shares.items() if share > _LEAST_SHARE}
        shares[seen] = shares.get(seen, 0.0) + 1.0 - kept
        return Usual(_usual(self.number, shares), shares, now)


def _usual(before: float | None, shares: Mapping[float, float]) -> float | None:
    observed = sum(shares.values())
    if observed < _FIRST_SHARE:
        return before
    most = max(number for number in shares if _reached(shares, number) >= observed / 2)
    if before is None or most > before or observed - _reached(shares, before) >= 0.5:
        return most
    return before


def _reached(shares: Mapping[float, float], number: float) -> float:
    return sum(share for seen, share in shares.items() if seen >= number)


class UsualNumber:
    """Learns one number, and keeps it in a file; without a file it is learned anew at each start."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._usual: Usual | None = None
        self._calls = BlockingCalls()

    async def learn(self, seen: float, now: float) -> float | None:
        """Take a look in, and return the usual number; None while there is none, or its disk does not answer."""
        try:
            before = self._usual or Usual.kept(await self._calls.run(str(self._file), self._read, FILE_SECONDS))
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
