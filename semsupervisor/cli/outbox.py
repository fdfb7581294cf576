"""`semsupervisor outbox`: messages on their way, and those that were given up."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from semsupervisor.cli.calling import add_common_options, ask
from semsupervisor.cli.rendering import Paper, ago, cleaned, print_json

FINE, FOUND = 0, 1


def add_parser(subparsers: Any) -> None:
    """Add the commands to the parsers that `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser("outbox", help="show messages that wait or were given up; try one again")
    add_common_options(parser)
    commands = parser.add_subparsers(dest="outbox_command", metavar="COMMAND")
    parser.set_defaults(outbox_command="list")
    text = "show messages that wait or were given up (the default); exits 1 if one was given up"
    add_common_options(commands.add_parser("list", help=text, description=text), below=True)
    text = "queue a message that was given up again"
    retry = commands.add_parser("retry", help=text, description=text)
    add_common_options(retry, below=True)
    retry.add_argument("id", metavar="NUMBER", type=int, help="its number in the list")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    return _retry(arguments) if arguments.outbox_command == "retry" else _list(arguments)


def _list(arguments: argparse.Namespace) -> int:
    answer = ask(arguments).get("/v1/outbox")
    if arguments.json:
        print_json(answer)
    else:
        paper, shown = Paper(), cleaned(answer)
        rows = [_message(one, shown["now"], paper) for one in shown["messages"]]
        for text in paper.table(rows) or ["nothing waits and nothing was given up"]:
            paper.line(text)
    return FOUND if any(one["dead"] for one in answer["messages"]) else FINE


def _message(one: Mapping[str, Any], now: str, paper: Paper) -> list[str]:
    state = paper.paint("given up", "bad") if one["dead"] else "waiting"
    tries = f"{one['attempts']} tries"
    what = f"{one['kind']} {', '.join(one['alerts'])}"
    error = f": {one['last_error']}" if one["last_error"] else ""
    return [str(one["id"]), one["receiver"], state, ago(one["queued_at"], now), tries, f"{what}{error}"]


def _retry(arguments: argparse.Namespace) -> int:
    answer = ask(arguments).post("v1", "outbox", str(arguments.id), "retry")
    if arguments.json:
        print_json(answer)
        return FINE
    paper = Paper()
    for text in cleaned(answer)["done"]:
        paper.line(text)
    return FINE
