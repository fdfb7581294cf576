"""`semsupervisor jobs`."""

from __future__ import annotations

import pytest

from semsupervisor.cli import following
from semsupervisor.jobs.record import JobState
from tests.support.api_world import World
from tests.support.command_line import CommandLine
from tests.support.job_world import job


def test_no_jobs_are_fine(command: CommandLine) -> None:
    """Nothing asked for is one line and exit code 0."""
    said = command("jobs")
    assert (said.code, said.out) == (0, "no job was asked for yet\n")


def test_jobs_are_listed(command: CommandLine, world: World) -> None:
    """Id, state, age and title, newest first; a stuck one is exit code 1."""
    world.work.jobs = [job("j2", JobState.RUNNING), job("j1", notes=("stream EV is not in it",))]
    said = command("jobs", "list", "--limit", "5")
    assert said.code == 0
    assert said.lines == ["j2  running           0 s ago  hot backup", "j1  done, with notes  0 s ago  hot backup"]
    world.work.jobs = [job("j3", JobState.STUCK)]
    assert command("jobs").code == 1
    assert [one["id"] for one in command("jobs", "--json").json["jobs"]] == ["j3"]


@pytest.mark.parametrize(
    ("state", "code"),
    [(JobState.DONE, 0), (JobState.RUNNING, 0), (JobState.QUEUED, 0), (JobState.UNDONE, 1), (JobState.STUCK, 1)],
)
def test_a_job_is_shown(command: CommandLine, world: World, state: JobState, code: int) -> None:
    """With its steps; one that did not go well is exit code 1."""
    world.work.jobs = [job("j1", state)]
    said = command("jobs", "show", "j1")
    assert said.code == code
    assert said.lines[0] == "hot backup (j1)"
    assert any("Copy the streams" in line for line in said.lines)
    assert command("jobs", "show", "j1", "--json").json["job"]["state"] == state.value


def test_a_job_that_is_not_there_is_refused(command: CommandLine) -> None:
    """With where to look."""
    for act in ("show", "follow", "cancel", "settle"):
        said = command("jobs", act, "j/9")
        assert said.code == 1
        assert "j/9" in said.err
        assert "semsupervisor jobs list" in said.err


def test_a_job_is_followed_to_its_end(command: CommandLine, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line a step where nobody watches; the exit code tells how it went."""
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.01)
    running = job("j1", JobState.RUNNING)
    world.work.courses = {"j1": [running, running, job("j1", JobState.UNDONE, cause="no room")]}
    said = command("jobs", "follow", "j1")
    assert said.code == 1
    assert said.err.splitlines() == [
        "2026-03-01 12:00:00Z  Copy the streams",
        "  Find room: undone",
        "  Copy the streams: failed: no room",
    ]
    assert "because: no room" in said.out


def test_a_job_is_cancelled_or_settled(command: CommandLine, world: World) -> None:
    """It is said how to see what becomes of it."""
    world.work.jobs = [job("j1", JobState.RUNNING), job("j2", JobState.STUCK)]
    said = command("jobs", "cancel", "j1")
    assert said.code == 0
    assert "as soon as its present step allows: semsupervisor jobs follow j1" in said.out
    said = command("jobs", "settle", "j2")
    assert (said.code, "is tried once more" in said.out) == (0, True)
    assert command("jobs", "settle", "j2", "--json").json["job"]["state"] == "undoing"
    assert [one.split(" by ")[0] for one in world.work.asked] == ["cancel j1", "settle j2", "settle j2"]


def test_a_stuck_job_is_given_up(command: CommandLine, world: World) -> None:
    """What cannot be tried once more says how, and then it is exit code 0."""
    world.work.jobs = [job("j1", JobState.STUCK, kind="strange", error="no such kind")]
    assert (
        "or end it and leave all as it is: semsupervisor jobs settle j1 --give-up" in command("jobs", "show", "j1").out
    )
    said = command("jobs", "settle", "j1")
    assert (said.code, "jobs settle j1 --give-up" in said.err) == (1, True)
    said = command("jobs", "settle", "j1", "--give-up")
    assert (said.code, said.out) == (0, "hot backup is given up; what it had begun is left as it was\n")
    world.work.jobs = [job("j1", JobState.GIVEN_UP)]
    said = command("jobs", "show", "j1")
    assert (said.code, "given up, asked for" in said.out) == (1, True)


def test_wrong_usage_is_told(command: CommandLine) -> None:
    """Usage errors are exit code 2."""
    assert command("jobs", "show").code == 2
