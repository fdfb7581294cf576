"""`semsupervisor services`."""

from __future__ import annotations

import io

import pytest

from semsupervisor.health.leaving import NotForgotten
from semsupervisor.health.observation import SubjectKind
from tests.support.api_world import ServiceStandIn, World
from tests.support.command_line import CommandLine


class Terminal(io.StringIO):
    """Somebody who types an answer."""

    def isatty(self) -> bool:
        """Say that there is somebody."""
        return True


def test_services_are_listed(command: CommandLine, world: World) -> None:
    """Each with its state, since when and why; a missing one is exit code 1, and says how to forget it."""
    said = command("services")
    assert (said.code, said.lines) == (0, ["nats        running  2 h 5 min", "semstreams  running  2 h 5 min"])
    world.see(SubjectKind.SERVICE, "web@2", {"state": "missing"})
    world.services["web@2"] = ServiceStandIn(world.clock.now(), "removed through the Docker API")
    said = command("services", "list")
    assert said.code == 1
    assert said.lines[-2:] == [
        "web@2       missing  0 s        removed through the Docker API",
        "If that is meant: semsupervisor services forget web@2",
    ]
    assert [one["name"] for one in command("services", "--json").json["services"]] == ["nats", "semstreams", "web@2"]


def test_a_stack_without_services(command: CommandLine, world: World) -> None:
    """Nothing to list is one line."""
    world.latest = {}
    assert command("services").lines == ["none is known"]


def test_a_service_is_forgotten(command: CommandLine, world: World) -> None:
    """Without a terminal nobody is asked; the name goes as it is, and JSON is the daemon's answer."""
    world.services["web@2"] = ServiceStandIn(world.clock.now())
    said = command("services", "forget", "web@2")
    assert (said.code, said.lines) == (0, ["web@2 was forgotten; it is watched again once it has a container"])
    assert command("services", "forget", "nats", "--json").json["done"][0].startswith("nats was forgotten")
    assert [asked.partition(" by ")[0] for asked in world.asked] == ["forget web@2", "forget nats"]


def test_a_refusal_is_told_with_what_to_do(command: CommandLine, world: World) -> None:
    """Exit code 1, the reason and the remedy."""
    said = command("services", "forget", "web")
    assert (said.code, said.err) == (
        1,
        "semsupervisor: no service 'web' is known\n  known are: nats, semstreams\n",
    )
    world.refusal = NotForgotten("web is needed", "stop the other")
    assert command("services", "forget", "web").err == "semsupervisor: web is needed\n  stop the other\n"


@pytest.mark.parametrize(
    ("typed", "words", "code", "asked"),
    [
        ("y\n", ("services", "forget", "nats"), 0, 1),
        ("\n", ("services", "forget", "nats"), 1, 0),
        ("", ("services", "forget", "nats"), 1, 0),
        ("", ("services", "forget", "nats", "--yes"), 0, 1),
    ],
)
def test_a_terminal_is_asked_first(
    command: CommandLine,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    *,
    typed: str,
    words: tuple[str, ...],
    code: int,
    asked: int,
) -> None:
    """Only a yes goes on, and --yes asks nobody."""
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    said = command(*words)
    assert (said.code, len(world.asked)) == (code, asked)
    assert ("Go on? [y/N]" in said.err) is ("--yes" not in words)
    assert ("nothing was forgotten" in said.err) is (code == 1)
