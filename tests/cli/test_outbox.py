"""`semsupervisor outbox`."""

from __future__ import annotations

from tests.support.api_world import World, message
from tests.support.command_line import CommandLine


def test_an_empty_outbox_is_fine(command: CommandLine) -> None:
    """Nothing on its way is one line and exit code 0."""
    said = command("outbox")
    assert (said.code, said.out) == (0, "nothing waits and nothing was given up\n")


def test_messages_are_listed_with_their_fate(command: CommandLine, world: World) -> None:
    """By receiver: number, state, age, attempts and content, each error once; a dead letter is exit code 1."""
    world.queued = [message(1, last_error="refused"), message(2, last_error="refused"), message(3)]
    assert command("outbox", "list").code == 0
    world.dead = [message(7, "mail", last_error="550 no such user")]
    said = command("outbox", "list")
    assert said.code == 1
    assert said.lines == [
        "mail: 1 given up",
        "  550 no such user",
        "     7  given up  0 s ago  2 attempts  firing: service:nats: container died",
        "",
        "ops: 3 waiting",
        "  refused",
        "     1  waiting  0 s ago  2 attempts  firing: service:nats: container died",
        "     2  waiting  0 s ago  2 attempts  firing: service:nats: container died",
        "     3  waiting  0 s ago  2 attempts  firing: service:nats: container died",
        "",
        "What was given up: semsupervisor outbox retry NUMBER, or drop NUMBER",
    ]
    assert [one["dead"] for one in command("outbox", "--json").json["messages"]] == [False, False, False, True]


def test_a_long_queue_is_cut(command: CommandLine, world: World) -> None:
    """After a long time without a receiver its oldest messages are shown, and how many more there are."""
    world.queued = [message(number) for number in range(1, 101)]
    lines = command("outbox").lines
    assert lines[0] == "ops: 100 waiting"
    assert lines[-3:-1] == [
        "    20  waiting  0 s ago  2 attempts  firing: service:nats: container died",
        "  (80 more: semsupervisor outbox --json)",
    ]


def test_dead_letters_are_dropped(command: CommandLine, world: World) -> None:
    """One after the other, until one of them is not there."""
    world.dead = [message(7), message(8)]
    said = command("outbox", "drop", "7", "8", "9", "7")
    assert (said.code, said.lines) == (1, ["dead letter 7 was dropped", "dead letter 8 was dropped"])
    assert "there is no dead letter 9" in said.err
    assert world.asked == ["drop 7", "drop 8", "drop 9"]


def test_a_dead_letter_is_tried_again(command: CommandLine, world: World) -> None:
    """It is queued again by its number; a number that is not there is exit code 1 with where to look."""
    world.dead = [message(7)]
    said = command("outbox", "retry", "7")
    assert (said.code, said.out) == (0, "dead letter 7 was queued again\n")
    assert command("outbox", "retry", "7", "--json").json == {"done": ["dead letter 7 was queued again"]}
    failed = command("outbox", "retry", "8")
    assert failed.code == 1
    assert "there is no dead letter 8\n  see: semsupervisor outbox list" in failed.err


def test_a_number_that_is_none_is_wrong_usage(command: CommandLine) -> None:
    """Usage errors are exit code 2."""
    assert command("outbox", "retry", "seven").code == 2
