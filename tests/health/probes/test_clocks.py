"""The probe of the clocks, on clocks that a test sets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from semsupervisor.health.observation import HOST, FactValue, Subject
from semsupervisor.health.probes.clocks import Clocks
from tests.support.clock import ManualClock

DAY = 86_400.0


class Looked:
    """A probe with its clock, and what it noted."""

    def __init__(self, wall: datetime | None = None) -> None:
        self.clock = ManualClock(wall) if wall else ManualClock()
        self.notes: list[tuple[str, Subject, str, Mapping[str, FactValue]]] = []
        self.probe = Clocks(self.clock, self._note)

    async def look(self) -> tuple[FactValue, Mapping[str, str]]:
        """Look ten seconds later, and return the fact and the evidence."""
        self.clock.advance(10.0)
        (seen,) = await self.probe.observe()
        assert (seen.source, seen.subject) == ("clocks", HOST)
        return seen.facts["clock_jump_seconds"], seen.evidence

    async def _note(self, kind: str, subject: Subject, text: str, facts: Mapping[str, FactValue]) -> None:
        self.notes.append((kind, subject, text, facts))


async def test_a_clock_that_runs_evenly_is_nothing() -> None:
    """No jump is seen and nothing noted, whatever is corrected."""
    looked = Looked()
    assert await looked.look() == (0.0, {})
    looked.clock.jump(1.5)
    assert await looked.look() == (0.0, {})
    assert looked.notes == []


async def test_a_jump_is_seen_once_and_noted() -> None:
    """The look after the jump says how far and in which direction, the next one nothing any more."""
    looked = Looked()
    looked.clock.jump(-DAY)
    assert await looked.look() == (DAY, {"direction": "back"})
    assert await looked.look() == (0.0, {})
    assert looked.notes == [("host.clock_set", HOST, "the host's clock was set back by 1 d", {"set_seconds": -DAY})]


async def test_the_first_setting_is_noted_and_no_jump() -> None:
    """A host that boots in 1970 gets its time from the net: that is the course of things."""
    looked = Looked(datetime(1970, 1, 1, 0, 1, tzinfo=UTC))
    looked.clock.jump(60 * 365 * DAY)
    assert await looked.look() == (0.0, {})
    ((kind, _, text, _),) = looked.notes
    assert kind == "host.clock_set"
    assert text.endswith(": it had no time since the boot")


async def test_a_sleep_is_noted_and_no_jump() -> None:
    """While the host sleeps its wall clock goes on by right."""
    looked = Looked()
    looked.clock.sleep(8 * 3600.0)
    assert await looked.look() == (0.0, {})
    assert looked.notes == [("host.slept", HOST, "the host slept for 8 h", {"slept_seconds": 28800.0})]
