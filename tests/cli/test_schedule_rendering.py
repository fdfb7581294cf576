"""How schedules look."""

from __future__ import annotations

import io
from datetime import timedelta

import msgspec
import pytest

from semsupervisor.api import jobs
from semsupervisor.api.readings import ScheduleReading
from semsupervisor.cli.rendering import Paper
from semsupervisor.cli.schedule_rendering import rows
from semsupervisor.jobs.record import JobState
from tests.support.api_world import World
from tests.support.clock import ManualClock
from tests.support.job_world import a_schedule, job


def row(one: ScheduleReading) -> list[str]:
    """Return the line of a schedule."""
    world = World()
    world.work.schedules = [one]
    readings = world.readings()
    (found,) = rows(msgspec.to_builtins(jobs.schedules(readings)), str(readings.clock.now()), Paper(io.StringIO()))
    return found


def test_when_it_is_due_next() -> None:
    """In how long, and by the clock; it never did anything yet."""
    assert row(a_schedule()) == ["backup", "next in 14 h (2026-03-02 02:00:00Z)", "never yet"]


def test_what_it_does_not_do() -> None:
    """It waits, it is off, it does not count yet, or it is about to."""
    due = ManualClock().now() - timedelta(seconds=3)
    assert row(a_schedule(waits="the host sleeps"))[1] == "waits: the host sleeps"
    assert row(a_schedule(schedule="off", next_at=None))[1] == "off"
    assert row(a_schedule(next_at=None))[1] == "not looked at yet"
    assert row(a_schedule(next_at=due))[1] == "due now"


@pytest.mark.parametrize(
    ("state", "notes", "words"),
    [
        (JobState.DONE, (), "done"),
        (JobState.DONE, ("a stream is missing",), "done, with notes"),
        (JobState.UNDONE, (), "undone"),
        (JobState.RUNNING, (), "running"),
        (JobState.GIVEN_UP, (), "given up"),
    ],
)
def test_what_it_did_last(state: JobState, notes: tuple[str, ...], words: str) -> None:
    """When, how it went, and by which job."""
    assert row(a_schedule(last=job("j7", state, notes=notes)))[2] == f"last 0 s ago: {words} (j7)"
