"""Programs that end well, badly, late or never, run for real."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from semsupervisor.kit.clock import SystemClock
from semsupervisor.systems.commands import MOST_OUTPUT_BYTES, NICENESS, Ended, NotRun, Program, StillThere
from semsupervisor.systems.connecting import TimedOut
from tests.support.waiting import eventually

TIMEOUT_SECONDS = 10.0


async def ran(*command: str, timeout_seconds: float = TIMEOUT_SECONDS) -> Ended:
    """Return how a command ended."""
    return await Program(command, SystemClock()).run(timeout_seconds)


async def ran_by_shell(script: str, timeout_seconds: float = TIMEOUT_SECONDS) -> Ended:
    """Return how a shell's script ended."""
    return await ran("/bin/sh", "-c", script, timeout_seconds=timeout_seconds)


def is_there(pid: int) -> bool:
    """Tell whether a process exists and is no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


async def test_exit_code_and_output_are_returned() -> None:
    """Both streams, apart; arguments are no shell's."""
    ended = await ran_by_shell("echo fine; echo worse >&2; exit 2")
    assert (ended.exit_code, ended.output, ended.errors) == (2, b"fine\n", b"worse\n")
    assert (await ran("/bin/echo", "$HOME; a  b")).output == b"$HOME; a  b\n"


async def test_a_signal_is_an_exit_code_below_zero() -> None:
    """As the system's own calls have it."""
    assert (await ran_by_shell("kill -SEGV $$")).exit_code == -11


async def test_it_runs_at_low_priority_without_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may be secret in our environment does not come to it, and its standard input is empty."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/secret")
    ended = await ran_by_shell(f"until [ $(nice) = {NICENESS} ]; do sleep 0.05; done; env; pwd; cat")
    lines = ended.output.decode().splitlines()
    assert ended.exit_code == 0
    assert not any(line.startswith("CREDENTIALS_DIRECTORY") for line in lines)
    assert "/" in lines


async def test_output_is_bounded_and_never_holds_the_program_up() -> None:
    """Ten megabytes are read and dropped; the begin is kept."""
    ended = await ran_by_shell("head -c 10000000 /dev/zero; echo done >&2")
    assert (len(ended.output), ended.errors) == (MOST_OUTPUT_BYTES, b"done\n")


async def test_a_program_that_does_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    """The whole group goes, also a child that ignores all signals it can."""
    pids = tmp_path / "pids"
    script = f"(trap '' TERM INT HUP; echo $$ >> {pids}; exec sleep 300) & echo $! >> {pids}; sleep 300"
    with pytest.raises(TimedOut, match=r"not ended within 0\.5 s"):
        await ran_by_shell(script, timeout_seconds=0.5)
    started = [int(line) for line in pids.read_text().split()]
    assert len(started) == 2

    async def gone() -> bool:
        return not any(map(is_there, started))

    await eventually(gone)


async def test_a_child_that_keeps_the_output_open_holds_nothing_up(tmp_path: Path) -> None:
    """The program has ended: what it said is returned, and the child it left is killed."""
    pid = tmp_path / "pid"
    ended = await ran_by_shell(f"sleep 300 & echo $! > {pid}; echo fine")
    assert (ended.exit_code, ended.output) == (0, b"fine\n")

    async def gone() -> bool:
        return not is_there(int(pid.read_text()))

    await eventually(gone)


async def test_a_run_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    """When the supervisor ends, what it started ends with it."""
    pid = tmp_path / "pid"
    run = asyncio.ensure_future(ran_by_shell(f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 300"))

    async def began() -> bool:
        return pid.exists()

    await eventually(began)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    async def gone() -> bool:
        return not is_there(int(pid.read_text()))

    await eventually(gone)


async def test_what_cannot_be_started_is_told(tmp_path: Path) -> None:
    """Missing, not to be executed, or with a name that is none."""
    (tmp_path / "plain").touch(mode=0o644)
    for command in (str(tmp_path / "missing"), str(tmp_path / "plain"), "/bin/true\0"):
        with pytest.raises(NotRun, match="cannot be started"):
            await ran(command)


async def test_none_is_started_while_one_hangs() -> None:
    """A program that not even a kill ends must not pile up; here the first is held back by hand."""
    program = Program(["/bin/sleep", "300"], SystemClock())
    first = asyncio.ensure_future(program.run(TIMEOUT_SECONDS))

    async def began() -> bool:
        return program._last is not None

    await eventually(began)
    with pytest.raises(StillThere):
        await program.run(TIMEOUT_SECONDS)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
