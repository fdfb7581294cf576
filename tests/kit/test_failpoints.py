"""The places at which a process kills itself when told so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from semsupervisor.kit import failpoints
from tests.support.commands import REPOSITORY

PASSING = """
import sys
sys.path.insert(0, sys.argv[1])
from semsupervisor.kit.failpoints import reach
for turn in range(1, 4):
    reach("before")
    print(turn, flush=True)
    reach("after")
"""


def passing(setting: str | None) -> subprocess.CompletedProcess[str]:
    """Run three rounds past two failpoints in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", PASSING, str(REPOSITORY)],
        env={} if setting is None else {failpoints.VARIABLE: setting},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.mark.parametrize(
    ("setting", "said"), [("before:1", ""), ("before:2", "1\n"), ("after:2", "1\n2\n"), ("after:3", "1\n2\n3\n")]
)
def test_the_process_dies_where_it_was_told(setting: str, said: str) -> None:
    """It dies by SIGKILL, at the named place, the given time it gets there."""
    ended = passing(setting)
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, said)


@pytest.mark.parametrize("setting", [None, "", "elsewhere:1", "before:4"])
def test_otherwise_nothing_happens(setting: str | None) -> None:
    """Unset, for another place, or not passed often enough: the process ends by itself."""
    ended = passing(setting)
    assert (ended.returncode, ended.stdout) == (0, "1\n2\n3\n")


@pytest.mark.parametrize("setting", ["before", "before:", "before:0", "before:x", ":1", "before:-1"])
def test_a_setting_that_means_nothing_is_refused(setting: str) -> None:
    """A campaign that would kill nothing is told so at once."""
    with pytest.raises(ValueError, match="name:count"):
        failpoints.Failpoint(setting)
    assert "name:count" in passing(setting).stderr


def test_the_count_is_met_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the passage that was named counts, and only at that place."""
    point = failpoints.Failpoint("here:2")
    kills: list[tuple[int, int]] = []
    monkeypatch.setattr(failpoints, "_ARMED", point)
    monkeypatch.setattr(os, "kill", lambda pid, number: kills.append((pid, number)))
    for name in ("here", "there", "here", "here"):
        failpoints.reach(name)
    assert [number for _, number in kills] == [signal.SIGKILL]
