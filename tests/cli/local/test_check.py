"""`semsupervisor check`: what it prints."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import structlog

from semsupervisor.alerts import ruleset
from semsupervisor.alerts.rules import Severity
from semsupervisor.api import verdicts
from semsupervisor.api.knowledge import merged
from semsupervisor.cli import main
from semsupervisor.cli.local import check
from semsupervisor.cli.local.check import CRITICAL, OK, as_plain, as_text
from semsupervisor.cli.local.once import Once
from semsupervisor.errors import TemporaryError
from semsupervisor.health.observation import SubjectKind, Unknown
from semsupervisor.settings.model import Settings
from tests.support.api_world import World, alert

pytestmark = pytest.mark.usefixtures("logging_set_back")

log = structlog.get_logger("semsupervisor.health.probing")


def once(world: World, *, firing: bool = False) -> Once:
    """Return what a look at a world would find."""
    known = merged(world.latest.values())
    alerts = (alert(),) if firing else ()
    verdict = verdicts.stack(known, (), alerts, world.rules, world.clock.monotonic(), 30.0)
    return Once(known=known, alerts=alerts, verdict=verdict, findings=tuple(world.findings))


def figures(text: str) -> dict[str, str]:
    """Return the performance data of a plugin's first line."""
    found = text.splitlines()[0].partition(" | ")[2]
    pairs = re.findall(r"(?:'([^']*)'|(\S+?))=(\S+)", found)
    return {quoted or plain: value for quoted, plain, value in pairs}


def test_all_well_is_one_line_with_figures() -> None:
    """What is watched is counted, limits come from the rules, and findings stand below."""
    text = as_text(once(World()), OK, ruleset.defaults())
    first, *below = text.splitlines()
    assert first.startswith("SEMSUPERVISOR OK - 2 services as they should be, fullest disk / 42 % | ")
    assert below == ["finding: no receiver is set: set one"]
    found = figures(text)
    assert found["services_running"] == "2;;;0;2"
    assert found["service_nats_memory_used"] == "34.1796875%;80;90;0"
    assert found["service_nats_memory_used_bytes"] == "367001600B;;;0"
    assert found["filesystem_/_used"] == "42%;80;90;0"
    assert found["host_host_memory_available"] == "50%;;;0"
    assert found["nats_nats_connections"] == "2;;;0"


def test_the_worst_comes_first() -> None:
    """The first line has the first reason and how many more there are; the rest follows line by line."""
    world = World()
    world.see(SubjectKind.SERVICE, "semstreams", {"died": True}, source="look")
    world.see(SubjectKind.NATS, "nats", {"reachable": Unknown("timed out")}, source="look")
    first, *below = as_text(once(world, firing=True), CRITICAL, ()).splitlines()
    assert first.startswith("SEMSUPERVISOR CRITICAL - nats ended with code 137 (+2 more) | ")
    assert below[:2] == ["service:semstreams died", "nats:nats: reachable is unknown (timed out)"]


def test_nothing_from_outside_breaks_the_format() -> None:
    """Bars, line breaks, quotes and escape sequences in names and errors do not reach the monitoring system."""
    world = World()
    world.see(SubjectKind.FILESYSTEM, "/a'b=c|d e", {"used_ratio": 0.5})
    evil = "1 | rta=9ms\nOK\x1b[2J"
    world.see(SubjectKind.ENGINE, "docker", {"reachable": False}, source="events", evidence={"error": evil})
    text = as_text(once(world), 3, ())
    first = text.splitlines()[0]
    assert first.count("|") == 1
    assert "1 ¦ rta=9ms OK" in first
    assert "\x1b" not in text
    assert figures(text)["filesystem_/a_b_c_d e_used"] == "50%;;;0"


def test_a_figure_that_is_not_known_is_left_out() -> None:
    """A fact that could not be read is no zero."""
    world = World()
    world.see(SubjectKind.SERVICE, "nats", {"memory_used_ratio": Unknown("?")}, source="look")
    assert "service_nats_memory_used" not in figures(as_text(once(world), OK, ()))


def test_programs_get_everything() -> None:
    """JSON has state, code, reasons, alerts, facts, what is unknown, and findings."""
    world = World()
    world.see(SubjectKind.NATS, "nats", {"healthy": Unknown("garbage")}, source="look")
    plain = json.loads(json.dumps(as_plain(once(world, firing=True), CRITICAL)))
    assert (plain["status"], plain["exit_code"]) == ("critical", 2)
    assert plain["alerts"][0]["severity"] == Severity.CRITICAL.value
    nats = next(one for one in plain["subjects"] if one["kind"] == "nats")
    assert nats["unknown"] == {"healthy": "garbage"}
    assert nats["facts"]["connections"] == 2
    assert plain["findings"][0]["fix"] == "set one"


def test_settings_that_are_refused_are_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every problem is printed and the exit code is 3, in words and as JSON."""
    file = tmp_path / "s.toml"
    file.write_text('checks.intervall = "10s"\nrules.memory_high.above = 80\n')
    assert main(["check", "--settings", str(file)]) == 3
    out = capsys.readouterr().out
    assert out.startswith("SEMSUPERVISOR UNKNOWN - the settings are refused\n")
    assert "checks.intervall" in out
    assert "rules.memory_high.above" in out
    assert main(["check", "--json", "--settings", str(file)]) == 3
    assert json.loads(capsys.readouterr().out)["exit_code"] == 3


@pytest.mark.parametrize(
    "words", [["--nonsense"], ["--timeout", "soon"], ["--timeout", "0"], ["--timeout", "nan"], ["--timeout", "inf"]]
)
def test_wrong_usage_is_unknown_to_a_plugin(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 would be critical to a monitoring system, which reads one line of the standard output."""
    assert main(["check", *words]) == 3
    assert capsys.readouterr().out == "SEMSUPERVISOR UNKNOWN - wrong usage, see semsupervisor check --help\n"


def test_wrong_usage_of_another_command_is_none_of_a_plugin() -> None:
    """Also if the word occurs in it."""
    with pytest.raises(SystemExit) as end:
        main(["alerts", "check"])
    assert end.value.code == 2


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TemporaryError("no file system can be seen |"), "no file system can be seen ¦"),
        (ZeroDivisionError("oh\nno"), "semsupervisor itself failed: ZeroDivisionError: oh no (test_check.py, line "),
    ],
)
def test_no_fault_is_a_traceback(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever goes wrong is one line and unknown, since exit code 1 would be a warning about the stack."""

    async def fail(*_: object) -> Once:
        raise error

    monkeypatch.setattr(check, "look", fail)
    assert main(["check"]) == 3
    out, err = capsys.readouterr()
    assert out.startswith(f"SEMSUPERVISOR UNKNOWN - {said}")
    assert (out.count("\n"), err) == (1, "")


def test_a_secret_that_this_user_may_not_read_is_no_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A monitoring system's user looks as well as any: whether a receiver rests is the daemon's to say."""
    looked: list[Settings] = []

    async def look(settings: Settings, *_: object) -> Once:
        looked.append(settings)
        return once(World())

    monkeypatch.setattr(check, "look", look)
    file = tmp_path / "s.toml"
    hook = 'type = "webhook"\nurl = "http://hook.example"\n'
    file.write_text(f'[receivers.a]\n{hook}secret_file = "/none"\n[receivers.b]\n{hook}enabled = false\n')
    assert main(["check", "--settings", str(file)]) == 0
    assert {name: receiver.enabled for name, receiver in looked[0].receivers.items()} == {"a": True, "b": False}


def test_what_is_logged_is_not_the_plugins_output(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A check that fails in an unforeseen way is logged where no monitoring system reads."""
    file = tmp_path / "s.toml"
    file.write_text(f'docker.socket = "{tmp_path / "none.sock"}"\n')
    assert main(["check", "--settings", str(file)]) == 2
    log.warning("probe.failed")
    out, err = capsys.readouterr()
    assert out.startswith("SEMSUPERVISOR CRITICAL - ")
    assert "services_running" not in out
    assert "probe.failed" in err


@pytest.fixture
def hanging_engine(tmp_path: Path) -> Iterator[Path]:
    """Return the socket of an engine that takes connections and says nothing."""
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(64)
        yield path


def test_a_look_has_an_end(tmp_path: Path, hanging_engine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When nothing answers in the time that is given, that is unknown."""
    file = tmp_path / "s.toml"
    file.write_text(f'docker.socket = "{hanging_engine}"\ndocker.timeout = "30s"\n')
    assert main(["check", "--settings", str(file), "--timeout", "0.3"]) == 3
    assert capsys.readouterr().out == "SEMSUPERVISOR UNKNOWN - the look did not end within 0.3 s\n"


def test_jetstream_is_held_against_its_limits() -> None:
    """A plugin's figures show what JetStream uses, and how near that is to the limits of its rules."""
    world = World()
    seen = {"jetstream_storage_used_ratio": 0.95, "jetstream_storage_fill_ratio": 0.25, "slow_consumers_total": 3}
    world.see(SubjectKind.NATS, "nats", seen)
    found = figures(as_text(once(world), OK, ruleset.defaults()))
    assert found["nats_nats_jetstream_storage_used"] == "95%;;;0"
    assert found["nats_nats_jetstream_storage_fill"] == "25%;80;90;0"
    assert found["nats_nats_slow_consumers_total"] == "3c;;;0"


def test_limits_come_from_the_rules_that_are_on() -> None:
    """A rule that is switched off limits nothing."""
    off = [msgspec.structs.replace(rule, enabled=False) for rule in ruleset.defaults()]
    assert figures(as_text(once(World()), OK, off))["filesystem_/_used"] == "42%;;;0"
