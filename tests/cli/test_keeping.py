"""`semsupervisor backup prune`, `pin` and `unpin`."""

from __future__ import annotations

import io
import sys

import pytest

from semsupervisor.cli import following
from semsupervisor.jobs.record import OUTCOME
from tests.support.api_world import World
from tests.support.command_line import CommandLine
from tests.support.job_world import SNAPSHOT, job, snapshot

OLD = "20260201-020000"


class Terminal(io.StringIO):
    """A terminal at which somebody types."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


@pytest.fixture(autouse=True)
def _two_snapshots(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one be kept and one go."""
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    world.work.snapshots = [snapshot(), snapshot(OLD, complete=False)]
    world.work.jobs = [job("j1", data={OUTCOME: f"removed {OLD} (damaged)"})]


def test_what_would_go_is_said_with_the_reasons(command: CommandLine, world: World) -> None:
    """Nothing is asked of the daemon but that."""
    said = command("backup", "prune", "--dry-run")
    assert (said.code, said.lines) == (0, [f"{SNAPSHOT}  kept  it is good", f"{OLD}  goes  damaged"])
    assert [one["keep"] for one in command("backup", "prune", "--dry-run", "--json").json["snapshots"]] == [True, False]
    assert world.work.asked == []
    world.work.snapshots = []
    assert "there is no snapshot in" in command("backup", "prune").out


def test_what_goes_is_said_after(command: CommandLine, world: World) -> None:
    """Where nobody sits at a terminal nobody is asked; with nothing to go nothing is asked for."""
    said = command("backup", "prune")
    assert (said.code, f"removed {OLD} (damaged)" in said.out) == (0, True)
    assert command("backup", "prune", "--json").json["job"]["outcome"] == f"removed {OLD} (damaged)"
    assert len(world.work.asked) == 2
    world.work.snapshots = [snapshot()]
    assert "nothing has to go" in command("backup", "prune").out
    assert len(world.work.asked) == 2


@pytest.mark.parametrize(("typed", "asked"), [("y\n", 1), ("n\n", 0), ("", 0)])
def test_at_a_terminal_it_is_asked_first(
    command: CommandLine, world: World, monkeypatch: pytest.MonkeyPatch, typed: str, asked: int
) -> None:
    """Only a yes is one; --yes says it beforehand."""
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    said = command("backup", "prune")
    assert "remove 1 for good? [y/N]" in said.err
    assert len(world.work.asked) == asked
    command("backup", "prune", "--yes")
    assert len(world.work.asked) == asked + 1


def test_a_snapshot_is_pinned_and_unpinned(command: CommandLine, world: World) -> None:
    """It is said what that means; one that is not there is refused."""
    said = command("backup", "pin", SNAPSHOT, "--note", "before v2")
    assert (said.code, "kept until it is unpinned" in said.out) == (0, True)
    assert command("backup", "unpin", SNAPSHOT, "--json").json["done"] == [f"{SNAPSHOT} is not pinned"]
    assert world.work.asked == [f"pin {SNAPSHOT}: before v2", f"unpin {SNAPSHOT}"]
    assert command("backup", "pin", "x").code == 1
