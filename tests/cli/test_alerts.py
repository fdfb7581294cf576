"""`semsupervisor alerts`."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from semsupervisor.alerts.lifecycle import AlertState
from semsupervisor.alerts.rules import Comparison, Origin, Severity
from semsupervisor.alerts.sending import NotAllTook
from semsupervisor.health.observation import SubjectKind, Unknown
from tests.support.api_world import World, alert, rule
from tests.support.command_line import CommandLine


def test_nothing_fires(command: CommandLine) -> None:
    """Without alerts there is one line and exit code 0."""
    said = command("alerts")
    assert (said.code, said.out) == (0, "nothing fires\n")


@pytest.mark.parametrize("words", [["alerts"], ["alerts", "list"]])
def test_what_fires_is_listed(command: CommandLine, world: World, words: list[str]) -> None:
    """Each alert that fires with what to do, below them what is only pending; exit code 1."""
    pending = msgspec.structs.replace(
        alert("memory_high", state=AlertState.PENDING), told=(), value=0.85, limit="above 80 %"
    )
    world.alerts = [pending, alert()]
    said = command(*words)
    assert said.code == 1
    assert said.lines == [
        "critical  container died  service:nats  for 5 min",
        "  nats ended with code 137",
        "  its process ended",
        "  $ docker logs nats",
        "  told ops; last seen 5 min ago; exit code: 137",
        "",
        "pending  5 min  service:nats: memory high, 0.85 (alert: above 80 %)",
    ]


def test_what_follows_stands_under_its_cause(command: CommandLine, world: World) -> None:
    """A consequence has no entry of its own beside its cause."""
    cause = alert()
    world.alerts = [msgspec.structs.replace(alert("memory_high"), caused_by=cause.id, told=()), cause]
    said = command("alerts")
    assert [line for line in said.lines if line.startswith("critical")] == [
        "critical  container died  service:nats  for 5 min"
    ]
    assert "  From it follows: memory high (5 min)." in said.lines


def test_pending_alone_is_fine(command: CommandLine, world: World) -> None:
    """As long as nothing fires the exit code is 0."""
    world.alerts = [msgspec.structs.replace(alert(state=AlertState.PENDING), told=())]
    said = command("alerts")
    assert (said.code, said.lines) == (0, ["nothing fires", "pending  5 min  service:nats: container died"])


@pytest.mark.parametrize("name", ["id-container_died", "container_died", "service:nats"])
def test_an_open_alert_is_shown_in_full(command: CommandLine, world: World, name: str) -> None:
    """By its id, its rule or its subject, with all of its evidence and with what follows from it."""
    log = "\n".join(f"line {number}" for number in range(50))
    cause = msgspec.structs.replace(alert(), evidence={"exit_code": "137", "last_log_lines": log})
    follower = msgspec.structs.replace(
        alert("memory_high"), subject=msgspec.structs.replace(cause.subject, name="x"), caused_by=cause.id
    )
    world.alerts = [cause, follower]
    said = command("alerts", "show", name)
    assert said.code == 0
    assert said.lines[0] == "critical  container died  service:nats  firing, for 5 min"
    assert [line for line in said.lines if "line " in line][-1] == "    line 49"
    assert sum("line " in line for line in said.lines) == 50
    assert "  follows    memory high: service:x: nats ended with code 137" in said.lines
    shown = command("alerts", "show", name, "--json").json["alerts"]
    assert [one["rule"] for one in shown] == ["container_died"]


def test_a_past_alert_is_shown_too(command: CommandLine, world: World) -> None:
    """The newest episode of a rule that does not fire now."""
    over = alert(state=AlertState.RESOLVED)
    world.episodes = [
        msgspec.structs.replace(
            over, resolved_at=over.since + timedelta(seconds=42), resolved_because="nats runs again."
        )
    ]
    said = command("alerts", "show", "container_died")
    assert said.code == 0
    assert said.lines[0] == "critical  container died  service:nats  resolved, lasted 42 s"
    assert "  nats runs again." in said.lines


def test_an_alert_that_never_was_is_guessed_at(command: CommandLine) -> None:
    """Exit code 1, and the rule that was meant or where to look."""
    said = command("alerts", "show", "container_dead")
    assert (said.code, said.out) == (1, "")
    assert said.err.endswith("there is and was no alert container_dead; did you mean container_died?\n")
    assert "see `semsupervisor alerts history`" in command("alerts", "show", "zzz").err


def test_rules_are_listed_with_what_they_measure(command: CommandLine, world: World) -> None:
    """By kind of subject: where each is from, its condition, and how it stands with each of its subjects."""
    world.rules = [
        msgspec.structs.replace(rule("container_died"), origin=Origin.CHANGED),
        msgspec.structs.replace(
            rule("memory_high", severity=Severity.WARNING),
            fact="memory_used_ratio",
            subjects=("nats", "sem*"),
            for_seconds=300.0,
            clear=0.75,
            clear_for_seconds=60.0,
            enabled=False,
        ),
        msgspec.structs.replace(
            rule("slow"),
            kind=SubjectKind.NATS,
            fact="slow_consumers_total",
            comparison=Comparison.RATE_ABOVE,
            limit=0.5,
            clear=0.05,
            over_seconds=300.0,
            origin=Origin.OWN,
        ),
    ]
    world.alerts = [alert()]
    world.clock.advance(4.0)
    said = command("alerts", "rules")
    assert said.code == 0
    assert said.lines == [
        "service",
        "  container_died  critical, changed by the settings",
        "    died equals yes",
        "    service:nats        firing  4 s ago  no",
        "    service:semstreams  clear   4 s ago  no",
        "  memory_high  warning, switched off",
        "    memory_used_ratio equals yes, of nats, sem*, for 5 min, until 75 %, clear",
        "    for 1 min",
        "nats",
        "  slow  critical, from the settings",
        "    slow_consumers_total rate above 30/min over 5 min, until 3/min",
    ]
    assert command("alerts", "rules", "--json").json["rules"][1]["for_seconds"] == 300.0


def test_rules_are_chosen(command: CommandLine, world: World) -> None:
    """By a part of name, kind or fact; one that there is not is exit code 1, with the near one."""
    world.rules = [
        rule("container_died"),
        msgspec.structs.replace(rule("memory_high"), fact="memory_used_ratio"),
        msgspec.structs.replace(rule("nats_down"), kind=SubjectKind.NATS),
    ]

    def names(pattern: str) -> list[str]:
        return [one["name"] for one in command("alerts", "rules", pattern, "--json").json["rules"]]

    assert names("used_") == ["memory_high"]
    assert names("Service") == ["container_died", "memory_high"]
    assert names("nats") == ["nats_down"]
    said = command("alerts", "rules", "memry_high")
    assert (said.code, said.out) == (1, "")
    assert said.err == "semsupervisor: there is no rule memry_high; did you mean memory_high?\n"


def test_of_many_subjects_those_that_matter_are_shown(command: CommandLine, world: World) -> None:
    """What fires or cannot be seen comes first; the rest is counted."""
    for number in range(20):
        world.see(SubjectKind.SERVICE, f"s{number:02}", {"died": False})
    world.see(SubjectKind.SERVICE, "zz", {"died": Unknown("not looked at " * 8)})
    world.see(SubjectKind.SERVICE, "a" * 200, {"died": Unknown("not looked at")})
    world.rules = [rule("container_died")]
    lines = command("alerts", "rules").lines
    assert lines[3].split() == [f"service:{'a' * 31}…", "unknown", "0", "s", "ago", "not", "looked", "at"]
    assert lines[4].split()[:2] == ["service:zz", "unknown"]
    assert lines[5].startswith("        not looked at not looked at")
    assert lines[-1] == "    (12 more: semsupervisor alerts rules --json)"
    assert max(map(len, lines)) <= 80


def test_the_past_is_listed(command: CommandLine, world: World) -> None:
    """Each episode says when, how bad, how long, what, and how it ended."""
    over = alert(state=AlertState.RESOLVED)
    ended = {"resolved_at": over.since + timedelta(seconds=42), "resolved_because": "nats runs again"}
    world.episodes = [alert(), msgspec.structs.replace(over, **ended, told=(), muted_by="it ended first")]
    said = command("alerts", "history", "--limit", "2")
    assert said.code == 0
    assert said.lines == [
        "2026-03-01 11:55:00Z  critical  container died  firing for 5 min",
        "  nats ended with code 137.",
        "2026-03-01 11:55:00Z  critical  container died  42 s",
        "  nats ended with code 137. nats runs again. Told nobody: it ended first.",
    ]
    assert len(command("alerts", "history", "--limit", "1", "--json").json["alerts"]) == 1
    assert command("alerts", "history", "--alert", "memory_high").lines == [
        "nothing called memory_high has fired; see `semsupervisor alerts history`"
    ]
    assert command("alerts", "history", "--alert", "memory_hig").lines == [
        "nothing called memory_hig has fired; did you mean memory_high?"
    ]


def test_a_receiver_is_tested(command: CommandLine, world: World) -> None:
    """What the receiver answered is printed; a failure is exit code 1 with the reason and where to look."""
    said = command("alerts", "test", "ops")
    assert (said.code, said.out) == (0, "the receiver ops took the test: 200 OK\n")
    assert command("alerts", "test", "ops", "--json").json == {"done": ["the receiver ops took the test: 200 OK"]}
    failed = command("alerts", "test", "mail")
    assert (failed.code, failed.out) == (1, "")
    assert "connection refused by mail.example:587\n  check [receivers.mail]" in failed.err
    assert world.asked == ["test ops", "test ops", "test mail"]


def test_of_several_addresses_each_is_told(command: CommandLine, world: World) -> None:
    """Who took the test and who did not is seen at once, not one error after the other is mended."""
    each = ["mail/a@x.org: unknown user", "mail/b@x.org: took it"]
    world.mail_error = NotAllTook("1 of its 2 addresses did not take it", each)
    said = command("alerts", "test", "mail")
    assert said.code == 1
    assert said.err.splitlines() == [
        "semsupervisor: the receiver mail refused the test: 1 of its 2 addresses did not take it",
        "  mail/a@x.org: unknown user",
        "  mail/b@x.org: took it",
        "  check [receivers.mail] in the settings and what it says",
    ]


def test_json_before_the_command_below_holds(command: CommandLine) -> None:
    """--json may stand anywhere."""
    assert command("alerts", "--json", "list").json["alerts"] == []
