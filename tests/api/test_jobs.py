"""Jobs as the API shows them."""

from __future__ import annotations

import msgspec
import pytest

from semsupervisor.api import jobs
from semsupervisor.jobs.progress import Progress
from semsupervisor.jobs.record import JobRecord, JobState
from semsupervisor.jobs.runner import Asked
from tests.support.api_world import World
from tests.support.job_world import SNAPSHOT, a_schedule, job


@pytest.mark.parametrize(
    ("state", "notes", "fine"),
    [
        (JobState.DONE, (), True),
        (JobState.DONE, ("stream EV is not in it",), False),
        (JobState.UNDONE, (), False),
        (JobState.RUNNING, (), False),
    ],
)
def test_only_what_ended_well_is_fine(state: JobState, notes: tuple[str, ...], fine: bool) -> None:
    """Done, and nothing to be said against it."""
    assert jobs.job(World().readings(), job(state=state, notes=notes)).fine is fine


@pytest.mark.parametrize(
    ("last", "state", "fine"),
    [
        (None, None, None),
        (job(state=JobState.RUNNING), JobState.RUNNING, None),
        (job(state=JobState.DONE), JobState.DONE, True),
        (job(state=JobState.DONE, notes=("damaged",)), JobState.DONE, False),
        (job(state=JobState.UNDONE), JobState.UNDONE, False),
    ],
)
def test_a_schedule_tells_how_its_last_job_went(
    last: JobRecord | None, state: JobState | None, fine: bool | None
) -> None:
    """Fine or not only once it has ended."""
    world = World()
    world.work.schedules = [a_schedule(last=last)]
    (told,) = jobs.schedules(world.readings())
    assert (told.last_state, told.last_fine) == (state, fine)
    assert (told.last_job, told.last_at) == (("j1", last.created_at) if last else ("", None))


def test_what_its_steps_keep_is_not_told() -> None:
    """But for the snapshot that it is about: what it found out may be long, and is nobody's business."""
    shown = jobs.job(World().readings(), job())
    assert (shown.snapshot, [step.title for step in shown.steps]) == (SNAPSHOT, ["Find room", "Copy the streams"])
    assert b"EV" not in msgspec.json.encode(shown)
    assert jobs.job(World().readings(), job(data={}, parameters={"snapshot": "x"})).snapshot == "x"
    assert jobs.job(World().readings(), job(data={})).snapshot == ""


def test_an_open_job_says_how_far_it_is() -> None:
    """With its rate and what is left; one that has ended says nothing of that."""
    world = World()
    world.work.progress = {"j1": Progress("streams", "bytes", 50.0, 200.0, 0.0, 10.0)}
    told = jobs.one(world.readings(), job(state=JobState.RUNNING)).job.progress
    assert told is not None
    assert (told.done, told.total, told.rate_per_second, told.remaining_seconds) == (50, 200, 5, 30)
    assert jobs.one(world.readings(), job()).job.progress is None


def test_a_request_says_whether_it_joined() -> None:
    """The job under way, or a new one."""
    assert jobs.asked(World().readings(), Asked(job(), joined=True)).joined
    assert [one.id for one in jobs.jobs(World().readings(), [job("a"), job("b")]).jobs] == ["a", "b"]
