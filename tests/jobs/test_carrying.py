"""What a carrier does by itself; how jobs go as a whole stands in test_runner."""

from __future__ import annotations

from pathlib import Path

import pytest

from semsupervisor.jobs.book import JobBook
from semsupervisor.jobs.carrying import Carrier
from semsupervisor.jobs.mirror import Mirror
from semsupervisor.jobs.record import JobRecord, JobState
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Journal
from tests.jobs.test_steps import ONE, TWO, a_job
from tests.support.clock import ManualClock
from tests.support.workshop import World


async def nobody(_: JobRecord) -> None:
    """Tell nobody."""


def carrier(folder: Path, *names: str) -> Carrier:
    """Return a carrier of a job of one step, by steps of these names."""
    clock = ManualClock()
    store = Store(folder / "state.db", (), clock)
    book = JobBook(store, Journal(store), Mirror(folder / "jobs"))
    world = World(folder / "world")
    return Carrier(clock, book, a_job(ONE), [world.step(name) for name in names], nobody)


def test_the_steps_must_be_those_of_the_record(tmp_path: Path) -> None:
    """A record that another version began is not carried out by steps that mean something else."""
    assert carrier(tmp_path, ONE.name).job.state is JobState.QUEUED
    for names in ((), (TWO.name,), (ONE.name, TWO.name)):
        with pytest.raises(ValueError, match="in other steps"):
            carrier(tmp_path, *names)


def test_a_request_is_for_the_same_kind_and_parameters(tmp_path: Path) -> None:
    """Anything else is another job."""
    one = carrier(tmp_path, ONE.name)
    assert one.is_for("test", {})
    assert not one.is_for("other", {})
    assert not one.is_for("test", {"name": "x"})
