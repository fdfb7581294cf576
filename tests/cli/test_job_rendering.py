"""How a job looks."""

from __future__ import annotations

import io

import pytest

from semsupervisor.cli import job_rendering
from semsupervisor.cli.job_rendering import Follower
from semsupervisor.cli.rendering import Paper
from semsupervisor.jobs.progress import Progress
from semsupervisor.jobs.record import JobState
from tests.support.job_answers import answered

MIB = 2**20


class Terminal(io.StringIO):
    """A terminal of 80 columns."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (None, "Copy the streams"),
        (
            Progress("streams", "bytes", 12.0 * MIB, 32.0 * MIB, 0.0, 4.0),
            "Copy the streams: 12 MiB of 32 MiB, 3.0 MiB/s, 6 s left",
        ),
        (Progress("streams", "bytes", 12.0 * MIB, None, 0.0, 4.0), "Copy the streams: 12 MiB, 3.0 MiB/s"),
        (Progress("streams", "pieces", 0.0, 4.0, 0.0, 0.0), "Copy the streams: 0 pieces of 4 pieces"),
    ],
)
def test_how_far_it_is(progress: Progress | None, words: str) -> None:
    """What is known of amount, rate and time left, and no more."""
    assert job_rendering.progress(answered(progress=progress)) == words


def test_what_goes_back_says_so() -> None:
    """The step that is undone; what waits says that it waits."""
    assert job_rendering.progress(answered(JobState.UNDOING)) == "undoing: Find room"
    assert job_rendering.progress(answered(JobState.QUEUED)) == "queued"


def test_a_terminal_gets_one_line_that_is_rewritten() -> None:
    """Cut to the terminal, and gone in the end."""
    terminal = Terminal()
    follower = Follower(terminal)
    follower.see(answered())
    follower.end()
    assert terminal.getvalue() == "\r\x1b[2KCopy the streams\r\x1b[2K"
    assert "\n" not in terminal.getvalue()


def test_others_get_a_line_a_step() -> None:
    """Each step once, with the time of its beginning."""
    stream = io.StringIO()
    follower = Follower(stream)
    for _ in range(2):
        follower.see(answered())
    follower.end()
    assert stream.getvalue() == "2026-03-01 12:00:00Z  Copy the streams\n"


def test_all_about_a_job() -> None:
    """Steps, progress, what it lacks, why it went back, and what to do about a stuck one."""
    stream = io.StringIO()
    told = answered(
        JobState.STUCK,
        Progress("streams", "bytes", 1.0, None, 0.0, 1.0),
        notes=("a note",),
        cause="no room",
        error="it hangs",
        asked_by="",
    )
    job_rendering.show(told, "2026-03-01T12:00:09Z", Paper(stream))
    assert stream.getvalue().splitlines() == [
        "hot backup (j1)",
        "  stuck, asked for 9 s ago by somebody",
        "  snapshot 20260301-120000",
        "  Find room         undoing (9 s)",
        "  Copy the streams  failed (0 s)   no room",
        "  Find room: 1 B, 1 B/s",
        "  - a note",
        "  because: no room",
        "  stuck: it hangs",
        "  mend that, then: semsupervisor jobs settle j1",
        "  or end it and leave all as it is: semsupervisor jobs settle j1 --give-up",
    ]
    assert job_rendering.took(answered(JobState.QUEUED)) == ""
