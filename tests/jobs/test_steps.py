"""Whatever fails, is cancelled or is killed at any instant: a job ends with all of its acts done or none of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.jobs import steps
from semsupervisor.jobs.record import JobRecord, JobState, StepPlan, StepRecord, StepState, unreadable
from semsupervisor.jobs.steps import Check, Do, End, Rest, Undo, next_move

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def a_job(*plans: StepPlan, exclusive: bool = True) -> JobRecord:
    """Return a queued job of these steps."""
    return JobRecord(
        id="1",
        kind="test",
        title="Test",
        asked_by="a test",
        parameters={},
        steps=tuple(StepRecord(plan=plan) for plan in plans),
        created_at=NOW,
        exclusive=exclusive,
    )


def step(name: str, *, commits: bool = False, optional: bool = False) -> StepPlan:
    """Return a step that can be undone."""
    return StepPlan(name, name.capitalize(), commits, optional, undoable=True)


ONE, TWO, THREE = step("one"), step("two"), step("three")


def states(job: JobRecord) -> list[StepState]:
    """Return how far each step is."""
    return [one.state for one in job.steps]


def test_what_may_be_behind_the_point_of_no_return_goes_on() -> None:
    """A step that commits and was interrupted may have been done: only its check can tell, so nothing goes back."""
    job = steps.step_begun(steps.begin(a_job(step("one", commits=True)), NOW), 0, NOW)
    taken = steps.interrupt(job, finishes=False)
    assert (taken.state, next_move(taken)) == (JobState.RUNNING, Check(0))
    back = steps.cancel(job, "root")
    assert steps.interrupt(back, finishes=False).state is JobState.UNDOING


def test_a_job_goes_forward_step_by_step() -> None:
    """Each step is begun, then done; after the last the job is done."""
    job = steps.begin(a_job(ONE, TWO), NOW)
    for index in (0, 1):
        assert next_move(job) == Do(index)
        job = steps.step_done(steps.step_begun(job, index, NOW), index, NOW)
    assert next_move(job) == End(JobState.DONE)
    ended = steps.end(job, JobState.DONE, NOW)
    assert not ended.is_open
    assert next_move(ended) == Rest()


def test_a_queued_job_waits() -> None:
    """Nothing is done before it is begun."""
    assert next_move(a_job(ONE)) == Rest()


def test_after_a_failure_what_was_begun_is_undone_in_reverse_order() -> None:
    """Also the step that failed, for it may have happened in part; not the one that never began."""
    job = steps.begin(a_job(ONE, TWO, THREE), NOW)
    job = steps.step_done(steps.step_begun(job, 0, NOW), 0, NOW)
    job = steps.step_failed(steps.step_begun(job, 1, NOW), 1, "no space", NOW)
    assert job.cause == "Two: no space"
    order = []
    while isinstance(move := next_move(job), Undo):
        order.append(move.index)
        job = steps.undo_done(steps.undo_begun(job, move.index), move.index, NOW)
    assert order == [1, 0]
    assert move == End(JobState.UNDONE)
    assert states(job) == [StepState.UNDONE, StepState.UNDONE, StepState.WAITING]


def test_an_optional_step_holds_nothing_up() -> None:
    """What it failed at is noted."""
    job = steps.begin(a_job(step("one", optional=True), TWO), NOW)
    job = steps.step_failed(steps.step_begun(job, 0, NOW), 0, "no mail", NOW)
    assert next_move(job) == Do(1)
    assert job.notes == ("One: no mail",)


def test_behind_the_point_of_no_return_a_job_is_not_undone() -> None:
    """It is neither cancelled nor turned back; what fails leaves it stuck, and settling it does the rest."""
    job = steps.begin(a_job(step("one", commits=True), TWO), NOW)
    job = steps.step_done(steps.step_begun(job, 0, NOW), 0, NOW)
    assert steps.cancel(job, "root") is job
    assert steps.turn_back(job, "it ends") is job
    stuck = steps.step_failed(steps.step_begun(job, 1, NOW), 1, "gone", NOW)
    assert (stuck.state, stuck.error, stuck.is_open) == (JobState.STUCK, "Two: gone", True)
    assert next_move(stuck) == Rest()
    assert next_move(steps.settle(stuck)) == Do(1)


def test_a_job_that_cannot_be_undone_is_stuck_until_it_is_settled() -> None:
    """The next try begins where it could not go on."""
    job = steps.cancel(steps.step_begun(steps.begin(a_job(ONE), NOW), 0, NOW), "root")
    assert (job.cancelled, job.cause) == (True, "cancelled by root")
    stuck = steps.undo_failed(steps.undo_begun(job, 0), 0, "engine away")
    assert (stuck.state, stuck.error) == (JobState.STUCK, "undoing One: engine away")
    assert steps.cancel(stuck, "root") is stuck
    again = steps.settle(stuck)
    assert (again.state, again.error, next_move(again)) == (JobState.UNDOING, "", Undo(0))
    assert steps.settle(again) is again


def test_a_queued_job_that_is_cancelled_ends_with_nothing_to_undo() -> None:
    """It never began."""
    job = steps.cancel(a_job(ONE), "root")
    assert next_move(job) == End(JobState.UNDONE)
    assert steps.cancel(job, "root") is job


@pytest.mark.parametrize(("finishes", "state"), [(True, JobState.RUNNING), (False, JobState.UNDOING)])
def test_an_interrupted_job_goes_on_or_back_as_its_kind_says(finishes: bool, state: JobState) -> None:
    """Going on, it is first asked whether the step that was begun had been done."""
    job = steps.step_begun(steps.begin(a_job(ONE, TWO), NOW), 0, NOW)
    taken = steps.interrupt(job, finishes=finishes)
    assert taken.state is state
    assert next_move(taken) == (Check(0) if finishes else Undo(0))
    if not finishes:
        assert taken.cause == "interrupted in: One"


def test_what_was_on_its_way_back_stays_so() -> None:
    """Its cause stays what it was, also for kinds that finish what was interrupted."""
    job = steps.cancel(steps.step_begun(steps.begin(a_job(ONE), NOW), 0, NOW), "root")
    assert steps.interrupt(job, finishes=True).cause == "cancelled by root"
    assert steps.interrupt(job, finishes=True).state is JobState.UNDOING


def test_what_had_not_begun_is_left_as_it_is() -> None:
    """A queued job stays queued, an ended one ended; one begun without any step yet says so."""
    queued = a_job(ONE)
    assert steps.interrupt(queued, finishes=False) is queued
    ended = steps.end(queued, JobState.DONE, NOW)
    assert steps.interrupt(ended, finishes=False) is ended
    assert steps.interrupt(steps.begin(queued, NOW), finishes=False).cause == "interrupted in: nothing begun yet"


def test_of_two_copies_the_one_written_last_counts() -> None:
    """By its revision, for wall clocks jump."""
    old = a_job(ONE)
    new = steps.with_note(steps.with_data(old, {"id": 1}), "slow")
    assert steps.newer(old, new) is new
    assert steps.newer(new, old) is new
    assert (dict(new.data), new.notes, new.revision) == ({"id": 1}, ("slow",), 2)


def test_turning_back_says_why() -> None:
    """A running job that is not committed goes back; a queued one does not move."""
    job = steps.begin(a_job(ONE), NOW)
    assert steps.turn_back(job, "the supervisor ends").cause == "the supervisor ends"
    assert steps.turn_back(a_job(ONE), "x").state is JobState.QUEUED


class World:
    """What the acts of a job change: which of them are in force. An act that was cut short may be in force or not."""

    def __init__(self, size: int) -> None:
        self.in_force = [False] * size


Fate = st.sampled_from(("well", "well", "well", "fails", "killed before", "killed after", "cancelled after"))


def begun(job: JobRecord, world: World, index: int, fate: str) -> JobRecord:
    """Do a step under that fate."""
    job = steps.step_begun(job, index, NOW)
    world.in_force[index] = world.in_force[index] or fate != "killed before"
    if fate == "fails":
        return steps.step_failed(job, index, "broken", NOW)
    return job if fate.startswith("killed") else steps.step_done(job, index, NOW)


def taken_back(job: JobRecord, world: World, index: int, fate: str) -> JobRecord:
    """Undo a step under that fate."""
    job = steps.undo_begun(job, index)
    world.in_force[index] = world.in_force[index] and fate in ("killed before", "fails")
    if fate == "fails":
        return steps.undo_failed(job, index, "broken")
    return job if fate.startswith("killed") else steps.undo_done(job, index, NOW)


def one_move(job: JobRecord, world: World, fate: str, *, finishes: bool) -> JobRecord:
    """Make the next move of a job under that fate, and return the record as it is found after it."""
    killed = fate.startswith("killed")
    match next_move(job):
        case Do(index):
            job = begun(job, world, index, fate)
        case Check(index):
            done = steps.step_done(job, index, NOW) if world.in_force[index] else steps.step_not_done(job, index)
            job = job if killed else done
        case Undo(index):
            job = taken_back(job, world, index, fate)
        case End(state):
            job = job if killed else steps.end(job, state, NOW)
        case Rest():
            job = steps.settle(job)
    if fate == "cancelled after":
        job = steps.cancel(job, "root")
    return steps.interrupt(job, finishes=finishes) if killed else job


@st.composite
def plans(draw: st.DrawFn) -> Sequence[StepPlan]:
    """Return up to five steps, of which one may be the point of no return."""
    count = draw(st.integers(1, 5))
    commit = draw(st.none() | st.integers(0, count - 1))
    return [step(f"s{index}", commits=index == commit) for index in range(count)]


@given(plans(), st.lists(Fate, max_size=60), st.booleans())
def test_a_job_ends_with_all_of_its_acts_in_force_or_none(
    planned: Sequence[StepPlan], fates: list[str], finishes: bool
) -> None:
    """Through any failures, kills and cancellations; and when those end, so does the job."""
    job = steps.begin(a_job(*planned), NOW)
    world = World(len(planned))
    for fate in [*fates, *["well"] * 20]:
        before = job
        job = one_move(job, world, fate, finishes=finishes)
        assert job.revision >= before.revision
        if before.is_committed:
            assert job.is_committed
            assert job.state is not JobState.UNDONE
    assert not job.is_open
    assert world.in_force == [job.state is JobState.DONE] * len(planned)


def test_a_job_is_carried_out_once_that_was_told() -> None:
    """One that was not has begun nothing and ends so."""
    asked = msgspec.structs.replace(a_job(ONE), accepted=False)
    assert steps.accept(asked).accepted
    refused = steps.refuse(asked, NOW)
    assert (refused.state, refused.ended_at, "nobody was told" in refused.cause) == (JobState.UNDONE, NOW, True)


def test_what_another_version_began_is_shown_as_stuck() -> None:
    """Nothing of its record changes for that; one that cannot be read says so itself."""
    job = steps.begin(a_job(ONE), NOW)
    shown = steps.foreign(job, "no such kind")
    assert (shown.state, shown.revision, shown.steps) == (JobState.STUCK, job.revision, job.steps)
    assert shown.error.startswith("no such kind; it is left as it was")
    stub = unreadable("1", "no JSON")
    assert steps.foreign(stub, "no such kind") is stub


def test_a_job_that_is_given_up_has_ended() -> None:
    """It says by whom, and what it was stuck at; nothing more is done about it."""
    stuck = steps.step_failed(steps.step_begun(steps.begin(a_job(step("one", commits=True)), NOW), 0, NOW), 0, "x", NOW)
    ended = steps.give_up(msgspec.structs.replace(stuck, state=JobState.STUCK, error="no disk"), "", NOW)
    assert (ended.state, ended.is_open, ended.error, ended.ended_at) == (JobState.GIVEN_UP, False, "", NOW)
    assert ended.cause.startswith("given up by somebody")
    assert ended.cause.endswith("it was stuck: no disk")
    assert steps.next_move(ended) == Rest()
    assert steps.cancel(ended, "root") is ended


def test_what_holds_the_stack_or_is_half_is_settled_without_a_daemon() -> None:
    """After an end in order only the former; what has not begun, is whole, or made nothing waits for the next one."""
    for exclusive in (True, False):
        queued = a_job(step("one", commits=True), StepPlan("two", "Two"), exclusive=exclusive)
        running = steps.step_begun(steps.begin(queued, NOW), 0, NOW)
        whole = steps.step_begun(steps.step_done(running, 0, NOW), 1, NOW)
        looking = steps.step_begun(steps.begin(a_job(StepPlan("look", "Look"), exclusive=exclusive), NOW), 0, NOW)
        assert steps.is_left_behind(running, ended_well=False)
        for job, ended_well in ((running, True), (whole, False), (looking, False)):
            assert steps.is_left_behind(job, ended_well=ended_well) is exclusive
        for job in (queued, steps.end(running, JobState.DONE, NOW)):
            assert not steps.is_left_behind(job, ended_well=False)
