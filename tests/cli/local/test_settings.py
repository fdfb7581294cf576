"""`semsupervisor settings`, without the daemon."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from semsupervisor.cli.local import settings
from semsupervisor.settings import load as loading

GOOD = """
[rules.memory_high]
above = 0.7
[rules.mine]
kind = "service"
fact = "restarts"
above = 9
severity = "info"
title = "t"
summary = "s"
[receivers.hook]
type = "webhook"
url = "https://hooks.example.org/x"
[receivers.night]
type = "webhook"
url = "https://hooks.example.org/y"
secret_credential = "night"
"""
BAD = """
checks.interval = "0s"
[rules.memory_high]
above = 80
[rules.mine]
kind = "service"
fact = "restarts"
above = true
severity = "bad"
title = "t"
summary = "s"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where a settings file may be written."""
    return tmp_path / "semsupervisor.toml"


def run(*words: str) -> int:
    """Run the command as the command line would."""
    parser = argparse.ArgumentParser()
    settings.add_parser(parser.add_subparsers(dest="command"))
    return settings.run(parser.parse_args(["settings", *words]))


def test_a_good_file_is_valid(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The answer counts what is in it, tells findings, and the exit code is 0."""
    file.write_text(GOOD)
    assert run("validate", str(file)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("finding: receivers.night is disabled")
    assert lines[1].startswith(f"{file} is valid; receivers: hook, night (disabled), ")
    assert lines[1].endswith(" rules (1 changed, 1 of your own)")


@pytest.mark.parametrize("command", ["validate", "show"])
def test_the_file_is_named_as_the_daemon_takes_it(file: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    """What stands behind `run --settings` can be checked by the same words; two files are one too many."""
    file.write_text("nonsense = 1")
    assert run(command, "--settings", str(file)) == 1
    assert capsys.readouterr().out.startswith(f"{file}: nonsense: ")
    with pytest.raises(SystemExit, match="2"):
        run(command, str(file), "--settings", str(file))


def test_all_faults_of_settings_and_rules_come_together(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line each begins with the file, none is told twice, and the exit code is 1."""
    file.write_text(BAD)
    assert run("validate", str(file)) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1] for line in lines] == [
        "checks.interval",
        "rules.mine.above",
        "rules.mine.severity",
        "rules.memory_high.above",
    ]
    assert all(line.startswith(f"{file}: ") for line in lines)
    assert last == f"{file} is refused: 4 problems"


def test_what_a_receiver_lacks_is_refused(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The daemon would start without that receiver; whoever asks hears of it as of any other fault."""
    file.write_text(f'{GOOD}secret_file = "/none/secret"\n'.replace('secret_credential = "night"\n', ""))
    assert run("validate", str(file)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{file}: receivers.night.secret_file: found /none/secret: No such file")
    assert lines[1].startswith("finding: receivers.night is disabled: secret_file leads to no secret")
    assert lines[2] == f"{file} is refused: 1 problem"


def test_a_file_that_is_not_there_is_refused(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever names a file gets no defaults, from either command."""
    for command in ("validate", "show"):
        assert run(command, str(file)) == 1
        assert capsys.readouterr().out.splitlines()[-1] == f"{file} is refused: 1 problem"


def test_without_a_file_the_defaults_are_checked(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That nobody will be told of anything is said."""
    monkeypatch.setattr(loading, "DEFAULT_PATH", file)
    assert run("validate") == 0
    out = capsys.readouterr().out
    assert "is not there: all defaults hold; no receiver" in out
    assert out.endswith("(0 changed, 0 of your own)\n")


def test_the_effective_settings_are_shown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its origin."""
    file.write_text(GOOD)
    assert run("show", str(file)) == 0
    assert f"rules.memory_high.above = 0.7{' ' * 20}" in capsys.readouterr().out


def test_programs_get_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Settings when they are good, what was found when they are checked or refused."""
    file.write_text(GOOD)
    assert run("show", "--json", str(file)) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["rules.memory_high.above"]["value"] == 0.7
    assert run("validate", "--json", str(file)) == 0
    good = json.loads(capsys.readouterr().out)
    assert good["valid"]
    assert good["receivers"] == {"hook": True, "night": False}
    assert good["rules"]["mine"]
    file.write_text(BAD)
    assert run("show", "--json", str(file)) == 1
    bad = json.loads(capsys.readouterr().out)
    assert not bad["valid"]
    assert bad["problems"][0]["key"] == "checks.interval"
    assert bad["problems"][0]["text"].startswith('checks.interval: found "0s"; allowed: ')


def test_broken_toml_is_refused_in_json_too(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing could be read, nothing is said of receivers and rules."""
    file.write_text("a = ")
    assert run("validate", "--json", str(file)) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["valid"], found["receivers"], found["rules"], found["findings"]) == (False, {}, {}, [])
