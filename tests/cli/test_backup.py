"""`semsupervisor backup`."""

from __future__ import annotations

import io

import pytest

from semsupervisor.cli import following
from semsupervisor.jobs.record import JobState
from tests.support.api_world import World
from tests.support.command_line import CommandLine
from tests.support.job_world import SNAPSHOT, job, snapshot


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at jobs often."""
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.01)


def test_a_backup_is_taken_and_followed(command: CommandLine, world: World) -> None:
    """It is waited for, and said how it went, what is not in it, and where more is to be seen."""
    world.work.snapshots = [snapshot()]
    world.work.courses = {"j1": [job("j1", JobState.RUNNING), job("j1")]}
    said = command("backup", "now", "--hot", "--note", "before v2")
    assert said.code == 0
    assert said.lines == [
        "hot backup: done after 0 s",
        f"  semsupervisor backup show {SNAPSHOT}",
        "  - not in it: stream MEM: it is kept in memory",
    ]
    assert world.work.asked[0].startswith("back up hot 'before v2' by ")
    assert command("backup", "now", "--json").json["joined"] is False


def test_a_cold_backup_asks_first(command: CommandLine, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sits at a terminal has to agree, unless he said so; nobody is asked elsewhere."""
    world.work.snapshots, world.work.courses = [snapshot()], {"j1": [job("j1")]}
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert (command("backup", "now", "--cold").code, world.work.asked) == (1, [])
    for words, answer in ((("--cold",), "y\n"), (("--cold", "--yes"), ""), (("--hot",), "")):
        monkeypatch.setattr("sys.stdin", Terminal(answer))
        assert command("backup", "now", *words).code == 0
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert command("backup", "now", "--cold").code == 0
    assert [one.split(" ")[2] for one in world.work.asked] == ["cold", "cold", "hot", "cold"]


def test_what_a_backup_would_do(command: CommandLine, world: World) -> None:
    """It is said step by step, and nothing is begun."""
    said = command("backup", "now", "--cold", "--dry-run")
    assert (said.code, said.lines) == (0, [" 1 Find room for a cold snapshot", " 2 Copy it"])
    assert command("backup", "now", "--dry-run", "--json").json["kind"] == "hot"
    assert world.work.asked == []


class Terminal(io.StringIO):
    """What somebody types at a terminal."""

    def isatty(self) -> bool:
        """Be one."""
        return True


def test_a_backup_that_lacks_something_is_told(command: CommandLine, world: World) -> None:
    """Incomplete is exit code 1, with what is not in it; so is one that was undone."""
    world.work.snapshots = [snapshot()]
    world.work.courses = {"j1": [job("j1", notes=("stream EV is not in it: it fell silent",))]}
    said = command("backup", "now")
    assert said.code == 1
    assert said.lines[:2] == ["hot backup: done, with notes after 0 s", "  - stream EV is not in it: it fell silent"]
    world.work.courses = {"j1": [job("j1", JobState.UNDONE, cause="not enough room in /backup")]}
    said = command("backup", "now")
    assert (said.code, said.lines) == (
        1,
        ["hot backup: undone after 0 s", "  because: not enough room in /backup"],
    )
    world.work.courses = {"j1": [job("j1", JobState.STUCK, error="undoing Find room: it hangs")]}
    said = command("backup", "now")
    assert (said.code, "  mend that, then: semsupervisor jobs settle j1" in said.lines) == (1, True)


def test_nobody_has_to_wait(command: CommandLine, world: World) -> None:
    """It is said how to follow it, and whether it was under way already."""
    said = command("backup", "now", "--no-wait")
    assert (said.code, said.out) == (0, "hot backup was begun; follow it with: semsupervisor jobs follow j1\n")
    world.work.joins = True
    assert "was under way already" in command("backup", "now", "--no-wait").out
    assert command("backup", "now", "--no-wait", "--json").json["joined"] is True


def test_snapshots_are_listed(command: CommandLine, world: World) -> None:
    """Newest first; the newest not being good is exit code 1, what the runbook's script wrote is not judged."""
    said = command("backup")
    assert (said.code, said.out.split(";")[0]) == (0, "there is no snapshot in /backup/semstreams")
    world.work.snapshots = [snapshot("20260101-020000", kind="runbook", complete=False), snapshot()]
    assert command("backup", "list").code == 0
    world.work.snapshots = [snapshot(complete=False), snapshot("20260101-020000")]
    assert command("backup", "list").code == 1
    assert len(command("backup", "list", "--json").json["snapshots"]) == 2


def test_a_snapshot_is_shown(command: CommandLine, world: World) -> None:
    """One that is not good is exit code 1, as is one that is not there."""
    world.work.snapshots = [snapshot(), snapshot("20260101-020000", complete=False)]
    assert command("backup", "show", SNAPSHOT).code == 0
    assert command("backup", "show", "20260101-020000").code == 1
    assert command("backup", "show", SNAPSHOT, "--json").json["snapshot"]["id"] == SNAPSHOT
    assert command("backup", "show", "nothing/such").code == 1


def test_snapshots_are_verified(command: CommandLine, world: World) -> None:
    """One, or all that have a manifest; damage is exit code 1."""
    world.work.courses = {"j1": [job("j1")]}
    world.work.snapshots = [snapshot(), snapshot("20260101-020000"), snapshot("20250101-020000", kind="runbook")]
    assert command("backup", "verify", SNAPSHOT, "--level", "0").code == 0
    assert command("backup", "verify", "--all").code == 0
    asked = [one.split(" by ")[0] for one in world.work.asked]
    assert asked == [f"verify {SNAPSHOT} up to 0", f"verify {SNAPSHOT} up to 1", "verify 20260101-020000 up to 1"]
    world.work.courses = {"j1": [job("j1", notes=("streams/EV/stream.tar.s2 is missing",))]}
    assert command("backup", "verify", "--all").code == 1
    world.work.snapshots = []
    assert (command("backup", "verify", "--all").out) == "there is no snapshot to verify\n"


def test_wrong_usage_is_told(command: CommandLine) -> None:
    """Usage errors are exit code 2, also those that only the daemon sees."""
    assert command("backup", "verify").code == 2
    assert command("backup", "verify", SNAPSHOT, "--all").code == 2
    assert command("backup", "verify", SNAPSHOT, "--level", "4").code == 2
    assert command("backup", "now", "--note", "two\nlines").code == 2
