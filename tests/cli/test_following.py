"""Following a job to its end."""

from __future__ import annotations

import io
from typing import Any

import pytest

from semsupervisor.api.client import Client, NotReachable
from semsupervisor.cli import following
from semsupervisor.cli.job_rendering import Follower
from semsupervisor.jobs.record import JobState
from tests.support.job_answers import answered


class Scripted(Client):
    """A daemon that gives these answers, or is away for one."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)

    def get(self, path: str, query: Any = None) -> Any:
        """Give the next."""
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return {"job": answer, "now": "2026-03-01T12:00:09Z"}


AWAY = NotReachable("semsupervisor is not running")


def followed(*answers: Any) -> Any:
    """Follow a job without waiting."""
    return following.follow(Scripted(*answers), "j1", Follower(io.StringIO()), lambda _: None)["job"]


@pytest.mark.parametrize("state", [JobState.DONE, JobState.UNDONE, JobState.STUCK])
def test_it_is_followed_until_nothing_is_done_about_it(state: JobState) -> None:
    """To its end, or to where it is stuck."""
    assert followed(answered(JobState.QUEUED), answered(), answered(state))["state"] == state.value


def test_a_daemon_that_restarts_is_waited_for() -> None:
    """One that stays away is told."""
    assert followed(answered(), AWAY, AWAY, answered(JobState.DONE))["state"] == "done"
    with pytest.raises(NotReachable):
        followed(answered(), AWAY)


def test_whoever_leaves_is_told_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    """The job stays as it is."""
    with pytest.raises(KeyboardInterrupt):
        followed(answered(), KeyboardInterrupt())
    said = capsys.readouterr().err
    assert "goes on without you" in said
    assert "semsupervisor jobs follow j1" in said


def test_the_exit_code() -> None:
    """Fine is 0, all else is 1."""
    assert [following.code(answered(state)) for state in (JobState.DONE, JobState.UNDONE)] == [0, 1]
    assert following.code(answered(JobState.DONE, notes=("a note",))) == 1
