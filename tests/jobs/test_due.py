"""What a schedule owes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from semsupervisor.jobs import due
from semsupervisor.jobs.due import Verdict
from semsupervisor.jobs.record import JobState
from semsupervisor.kit.cron import Next, times
from tests.support.job_world import job

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def plan(text: str = "02:00", zone: str = "UTC") -> Next:
    """Return the times of a schedule."""
    found = times(text, ZoneInfo(zone))
    assert found is not None
    return found


def next_due(since: datetime, following: Next, jitter_seconds: float = 0.0) -> datetime | None:
    """Return when a schedule is due next."""
    return due.next_due(since, following, due.delay("edge-7 backup", jitter_seconds))


def verdict(since: datetime | None, now: datetime, following: Next) -> Verdict:
    """Return what is owed now."""
    return due.verdict(since, now, None if since is None else next_due(since, following))


def test_the_first_look_owes_nothing() -> None:
    """It begins to count."""
    assert verdict(None, NOON, plan()) is Verdict.ANEW


@pytest.mark.parametrize(("days", "owed"), [(1, Verdict.OWED), (3, Verdict.OWED), (30, Verdict.OWED)])
def test_what_was_missed_is_owed_once(days: int, owed: Verdict) -> None:
    """However often it was due; after the run it is not."""
    now = NOON + days * DAY
    assert verdict(NOON, now, plan()) is owed
    assert verdict(now, now, plan()) is Verdict.LATER


def test_who_was_off_for_very_long_may_have_a_clock_that_is_ahead() -> None:
    """It is owed if that clock is right."""
    assert verdict(NOON, NOON + 400 * DAY, plan()) is Verdict.DOUBTFUL


def test_it_is_owed_from_its_time_on() -> None:
    """Not a second earlier."""
    time = datetime(2026, 3, 2, 2, tzinfo=UTC)
    assert next_due(NOON, plan()) == time
    assert verdict(NOON, time - timedelta(seconds=1), plan()) is Verdict.LATER
    assert verdict(NOON, time, plan()) is Verdict.OWED
    assert verdict(time, time, plan()) is Verdict.LATER


def test_a_last_run_in_the_future_is_not_known() -> None:
    """A little ahead it is: the clock was corrected, and what was done is not done again."""
    run = datetime(2026, 3, 2, 2, 0, 5, tzinfo=UTC)
    assert verdict(run, run - timedelta(seconds=10), plan()) is Verdict.LATER
    assert verdict(run, run - timedelta(hours=1), plan()) is Verdict.LATER
    assert verdict(run, run - timedelta(hours=2), plan()) is Verdict.ANEW


def test_a_schedule_that_never_is_due_owes_nothing() -> None:
    """Whatever time passes."""
    assert next_due(NOON, lambda _: None) is None
    assert verdict(NOON, NOON + 400 * DAY, lambda _: None) is Verdict.LATER


@pytest.mark.parametrize("text", ["02:00", "02:30", "03:00"])
@pytest.mark.parametrize("first", [datetime(2026, 3, 27, 12, tzinfo=UTC), datetime(2026, 10, 23, 12, tzinfo=UTC)])
def test_a_day_has_one_run_whatever_its_length(text: str, first: datetime) -> None:
    """Also where the time is left out, or there twice."""
    since, runs = first, []
    for quarter in range(4 * 24 * 4):
        now = first + timedelta(minutes=15 * quarter, seconds=7)
        if verdict(since, now, plan(text, "Europe/Berlin")) is Verdict.OWED:
            runs.append(now.astimezone(ZoneInfo("Europe/Berlin")).date())
            since = now
    assert len(runs) == len(set(runs)) == 4


def test_each_hour_on_the_wall_counts_once() -> None:
    """An hourly schedule rests in the hour that comes again, and goes on after it."""
    berlin = plan("0 * * * *", "Europe/Berlin")
    run = datetime(2026, 10, 25, 0, 0, 7, tzinfo=UTC)
    assert next_due(run, berlin) == datetime(2026, 10, 25, 2, tzinfo=UTC)


def test_hosts_of_one_schedule_do_not_begin_at_once() -> None:
    """Each run is put off by less than what is allowed, the same whoever asks again, and another for each host."""
    time, hour = datetime(2026, 3, 2, 2, tzinfo=UTC), 3600.0
    found = {due.delay(f"edge-{number} backup", hour)(time) for number in range(50)}
    assert len(found) > 40
    assert all(timedelta() <= one < timedelta(hours=1) for one in found)
    assert next_due(NOON, plan(), hour) == next_due(NOON + timedelta(hours=1), plan(), hour)
    assert next_due(NOON, plan(), hour) == time + due.delay("edge-7 backup", hour)(time)


def test_a_run_that_was_put_off_is_not_owed_again() -> None:
    """The next one is that of the next day."""
    since, runs = NOON, []
    for minute in range(0, 4 * 24 * 60, 5):
        now = NOON + timedelta(minutes=minute)
        if due.verdict(since, now, next_due(since, plan(), 3 * 3600.0)) is Verdict.OWED:
            runs.append(now.date())
            since = now
    assert len(runs) == len(set(runs)) == 4


def test_a_run_that_failed_comes_again_twice() -> None:
    """What is done, cancelled or given up does not, nor does what has not ended."""
    undone = job(state=JobState.UNDONE, ended_at=NOON)
    found = [due.again_at(undone, tries) for tries in range(3)]
    assert found == [NOON + timedelta(minutes=15), NOON + timedelta(hours=1), None]
    for state in set(JobState) - {JobState.UNDONE}:
        assert due.again_at(job(state=state, ended_at=NOON), 0) is None
    assert due.again_at(msgspec.structs.replace(undone, cancelled=True), 0) is None
    assert due.again_at(msgspec.structs.replace(undone, ended_at=None), 0) is None
