"""What a job has stopped is known while it holds the stack and a moment longer, but not for ever."""

from __future__ import annotations

from typing import Any

import msgspec

from semsupervisor.alerts.muting import SETTLE_SECONDS
from semsupervisor.jobs.record import JobRecord, JobState
from semsupervisor.operations.holding import HELD, LONGEST_WAY_BACK_SECONDS, Held, Holding, held
from tests.support.clock import START, ManualClock

DATA = {HELD: {"project": "demo", "semstreams": ["semstreams"], "nats": ["nats"]}}


def a_job(state: JobState = JobState.RUNNING, **data: Any) -> JobRecord:
    """Return a job that has stopped both services."""
    return JobRecord(
        id="j1",
        kind="test",
        title="cold backup",
        asked_by="a test",
        parameters={},
        steps=(),
        created_at=START,
        exclusive=True,
        state=state,
        data={**DATA, **data},
    )


class World:
    """A clock, and the job that holds the stack."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.job: JobRecord | None = a_job()
        self.holding = Holding(self.clock, lambda: self.job)

    def services(self) -> frozenset[str]:
        """Return what is held now."""
        hold = self.holding.now()
        return hold.services if hold else frozenset()


BOTH = frozenset(("semstreams", "nats"))


def test_what_a_job_tells() -> None:
    """It holds nothing before it has looked what runs, nor once all is back."""
    assert held(a_job()) == Held(project="demo", semstreams=("semstreams",), nats=("nats",))
    assert held(a_job(back=True)) is None
    assert held(msgspec.structs.replace(a_job(), data={})) is None


def test_a_hold_lasts_a_moment_longer_than_the_job() -> None:
    """What comes back needs a moment to be seen; then all is told again."""
    world = World()
    first = world.holding.now()
    assert first
    assert (first.reason, first.services) == ("cold backup (job j1) holds the stack", BOTH)
    world.clock.advance(100.0)
    assert world.holding.now() is first
    world.job = a_job(back=True)
    world.clock.advance(SETTLE_SECONDS - 1)
    assert world.services() == BOTH
    world.job = None
    world.clock.advance(2)
    assert world.services() == frozenset()


def test_nothing_is_held_without_a_job() -> None:
    """As long as nobody holds the stack all is told."""
    world = World()
    world.job = None
    assert world.holding.now() is None


def test_the_next_job_is_another_hold() -> None:
    """What began under the first is no consequence of the second."""
    world = World()
    first = world.holding.now()
    world.job = msgspec.structs.replace(a_job(), id="j2")
    world.clock.advance(1)
    second = world.holding.now()
    assert first
    assert second
    assert second.since_monotonic == first.since_monotonic + 1


def test_what_does_not_come_back_is_told() -> None:
    """A way back that takes too long may need somebody."""
    world = World()
    assert world.services() == BOTH
    world.job = a_job(JobState.UNDOING)
    assert world.services() == BOTH
    world.clock.advance(LONGEST_WAY_BACK_SECONDS)
    assert world.services() == BOTH
    world.clock.advance(1)
    assert world.services() == frozenset()
    world.job = None
    assert world.services() == frozenset()
