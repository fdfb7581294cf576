"""The probe of the host's clocks: whether the wall clock was set, and whether the host slept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from semsupervisor.health.clocks import Change, Reading, change
from semsupervisor.health.observation import HOST, FactValue, Observation, Subject
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.text import duration_text

Note = Callable[[str, Subject, str, Mapping[str, FactValue]], Awaitable[None]]


class Clocks:
    """Compares the clocks with those of the look before, and notes what happened to them."""

    name = "clocks"

    def __init__(self, clock: Clock, note: Note) -> None:
        self._clock = clock
        self._note = note
        self._last = self._read()

    async def observe(self) -> Sequence[Observation]:
        """Look once. The first setting of a clock that had no time before is noted, and no jump."""
        now = self._read()
        found, self._last = change(self._last, now), now
        await self._write_down(found)
        jumped = 0.0 if found.first_set else abs(found.set_seconds)
        evidence = {"direction": found.direction} if jumped else {}
        return [Observation(self.name, HOST, self._clock.instant(), {"clock_jump_seconds": jumped}, evidence)]

    def _read(self) -> Reading:
        at = self._clock.instant()
        return Reading(at.wall, at.monotonic, self._clock.since_boot())

    async def _write_down(self, found: Change) -> None:
        if found.slept_seconds:
            text = f"the host slept for {duration_text(found.slept_seconds)}"
            await self._note("host.slept", HOST, text, {"slept_seconds": round(found.slept_seconds, 1)})
        if found.set_seconds:
            text = f"the host's clock was set {found.words}"
            if found.first_set:
                text += ": it had no time since the boot"
            await self._note("host.clock_set", HOST, text, {"set_seconds": round(found.set_seconds, 1)})
