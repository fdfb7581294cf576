"""`semsupervisor jobs settle` where no daemon runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from semsupervisor.cli import main
from semsupervisor.jobs.mirror import Mirror
from semsupervisor.jobs.record import JobState
from tests.daemon.test_settling import half
from tests.support.job_world import job


@pytest.fixture(autouse=True)
def _outside_of_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing say how a service has ended."""
    monkeypatch.delenv("SERVICE_RESULT", raising=False)


def settle(folder: Path, *words: str) -> int:
    """Run the command on the state and the backups in a folder."""
    file = folder / "settings.toml"
    file.write_text(f'[state]\ndirectory = "{folder}/state"\n[backup]\ndirectory = "{folder}/backup"\n')
    return main(["jobs", "settle", "--settings", str(file), *words])


def test_it_says_what_became_of_each_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With why; nothing open is left, so it is exit code 0."""
    half(tmp_path)
    assert settle(tmp_path) == 0
    assert capsys.readouterr().out.splitlines() == ["hot backup (0a): undone", "  because: interrupted in: streams"]
    assert settle(tmp_path) == 0
    assert capsys.readouterr().out == "no job has to be settled\n"


def test_what_stays_open_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One of another version, for programs too."""
    Mirror(tmp_path / "state" / "jobs").write(job("0b", JobState.RUNNING, kind="from.the.future"))
    assert settle(tmp_path, "--json") == 1
    (found,) = json.loads(capsys.readouterr().out)["jobs"]
    assert (found["id"], found["state"], found["open"]) == ("0b", "stuck", True)


def test_after_an_end_in_order_nothing_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Systemd says how it went; the next daemon goes on."""
    half(tmp_path)
    monkeypatch.setenv("SERVICE_RESULT", "success")
    assert settle(tmp_path) == 0
    assert capsys.readouterr().out == "no job has to be settled\n"


def test_beside_a_daemon_it_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It looks after its jobs itself."""
    half(tmp_path)
    daemon = Mirror(tmp_path / "state" / "jobs")
    daemon.hold()
    assert settle(tmp_path) == 1
    assert "another semsupervisor carries out the jobs" in capsys.readouterr().err
    daemon.release()


def test_settings_that_are_refused_are_no_reason_to_leave_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong is said, and the rest of them holds."""
    half(tmp_path)
    file = tmp_path / "wrong.toml"
    file.write_text(f'oops = 1\n[state]\ndirectory = "{tmp_path}/state"\n')
    assert main(["jobs", "settle", "--settings", str(file)]) == 0
    said = capsys.readouterr()
    assert ("oops" in said.err, "undone" in said.out) == (True, True)
