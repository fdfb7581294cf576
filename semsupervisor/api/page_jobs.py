"""The jobs on the status page, and what asks for them by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from semsupervisor.api.html import Html, Row, age, joined, note, table, tag, toned
from semsupervisor.api.job_answers import JobAnswer, ProgressAnswer, ScheduleAnswer
from semsupervisor.api.status_answers import StatusAnswer
from semsupervisor.jobs.record import JobState, StepState
from semsupervisor.kit import amounts

_TONES = {
    JobState.QUEUED: "mild",
    JobState.RUNNING: "mild",
    JobState.UNDOING: "mild",
    JobState.DONE: "good",
    JobState.UNDONE: "bad",
    JobState.STUCK: "bad",
    JobState.GIVEN_UP: "bad",
}


def jobs(status: StatusAnswer) -> Html:
    """Return what is under way and the last that have ended, newest first."""
    newest = sorted(status.jobs, key=lambda job: job.id, reverse=True)
    return table("Jobs", ("Job", "State", "Asked for", "By"), (_job(one, status.now) for one in newest))


def schedules(status: StatusAnswer) -> Html:
    """Return when each is due next, and what it did last."""
    rows = (_schedule(one, status.now) for one in status.schedules)
    return table("Schedules", ("Schedule", "Next", "Last", "How it went"), rows)


def _job(one: JobAnswer, now: datetime) -> Row:
    words = [text for text in (one.outcome, one.cause, one.error, *one.notes) if text]
    so_far = [_progress(one, one.progress)] if one.progress else []
    shown = joined(_state(one.state, fine=one.fine), *so_far, *map(note, words))
    return one.title, shown, f"{age(one.created_at, now)} ago", one.asked_by


def _progress(job: JobAnswer, progress: ProgressAnswer) -> Html:
    step = next((step.title for step in job.steps if step.state in (StepState.BEGUN, StepState.UNDOING)), "")
    bar = []
    if progress.total:
        value = f"{min(1.0, progress.done / progress.total):.3f}"
        bar = [tag("progress", max="1", value=value, aria_label=step)]
    return joined(*bar, note(f"{step}: {', '.join(_measured(progress))}"))


def _measured(progress: ProgressAnswer) -> Iterator[str]:
    total = f" of {_amount(progress.total, progress.unit)}" if progress.total else ""
    yield f"{_amount(progress.done, progress.unit)}{total}"
    if progress.rate_per_second:
        yield f"{_amount(progress.rate_per_second, progress.unit)}/s"
    if progress.remaining_seconds is not None:
        yield f"{amounts.duration(progress.remaining_seconds)} left"


def _amount(count: float, unit: str) -> str:
    return amounts.size(count) if unit == "bytes" else f"{count:.0f} {unit}"


def _schedule(one: ScheduleAnswer, now: datetime) -> Row:
    due = f"{one.next_at:%Y-%m-%d %H:%M} UTC" if one.next_at else "no time is set"
    last = "" if one.last_at is None else f"{age(one.last_at, now)} ago"
    went = Html() if one.last_state is None else _state(one.last_state, fine=one.last_fine is not False)
    return one.name, joined(due, *([note(f"waits: {one.waits}")] if one.waits else [])), last, went


def _state(state: JobState, *, fine: bool) -> Html:
    if state is JobState.DONE and not fine:
        return toned("done, with notes", "mild")
    return toned(state.value.replace("_", " "), _TONES[state])
