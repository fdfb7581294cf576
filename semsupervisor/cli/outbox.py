"""`semsupervisor outbox`: messages on their way, and those that were given up."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from semsupervisor.cli.calling import add_common_options, ask
from semsupervisor.cli.rendering import Paper, ago, cleaned, counted, print_json, print_json_line

FINE, FOUND = 0, 1
INDENT = 2
MOST_SHOWN = 20


def add_parser(subparsers: Any) -> None:
    """Add the commands to the parsers that `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser("outbox", help="show messages that wait or were given up; send or drop those")
    add_common_options(parser)
    commands = parser.add_subparsers(dest="outbox_command", metavar="COMMAND")
    parser.set_defaults(outbox_command="list")
    text = "show messages that wait or were given up (the default); exits 1 if one was given up"
    add_common_options(commands.add_parser("list", help=text, description=text), below=True)
    for act, text in (("retry", "queue messages that were given up again"), ("drop", "forget messages for good")):
        command = commands.add_parser(act, help=text, description=f"{text}; exits 1 at the first that is not there")
        add_common_options(command, below=True)
        command.add_argument("ids", metavar="NUMBER", type=int, nargs="+", help="their numbers in the list")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    return _list(arguments) if arguments.outbox_command == "list" else _act(arguments)


def _list(arguments: argparse.Namespace) -> int:
    answer = ask(arguments).get("/v1/outbox")
    if arguments.json:
        print_json(answer)
    else:
        _print_list(cleaned(answer), Paper())
    return FOUND if any(one["dead"] for one in answer["messages"]) else FINE


def _print_list(answer: Mapping[str, Any], paper: Paper) -> None:
    queues: dict[str, list[Mapping[str, Any]]] = {}
    for one in sorted(answer["messages"], key=lambda one: (not one["dead"], one["id"])):
        queues.setdefault(one["receiver"], []).append(one)
    for name, messages in queues.items():
        _print_queue(name, messages, answer["now"], paper)
    if not queues:
        paper.line("nothing waits and nothing was given up")
    if any(one["dead"] for one in answer["messages"]):
        paper.line("What was given up: semsupervisor outbox retry NUMBER, or drop NUMBER")


def _print_queue(name: str, messages: Sequence[Mapping[str, Any]], now: str, paper: Paper) -> None:
    """Write what is the matter with one queue, each reason once, and below it its messages."""
    given_up = sum(one["dead"] for one in messages)
    counts = [f"{len(messages) - given_up} waiting"] if given_up < len(messages) else []
    counts += [paper.paint(f"{given_up} given up", "bad")] if given_up else []
    paper.line(f"{paper.paint(name, 'strong')}: {', '.join(counts)}")
    for reason in dict.fromkeys(one["last_error"] for one in messages if one["last_error"]):
        paper.wrapped(reason, INDENT)
    for text in paper.table([_message(one, now, paper) for one in messages[:MOST_SHOWN]]):
        paper.line(text)
    if len(messages) > MOST_SHOWN:
        paper.line(f"  ({len(messages) - MOST_SHOWN} more: semsupervisor outbox --json)")
    paper.line()


def _message(one: Mapping[str, Any], now: str, paper: Paper) -> list[str]:
    state = paper.paint("given up", "bad") if one["dead"] else "waiting"
    tries = counted(one["attempts"], "attempt") if one["attempts"] else ""
    return [f"{one['id']:>6}", state, ago(one["queued_at"], now), tries, f"{one['kind']}: {', '.join(one['alerts'])}"]


def _act(arguments: argparse.Namespace) -> int:
    client, paper = ask(arguments), Paper()
    for number in arguments.ids:
        answer = client.post("v1", "outbox", str(number), arguments.outbox_command)
        if arguments.json:
            print_json_line(answer)
            continue
        for text in cleaned(answer)["done"]:
            paper.line(text)
    return FINE
