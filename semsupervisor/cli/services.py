"""`semsupervisor services`: what is known of each, and saying of one that it is meant to be gone."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from semsupervisor.cli.calling import add_common_options, ask
from semsupervisor.cli.rendering import Paper, age, cleaned, print_json

FINE, FOUND = 0, 1
MISSING = "missing"


def add_parser(subparsers: Any) -> None:
    """Add the commands to the parsers that `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser("services", help="list services; forget one that is meant to be gone")
    add_common_options(parser)
    commands = parser.add_subparsers(dest="services_command", metavar="COMMAND")
    parser.set_defaults(services_command="list")
    text = "show each service and how it came to be as it is (the default); exits 1 if one has no container"
    add_common_options(commands.add_parser("list", help=text, description=text), below=True)
    text = "miss a removed service no longer"
    forget = commands.add_parser(
        "forget",
        help=text,
        description=f"{text}: its alerts end. Refused while it has a container, something that runs depends on it, "
        "or the compose file still wants it. A terminal is asked first",
    )
    add_common_options(forget, below=True)
    forget.add_argument("service", metavar="NAME", help="its name in the list")
    forget.add_argument("--yes", action="store_true", help="do not ask first")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    return _forget(arguments) if arguments.services_command == "forget" else _list(arguments)


def _list(arguments: argparse.Namespace) -> int:
    answer = ask(arguments).get("/v1/status")
    services = answer["services"]
    gone = [one["name"] for one in services if one["facts"].get("state") == MISSING]
    if arguments.json:
        print_json({"now": answer["now"], "services": services})
        return FOUND if gone else FINE
    paper = Paper()
    for text in paper.table([_row(one, answer["now"], paper) for one in cleaned(services)]):
        paper.line(text)
    if not services:
        paper.line("none is known")
    if gone:
        paper.line(f"If that is meant: semsupervisor services forget {cleaned(gone[0])}")
    return FOUND if gone else FINE


def _row(one: Mapping[str, Any], now: str, paper: Paper) -> list[str]:
    state = paper.word(str(one["facts"].get("state", "unknown")))
    return [one["name"], state, age(one["since"], now), one["intent"]]


def _forget(arguments: argparse.Namespace) -> int:
    if not (arguments.yes or _is_confirmed(arguments.service)):
        sys.stderr.write("semsupervisor: nothing was forgotten\n")
        return FOUND
    answer = ask(arguments).post("v1", "services", arguments.service, "forget")
    if arguments.json:
        print_json(answer)
        return FINE
    paper = Paper()
    for text in cleaned(answer)["done"]:
        paper.line(text)
    return FINE


def _is_confirmed(service: str) -> bool:
    """Ask a terminal; what is no terminal has nobody to ask, and means what it says."""
    if not sys.stdin.isatty():
        return True
    sys.stderr.write(f"{service} will not be missed any more, and its alerts end. Go on? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
