"""A job's record tells whether anything is still to be done, and comes back from the disk as it was written."""

from __future__ import annotations

import msgspec
import pytest

from semsupervisor.jobs import steps
from semsupervisor.jobs.record import JobRecord, JobState, unreadable
from semsupervisor.kit.ids import new_id
from tests.jobs.test_steps import NOW, ONE, a_job, step


@pytest.mark.parametrize("state", JobState)
def test_a_job_is_open_until_it_has_ended(state: JobState) -> None:
    """One that is stuck is open: somebody has to see to it."""
    job = msgspec.structs.replace(a_job(ONE), state=state)
    assert job.is_open is (state not in (JobState.DONE, JobState.UNDONE, JobState.GIVEN_UP))


def test_a_job_is_committed_when_its_step_is_done() -> None:
    """Not yet while that step is only begun."""
    job = steps.step_begun(steps.begin(a_job(step("one", commits=True)), NOW), 0, NOW)
    assert not job.is_committed
    assert steps.step_done(job, 0, NOW).is_committed


def test_a_record_comes_back_as_it_was_written() -> None:
    """It is JSON on the disk."""
    job = steps.with_data(steps.step_begun(steps.begin(a_job(ONE), NOW), 0, NOW), {"ids": ["a", "b"], "n": None})
    assert msgspec.json.decode(msgspec.json.encode(job), type=JobRecord) == job


def test_what_cannot_be_read_is_stuck_and_older_than_all_else() -> None:
    """When it was asked for is read from its id, if that is one."""
    job = unreadable(new_id(NOW), "no JSON")
    assert (job.state, job.error, job.created_at) == (JobState.STUCK, "no JSON", NOW)
    assert steps.newer(job, msgspec.structs.replace(a_job(ONE), id=job.id)).kind != job.kind
    assert unreadable("strange", "").created_at.year == 1970


def test_bytes_that_are_no_utf_8_do_not_keep_a_record_from_being_written() -> None:
    """A path or an answer that an error quotes may hold them: they are written as escapes, wherever they stand."""
    job = steps.with_note(steps.step_failed(steps.begin(a_job(ONE), NOW), 0, "no caf\udce9", NOW), "a \udce9")
    job = msgspec.structs.replace(
        job,
        cause="\udce9",
        error="\udce9",
        asked_by="\udce9",
        title="caf\u00e9",
        parameters={"\udce9": [1, "\udce9", None], "deep": {"x": "\udce9"}},
    )
    kept = msgspec.json.decode(msgspec.json.encode(job), type=JobRecord)
    assert kept == job
    assert (kept.steps[0].error, kept.notes, kept.title) == ("no caf\\udce9", ("a \\udce9",), "caf\u00e9")
    assert (kept.cause, kept.error, kept.asked_by) == ("\\udce9", "\\udce9", "\\udce9")
    assert kept.parameters == {"\\udce9": [1, "\\udce9", None], "deep": {"x": "\\udce9"}}
