"""The wall clock of a process that a test starts, set by libfaketime while its clocks of durations go on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


class SetClock:
    """The clock of the processes that get its `environment`: right until it is set."""

    def __init__(self, folder: Path) -> None:
        if not LIBRARIES:
            pytest.skip("libfaketime is not installed")
        self._offset = folder / "clock"
        self.set("+0")

    @property
    def environment(self) -> Mapping[str, str]:
        """Return what a process has to be started with."""
        return {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            # A file is read for each reading of the clock otherwise, which is a load of its own.
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, offset: str) -> None:
        """Set the wall clock within a second: so far from the real one (`+50y`), or `@1970-01-01 00:10:00`."""
        draft = self._offset.with_suffix(".draft")
        draft.write_text(offset)
        draft.replace(self._offset)
