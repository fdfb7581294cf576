"""How a job looks: in a list, in full, and while it goes on."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from semsupervisor.cli.rendering import Paper, age, ago, clock_text, moment
from semsupervisor.kit import amounts

TONES = {
    "done": "good",
    "running": "mild",
    "queued": "mild",
    "undoing": "mild",
    "undone": "bad",
    "stuck": "bad",
    "given_up": "bad",
}
_CLEAR_LINE = "\r\x1b[2K"

Job = Mapping[str, Any]


def row(job: Job, now: str, paper: Paper) -> list[str]:
    """Return a job as a line of a list, with how far it is while it goes on."""
    so_far = f": {progress(job)}" if job["progress"] else ""
    return [job["id"], paint_state(job, paper), ago(job["created_at"], now), f"{job['title']}{so_far}"]


def show(job: Job, now: str, paper: Paper) -> None:
    """Write all about a job."""
    paper.line(f"{paper.paint(job['title'], 'strong')} ({job['id']})")
    paper.line(
        f"  {paint_state(job, paper)}, asked for {ago(job['created_at'], now)} by {job['asked_by'] or 'somebody'}"
    )
    if job["snapshot"]:
        paper.line(f"  snapshot {job['snapshot']}")
    for text in paper.table([_step(step, now) for step in job["steps"]]):
        paper.line(f"  {text}")
    if job["progress"]:
        paper.line(f"  {progress(job)}")
    ending(job, paper)


def ending(job: Job, paper: Paper) -> None:
    """Write what is to be said about how a job went, and what to do."""
    if job["outcome"]:
        paper.hanging("  ", job["outcome"])
    for note in job["notes"]:
        paper.hanging("  - ", note)
    if job["cause"]:
        paper.hanging("  because: ", job["cause"])
    if job["error"]:
        paper.hanging("  stuck: ", job["error"])
        paper.line(f"  mend that, then: semsupervisor jobs settle {job['id']}")
        paper.line(f"  or end it and leave all as it is: semsupervisor jobs settle {job['id']} --give-up")


def paint_state(job: Job, paper: Paper) -> str:
    """Return how far a job is, in a word."""
    if job["state"] == "done" and not job["fine"]:
        return paper.paint("done, with notes", "mild")
    return paper.paint(job["state"].replace("_", " "), TONES[job["state"]])


def progress(job: Job) -> str:
    """Return how far the present step is, in words: `Copy the streams: 12 MiB of 30 MiB, 5.1 MiB/s, 4 s left`."""
    told = job["progress"]
    present = [step["title"] for step in job["steps"] if step["state"] in ("begun", "undoing")]
    title = f"undoing: {present[-1]}" if present and job["state"] == "undoing" else (present or [job["state"]])[-1]
    return f"{title}: {', '.join(_measured(told))}" if told else title


def _measured(told: Mapping[str, Any]) -> Iterator[str]:
    total = f" of {_amount(told['total'], told['unit'])}" if told["total"] else ""
    yield f"{_amount(told['done'], told['unit'])}{total}"
    if told["rate_per_second"]:
        yield f"{_amount(told['rate_per_second'], told['unit'])}/s"
    if told["remaining_seconds"] is not None:
        yield f"{amounts.duration(told['remaining_seconds'])} left"


def _amount(count: float, unit: str) -> str:
    return amounts.size(count) if unit == "bytes" else f"{count:.0f} {unit}"


def _step(step: Mapping[str, Any], now: str) -> list[str]:
    if step["began_at"] is None:
        return [step["title"], step["state"], step["error"]]
    took = amounts.duration((moment(step["ended_at"] or now) - moment(step["began_at"])).total_seconds())
    return [step["title"], f"{step['state']} ({took})", step["error"]]


class Follower:
    """Writes how a job goes on: one line that is rewritten on a terminal, one line a step elsewhere."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._rewrites = self._stream.isatty()
        self._told: set[tuple[str, str]] = set()

    def see(self, job: Job) -> None:
        """Write what is new since it was seen last."""
        if self._rewrites:
            width = Paper(self._stream).width
            self._stream.write(f"{_CLEAR_LINE}{progress(job)[: width - 1]}")
        else:
            for step in job["steps"]:
                self._tell(step)
        self._stream.flush()

    def end(self) -> None:
        """Leave the line that was rewritten empty."""
        if self._rewrites:
            self._stream.write(_CLEAR_LINE)
            self._stream.flush()

    def _tell(self, step: Mapping[str, Any]) -> None:
        key = (step["name"], step["state"])
        if step["state"] == "waiting" or key in self._told:
            return
        self._told.add(key)
        if step["state"] == "begun":
            self._stream.write(f"{clock_text(step['began_at'])}  {step['title']}\n")
        elif step["state"] in ("failed", "undone"):
            error = f": {step['error']}" if step["error"] else ""
            self._stream.write(f"  {step['title']}: {step['state']}{error}\n")


def took(job: Job) -> str:
    """Return how long a job that has ended went on."""
    return age(job["began_at"], job["ended_at"]) if job["began_at"] and job["ended_at"] else ""
