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
    world.entries = [entry(1), entry(2, subject="engine:docker"), entry(3, kind="daemon.restarted")]
    world.clock.advance(240)
    assert command("timeline", "--subject", "engine:docker").lines[0].endswith("entry 2")
    assert command("timeline", "--kind", "daemon.restarted").lines[0].endswith("entry 3")
    assert len(command("timeline", "--since", "2m").lines) == 2
    assert command("timeline", "--kind", "engine.lost").out == "nothing yet\n"


@pytest.mark.parametrize("words", [["timeline"], ["alerts", "history"]])
@pytest.mark.parametrize("number", ["0", "-1", "1001", "many", "9" * 5000])
def test_a_limit_that_cannot_be_is_wrong_usage(command: CommandLine, words: list[str], number: str) -> None:
    """The option is named, with what it takes."""
    said = command(*words, f"--limit={number}")
    assert said.code == 2
    assert "argument --limit" in said.err
    assert "allowed: a number from 1 to 1000" in said.err


@pytest.mark.parametrize("option", ["--since=yesterday", "--subject=service:nat", "--subject=nats", "--kind=alert"])
def test_what_cannot_be_meant_is_wrong_usage(command: CommandLine, world: World, option: str) -> None:
    """A time that is none, a subject or a kind that nobody knows: exit code 2 and what there is."""
    world.entries = [entry(1)]
    for more in ([], ["--follow"]):
        said = command("timeline", option, *more)
        assert (said.code, said.out) == (2, "")
        assert len(said.err.splitlines()) == 2


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


def test_following_begins_now(command: CommandLine, world: World, meanwhile: Callable[..., None]) -> None:
    """What is older than `--since` is not poured out after the first page, though nothing was shown on it."""
    world.entries = [entry(number) for number in range(1, 5)]
    world.clock.advance(3600)
    meanwhile(lambda: world.entries.append(entry(70)))
    said = command("timeline", "--follow", "--since", "1m")
    assert [line.split()[-1] for line in said.lines] == ["70"]


def test_what_is_followed_stays_narrowed(command: CommandLine, world: World, meanwhile: Callable[..., None]) -> None:
    """Of what comes, only what was asked for is shown."""
    world.entries = [entry(1)]
    meanwhile(lambda: world.entries.extend([entry(2, subject="engine:docker"), entry(3)]))
    said = command("timeline", "--follow", "--subject", "service:nats", "--kind", "alert.firing")
    assert [line.split()[-1] for line in said.lines] == ["1", "3"]


def test_more_than_a_page_is_followed_whole(
    command: CommandLine, world: World, meanwhile: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever came at once, nothing of it is left out and nothing comes twice."""
    monkeypatch.setattr("semsupervisor.cli.timeline.MOST_AT_ONCE", 3)
    world.entries = [entry(1)]
    meanwhile(lambda: world.entries.extend(map(entry, range(2, 12))), lambda: None)
    said = command("timeline", "--follow")
    assert [line.split()[-1] for line in said.lines] == [str(number) for number in range(1, 12)]


@pytest.mark.parametrize("begun", [[4], [4, 5, 6, 7, 8], []], ids=["fewer", "more", "none yet"])
def test_numbers_that_begin_anew_are_followed(
    command: CommandLine, world: World, meanwhile: Callable[..., None], begun: list[int]
) -> None:
    """A new state database is said once, what it has is shown once, and nothing that was shown comes again."""
    world.entries = [entry(number) for number in (1, 2, 3)]
    anew = [msgspec.structs.replace(entry(minute), id=number) for number, minute in enumerate(begun, 1)]
    more = msgspec.structs.replace(entry(9), id=len(begun) + 1)
    meanwhile(lambda: world.entries.__setitem__(slice(None), anew), lambda: None, lambda: world.entries.append(more))
    said = command("timeline", "--follow")
    assert said.err.count("began anew") == 1
    assert [int(line.split()[-1]) for line in said.lines] == [1, 2, 3, *begun, 9]


def test_a_state_that_cannot_be_read_is_waited_for(
    command: CommandLine, world: World, meanwhile: Callable[..., None]
) -> None:
    """While a broken database is replaced the daemon cannot answer; that ends no following, and is said once."""
    world.entries = [entry(1)]
    meanwhile(
        lambda: setattr(world, "store_fails", True),
        lambda: None,
        lambda: setattr(world, "store_fails", False),
        lambda: world.entries.append(entry(2)),
    )
    said = command("timeline", "--follow")
    assert said.err.count("waiting for it") == 1
    assert [line.split()[-1] for line in said.lines] == ["1", "2"]


def test_what_is_refused_while_following_ends_it(
    command: CommandLine, world: World, meanwhile: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that does not know the question never will: that is told instead of waited for."""
    world.entries = [entry(1)]
    meanwhile(lambda: monkeypatch.setattr("semsupervisor.cli.timeline.PATH", "/v1/no-such"))
    assert command("timeline", "--follow").code == 1
