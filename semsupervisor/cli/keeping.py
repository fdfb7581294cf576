"""`semsupervisor backup prune`, `pin` and `unpin`: which snapshots are kept."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from semsupervisor.cli.calling import ask
from semsupervisor.cli.rendering import Paper, cleaned, print_json

FINE, FOUND = 0, 1
COMMANDS = {
    "prune": "remove the snapshots that the settings (backup.keep) do not keep; asks first on a terminal",
    "pin": "keep a snapshot whatever the settings say",
    "unpin": "let the settings decide about a snapshot again",
}


def add_options(commands: Mapping[str, argparse.ArgumentParser]) -> None:
    """Add the options to the parsers of the commands."""
    for name in ("pin", "unpin"):
        commands[name].add_argument("snapshot", metavar="ID", help="its id in the list")
    commands["pin"].add_argument("--note", default="", metavar="TEXT", help="one line: why")
    text = "only say what becomes of each snapshot, and why"
    commands["prune"].add_argument("--dry-run", action="store_true", help=text)
    commands["prune"].add_argument("--yes", action="store_true", help="do not ask")


def plan(arguments: argparse.Namespace) -> bool:
    """Say what becomes of each snapshot; return whether the removal is wanted: something goes, and nobody said no."""
    answer = ask(arguments).get("/v1/backups/keeping")
    doomed = [one["id"] for one in answer["snapshots"] if not one["keep"]]
    if arguments.json:
        if arguments.dry_run:
            print_json(answer)
    else:
        _show(cleaned(answer), Paper())
    if arguments.dry_run:
        return False
    if not doomed and not arguments.json:
        Paper().line("nothing has to go")
    return bool(doomed or arguments.json) and (arguments.yes or _agreed(len(doomed)))


def change(arguments: argparse.Namespace) -> int:
    """Pin or unpin, and say so."""
    query = {"note": arguments.note} if arguments.backup_command == "pin" else None
    answer = ask(arguments).post("v1", "backups", arguments.snapshot, arguments.backup_command, query=query)
    if arguments.json:
        print_json(answer)
    else:
        for text in cleaned(answer)["done"]:
            Paper().line(text)
    return FINE


def _show(answer: Mapping[str, Any], paper: Paper) -> None:
    if not answer["snapshots"]:
        paper.line(f"there is no snapshot in {answer['directory']}")
    words = {True: paper.paint("kept", "good"), False: paper.paint("goes", "bad")}
    rows = [[one["id"], words[one["keep"]], "; ".join(one["reasons"])] for one in answer["snapshots"]]
    for text in paper.table(rows):
        paper.line(text)


def _agreed(count: int) -> bool:
    """Ask whoever sits at a terminal; where nobody does, whoever wrote the command has decided."""
    if not count or not sys.stdin.isatty():
        return True
    sys.stderr.write(f"remove {count} for good? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
