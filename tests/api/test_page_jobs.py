"""Jobs and schedules on the status page."""

from __future__ import annotations

from datetime import timedelta

import pytest

from semsupervisor.jobs.progress import Progress
from semsupervisor.jobs.record import JobState
from tests.api.test_page import read
from tests.support.api_world import World
from tests.support.job_world import a_schedule, job


def test_what_is_under_way_says_how_far_it_is() -> None:
    """With a bar where it is known how much it is, above what has ended."""
    world = World()
    world.work.jobs = [job("j1", JobState.DONE, data={"outcome": "removed 2"}), job("j2", JobState.RUNNING)]
    world.work.progress["j2"] = Progress("streams", "bytes", 50.0 * 2**20, 200.0 * 2**20, 0.0, 10.0)
    page = read(world)
    step = "Copy the streams: 50 MiB of 200 MiB, 5.0 MiB/s, 30 s left"
    expected = f"hot backup running {step} 0 s ago root hot backup done removed 2 0 s ago root"
    assert expected in page.words
    assert ("progress", [("max", "1"), ("value", "0.250"), ("aria-label", "Copy the streams")]) in page.tags
    world.work.progress["j2"] = Progress("streams", "pieces", 0.0, None, 0.0, 0.0)
    assert "Copy the streams: 0 pieces 0 s ago" in read(world).words


@pytest.mark.parametrize(
    ("state", "notes", "words"),
    [
        (JobState.DONE, (), "hot backup done 0 s ago"),
        (JobState.DONE, ("a stream is missing",), "hot backup done, with notes a stream is missing 0 s ago"),
        (JobState.GIVEN_UP, (), "hot backup given up 0 s ago"),
        (JobState.QUEUED, (), "hot backup queued 0 s ago"),
    ],
)
def test_how_a_job_stands(state: JobState, notes: tuple[str, ...], words: str) -> None:
    """In a word, and with what is to be said against it."""
    world = World()
    world.work.jobs = [job("j1", state, notes=notes)]
    assert words in read(world).words


def test_why_a_job_did_not_do_it() -> None:
    """Why it went back, or cannot."""
    world = World()
    world.work.jobs = [job("j1", JobState.STUCK, cause="no room", error="the disk is gone")]
    assert "hot backup stuck no room the disk is gone 0 s ago" in read(world).words


def test_when_schedules_are_due() -> None:
    """Next and last, how that went, and why one waits; without jobs and schedules there is no such table."""
    world = World()
    assert "Schedules" not in read(world).words
    world.work.schedules = [
        a_schedule(last=job(state=JobState.UNDONE)),
        a_schedule(name="verify", waits="there is no complete snapshot to verify"),
        a_schedule(name="drill", next_at=None),
    ]
    world.clock.advance(timedelta(hours=2).total_seconds())
    words = read(world).words
    assert "backup 2026-03-02 02:00 UTC 2 h ago undone verify" in words
    assert "verify 2026-03-02 02:00 UTC waits: there is no complete snapshot to verify drill no time is set" in words
