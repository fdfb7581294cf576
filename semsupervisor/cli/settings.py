"""`semsupervisor settings`: checked and shown without the daemon, read again by it."""

from __future__ import annotations

import argparse
from typing import Any

from semsupervisor.cli.calling import add_common_options, ask
from semsupervisor.cli.local import settings as without_daemon
from semsupervisor.cli.rendering import Paper, cleaned, print_json

FINE = 0


def add_parser(subparsers: Any) -> None:
    """Add the commands to the parsers that `ArgumentParser.add_subparsers` returned."""
    commands = without_daemon.add_parser(subparsers)
    text = "have the daemon read its settings again; exits 1 if they are refused, and then the old ones stay"
    add_common_options(commands.add_parser("reload", help=text, description=text))


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    return _reload(arguments) if arguments.settings_command == "reload" else without_daemon.run(arguments)


def _reload(arguments: argparse.Namespace) -> int:
    answer = ask(arguments).post("v1", "settings", "reload")
    if arguments.json:
        print_json(answer)
        return FINE
    paper = Paper()
    for text in cleaned(answer)["done"] or ["the settings are as they were"]:
        paper.line(text)
    return FINE
