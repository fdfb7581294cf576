"""`semsupervisor alerts`."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from semsupervisor.alerts.lifecycle import AlertState
from semsupervisor.alerts.rules import Severity, Verdict
from tests.support.api_world import World, alert, rule
from tests.support.command_line import CommandLine


def test_nothing_fires(command: CommandLine) -> None:
    """Without alerts there is one line and exit code 0."""
    said = command("alerts")
    assert (said.code, said.out) == (0, "nothing fires\n")


@pytest.mark.parametrize("words", [["alerts"], ["alerts", "list"]])
def test_an_alert_is_told_in_full(command: CommandLine, world: World, words: list[str]) -> None:
    """What, since when, value and limit, who was told, evidence, diagnosis and what to type next; exit code 1."""
    world.alerts = [
        msgspec.structs.replace(alert(), consequences=("health endpoint down",), evidence={"last": "one\ntwo\x1b[0m"})
    ]
    said = command(*words)
    assert said.code == 1
    assert said.lines == [
        "critical  container died  service:nats  firing for 5 min",
        "  nats ended with code 137",
        "  value yes, limit equals yes, last seen 5 min ago; told ops",
        "  expect as well: health endpoint down",
        "  last: one",
        "  two",
        "  its process ended",
        "  $ docker logs nats",
        "",
    ]


def test_why_nobody_was_told_is_said(command: CommandLine, world: World) -> None:
    """A muted alert names what muted it, and one that cannot be seen says so; pending alone exits 0."""
    world.rules = []
    world.alerts = [
        msgspec.structs.replace(
            alert(), told=(), muted_by="its cause fires", last_verdict=Verdict.UNKNOWN, evidence={}
        ),
        msgspec.structs.replace(alert("memory_high", state=AlertState.PENDING), told=()),
    ]
    said = command("alerts")
    assert "and cannot be seen now; nobody was told: its cause" in " ".join(said.out.split())
    assert "nobody was told: not yet" in said.out
    world.alerts = world.alerts[1:]
    assert command("alerts").code == 0


def test_rules_are_listed_with_their_values(command: CommandLine, world: World) -> None:
    """Condition, times, clearing value and whether it is switched on."""
    world.rules = [
        rule("container_died"),
        msgspec.structs.replace(
            rule("memory_high", severity=Severity.WARNING),
            subjects=("nats", "sem*"),
            for_seconds=300.0,
            clear=0.75,
            clear_for_seconds=60.0,
            enabled=False,
        ),
    ]
    said = command("alerts", "rules")
    assert said.code == 0
    assert said.lines[0] == "container_died  critical  service: died equals yes"
    assert " ".join(" ".join(said.lines[1:]).split()) == (
        "memory_high warning service nats, sem*: died equals yes, for 5 min, until 0.75, clear for 1 min, switched off"
    )
    assert command("alerts", "rules", "--json").json["rules"][1]["for_seconds"] == 300.0


def test_the_past_is_listed(command: CommandLine, world: World) -> None:
    """Each episode says when, how bad, how long and what."""
    ended = alert(state=AlertState.RESOLVED)
    world.episodes = [alert(), msgspec.structs.replace(ended, resolved_at=ended.since + timedelta(seconds=42))]
    said = command("alerts", "history", "--limit", "2")
    assert said.code == 0
    assert said.lines[0].startswith("2026-03-01 11:55:00Z  critical  still firing, 5 min")
    assert any("for 42 s" in line for line in said.lines)
    assert len(command("alerts", "history", "--limit", "1", "--json").json["alerts"]) == 1
    world.episodes = []
    assert command("alerts", "history").out == "nothing has fired yet\n"


def test_a_receiver_is_tested(command: CommandLine, world: World) -> None:
    """What the receiver answered is printed; a failure is exit code 1 with the reason and where to look."""
    said = command("alerts", "test", "ops")
    assert (said.code, said.out) == (0, "the receiver ops took the test: 200 OK\n")
    assert command("alerts", "test", "ops", "--json").json == {"done": ["the receiver ops took the test: 200 OK"]}
    failed = command("alerts", "test", "mail")
    assert (failed.code, failed.out) == (1, "")
    assert "connection refused by mail.example:587\n  check [receivers.mail]" in failed.err
    assert world.asked == ["test ops", "test ops", "test mail"]


def test_json_before_the_command_below_holds(command: CommandLine) -> None:
    """--json may stand anywhere."""
    assert command("alerts", "--json", "list").json["alerts"] == []


def test_a_limit_that_makes_no_sense_is_refused(command: CommandLine) -> None:
    """The daemon's words on the parameter are shown."""
    said = command("alerts", "history", "--limit", "0")
    assert said.code == 1
    assert "limit" in said.err
