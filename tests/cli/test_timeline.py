"""`semsupervisor timeline`."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import pytest

from tests.support.api_world import World, entry, served_beside
from tests.support.command_line import CommandLine


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let something happen at each pause of a command, and Ctrl-C at the end."""

    def happen(*acts: Callable[[], object]) -> None:
        left = list(acts)

        def pause(_: float) -> None:
            if not left:
                raise KeyboardInterrupt
            left.pop(0)()

        monkeypatch.setattr("semsupervisor.cli.timeline.sleep", pause)

    return happen


def test_the_newest_comes_last(command: CommandLine, world: World) -> None:
    """As in a log, one entry a line, in UTC."""
    world.entries = [entry(number) for number in range(1, 5)]
    said = command("timeline", "--limit", "2")
    assert said.code == 0
    assert said.lines == [
        "2026-03-01 12:03:00Z  alert.firing  service:nats  entry 3",
        "2026-03-01 12:04:00Z  alert.firing  service:nats  entry 4",
    ]


def test_a_long_entry_is_wrapped(command: CommandLine, world: World) -> None:
    """Nothing of it is lost and no line is too long."""
    world.entries = [msgspec.structs.replace(entry(1), text="word " * 40)]
    lines = command("timeline").lines
    assert max(map(len, lines)) <= 80
    assert " ".join(lines).split().count("word") == 40


def test_it_is_narrowed(command: CommandLine, world: World) -> None:
    """Subject, kind and time are asked of the daemon."""
    world.entries = [entry(1), entry(2, subject="engine:docker"), entry(3, kind="daemon.started")]
    world.clock.advance(240)
    assert command("timeline", "--subject", "engine:docker").lines[0].endswith("entry 2")
    assert command("timeline", "--kind", "daemon.started").lines[0].endswith("entry 3")
    assert len(command("timeline", "--since", "2m").lines) == 2
    assert command("timeline", "--since", "yesterday").code == 1
    assert command("timeline", "--kind", "none").out == "nothing yet\n"


def test_json_is_the_daemons_own_answer(command: CommandLine, world: World) -> None:
    """Programs get the page as it is, with what asks for the next one."""
    world.entries = [entry(number) for number in range(1, 5)]
    assert command("timeline", "--json", "--limit", "2").json["before"] == 3


def test_what_is_new_is_followed(command: CommandLine, world: World, meanwhile: Callable[..., None]) -> None:
    """Each new entry is shown once, in order, until Ctrl-C, which is exit code 130."""
    world.entries = [entry(1)]
    meanwhile(
        lambda: world.entries.extend([entry(2), entry(3)]),
        lambda: None,
        lambda: world.entries.append(entry(4)),
    )
    said = command("timeline", "--follow")
    assert said.code == 130
    assert [line.split()[-1] for line in said.lines] == ["1", "2", "3", "4"]


def test_an_empty_timeline_is_followed_too(command: CommandLine, world: World, meanwhile: Callable[..., None]) -> None:
    """With nothing to begin with, the first entry is still seen, one JSON object a line."""
    meanwhile(lambda: world.entries.append(entry(1)))
    said = command("timeline", "--follow", "--json")
    assert [json.loads(line)["id"] for line in said.lines] == [1]


def test_a_restart_of_the_daemon_is_waited_for(
    world: World,
    tmp_path_factory: pytest.TempPathFactory,
    meanwhile: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """While the daemon is away it is said once; what it wrote meanwhile is shown when it is back."""
    folder = tmp_path_factory.mktemp("run")
    world.entries = [entry(1)]
    first = served_beside(world, folder)
    command = CommandLine(world, first.__enter__(), capsys)
    second = served_beside(world, folder)
    meanwhile(
        lambda: first.__exit__(None, None, None),
        lambda: world.entries.append(entry(2)),
        second.__enter__,
        lambda: None,
    )
    said = command("timeline", "--follow")
    second.__exit__(None, None, None)
    assert said.err.count("waiting for it") == 1
    assert [line.split()[-1] for line in said.lines if "entry" in line] == ["1", "2"]
