"""`semsupervisor backup`: take a snapshot of the stack, see which there are, and whether they are still whole."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from semsupervisor.cli import backup_rendering, following, job_rendering, keeping
from semsupervisor.cli.calling import add_common_options, ask
from semsupervisor.cli.job_rendering import Follower
from semsupervisor.cli.rendering import Paper, cleaned, print_json, print_json_line

FINE, FOUND = 0, 1
USUAL_LEVEL, HIGHEST_LEVEL = 1, 3
RUNBOOK = "runbook"
HOT, COLD = "hot", "cold"


def add_parser(subparsers: Any) -> None:
    """Add the commands to the parsers that `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser("backup", help="take a backup, list backups, verify them")
    add_common_options(parser)
    commands = parser.add_subparsers(dest="backup_command", metavar="COMMAND")
    parser.set_defaults(backup_command="list")
    described = {
        "now": "take a backup, without downtime unless it is to be a cold one; exits 1 if it is incomplete or failed",
        "list": "show all snapshots (the default); exits 1 if the newest is not good",
        "show": "show a snapshot with all that it holds; exits 1 if it is not good",
        "verify": "look whether a snapshot still is what its manifest says; exits 1 if not",
    }
    described |= keeping.COMMANDS
    made = {name: commands.add_parser(name, help=text, description=text) for name, text in described.items()}
    for command in made.values():
        add_common_options(command, below=True)
    kind = made["now"].add_mutually_exclusive_group()
    kind.add_argument("--hot", action="store_true", help="while the stack runs on (the default)")
    cold = "stop the stack, copy the whole store as it is, start it again; asks first on a terminal"
    kind.add_argument("--cold", action="store_true", help=cold)
    made["now"].add_argument("--yes", action="store_true", help="do not ask")
    made["now"].add_argument("--dry-run", action="store_true", help="only say what would be done")
    made["now"].add_argument("--note", default="", metavar="TEXT", help="one line to go with it")
    for name in ("now", "verify", "prune"):
        made[name].add_argument("--no-wait", action="store_true", help="do not wait for its end")
    keeping.add_options(made)
    made["show"].add_argument("snapshot", metavar="ID", help="its id in the list")
    which = made["verify"].add_mutually_exclusive_group(required=True)
    which.add_argument("snapshot", metavar="ID", nargs="?", help="its id in the list")
    which.add_argument("--all", action="store_true", help="each of those that have a manifest")
    made["verify"].add_argument(
        "--level",
        type=int,
        choices=range(HIGHEST_LEVEL + 1),
        default=USUAL_LEVEL,
        help="0: names and sizes; 1 (the default): every byte; 2: every message, about 20 MB a second; "
        "3: a scratch server of the host's own image reads every record",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    match arguments.backup_command:
        case "now":
            return _now(arguments)
        case "show":
            return _show(arguments)
        case "verify":
            return _verify(arguments)
        case "prune":
            return _carry(arguments, ask(arguments).post("v1", "backups", "prune")) if keeping.plan(arguments) else FINE
        case "pin" | "unpin":
            return keeping.change(arguments)
        case _:
            return _list(arguments)


def _now(arguments: argparse.Namespace) -> int:
    kind = COLD if arguments.cold else HOT
    if arguments.dry_run:
        return _plan(arguments, kind)
    if kind == COLD and not arguments.yes and not _agreed():
        return FOUND
    asked = ask(arguments).post("v1", "backups", query={"kind": kind, "note": arguments.note})
    return _carry(arguments, asked, partial(_print_left_out, arguments))


def _plan(arguments: argparse.Namespace, kind: str) -> int:
    answer = ask(arguments).get("/v1/backups/plan", {"kind": kind})
    if arguments.json:
        print_json(answer)
    else:
        for number, step in enumerate(cleaned(answer)["steps"], 1):
            Paper().line(f"{number:2} {step}")
    return FINE


def _agreed() -> bool:
    """Ask whoever sits at a terminal; where nobody does, whoever wrote the command has decided."""
    if not sys.stdin.isatty():
        return True
    sys.stderr.write("SemStreams and NATS stand still while their store is copied. Go on? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _verify(arguments: argparse.Namespace) -> int:
    client, query = ask(arguments), {"level": arguments.level}
    if not arguments.all:
        return _carry(arguments, client.post("v1", "backups", arguments.snapshot, "verify", query=query))
    wanted = [one["id"] for one in client.get("/v1/backups")["snapshots"] if one["kind"] != RUNBOOK]
    codes = [_carry(arguments, client.post("v1", "backups", one, "verify", query=query)) for one in wanted]
    if not wanted and not arguments.json:
        Paper().line("there is no snapshot to verify")
    return max(codes, default=FINE)


def _carry(arguments: argparse.Namespace, asked: Any, then: Callable[[Any], None] | None = None) -> int:
    """Wait for the end of a job that was asked for, unless nobody wants to, and say how it went; `then` says more."""
    paper, job = Paper(), cleaned(asked["job"])
    if arguments.no_wait:
        if arguments.json:
            print_json_line(asked)
        else:
            was = "was under way already" if asked["joined"] else "was begun"
            paper.line(f"{job['title']} {was}; follow it with: semsupervisor jobs follow {job['id']}")
        return FINE
    answer = following.follow(ask(arguments), asked["job"]["id"], Follower())
    ended = answer["job"]
    if arguments.json:
        print_json_line({**answer, "joined": asked["joined"]})
    else:
        _print_end(cleaned(ended), paper)
        if then is not None:
            then(ended)
    return following.code(ended)


def _print_end(job: Any, paper: Paper) -> None:
    after = job_rendering.took(job)
    state = job_rendering.paint_state(job, paper)
    paper.line(f"{job['title']}: {state}{f' after {after}' if after else ''}")
    job_rendering.ending(job, paper)
    if job["snapshot"] and job["state"] == "done":
        paper.line(f"  semsupervisor backup show {job['snapshot']}")


def _print_left_out(arguments: argparse.Namespace, job: Any) -> None:
    """Say what is not in a snapshot that was taken, though nothing went wrong."""
    if job["state"] == "done" and job["snapshot"]:
        from urllib.parse import quote

        answer = ask(arguments).get(f"/v1/backups/{quote(job['snapshot'], safe='')}")
        backup_rendering.left_out(cleaned(answer)["snapshot"], Paper())


def _list(arguments: argparse.Namespace) -> int:
    answer = ask(arguments).get("/v1/backups")
    if arguments.json:
        print_json(answer)
    else:
        backup_rendering.show_list(cleaned(answer), Paper())
    ours = [one for one in answer["snapshots"] if one["kind"] != RUNBOOK]
    return FOUND if ours and not ours[0]["good"] else FINE


def _show(arguments: argparse.Namespace) -> int:
    from urllib.parse import quote

    answer = ask(arguments).get(f"/v1/backups/{quote(arguments.snapshot, safe='')}")
    if arguments.json:
        print_json(answer)
    else:
        backup_rendering.show_one(cleaned(answer), Paper())
    return FINE if answer["snapshot"]["good"] else FOUND
