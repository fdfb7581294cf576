"""`semsupervisor jobs`: what was asked for, how far it is, and how to end or settle it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from semsupervisor.cli import following, job_rendering
from semsupervisor.cli.calling import add_common_options, ask, limit
from semsupervisor.cli.job_rendering import Follower
from semsupervisor.cli.rendering import Paper, cleaned, print_json

FINE, FOUND = 0, 1
DEFAULT_LIMIT = 20


def add_parser(subparsers: Any) -> None:
    """Add the commands to the parsers that `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser("jobs", help="show, follow, cancel or settle jobs")
    add_common_options(parser)
    commands = parser.add_subparsers(dest="jobs_command", metavar="COMMAND")
    parser.set_defaults(jobs_command="list", limit=DEFAULT_LIMIT)
    described = {
        "list": "show the newest jobs (the default); exits 1 if one is stuck",
        "show": "show a job with its steps; exits 1 if it did not go well",
        "follow": "follow a job to its end; exits 1 if it did not go well",
        "cancel": "end a job as soon as its present step allows, and undo it",
        "settle": "try a stuck job once more, or give it up; without JOB, and where no daemon runs that would do it: "
        "finish or undo what one that was killed has left open",
    }
    for name, text in described.items():
        command = commands.add_parser(name, help=text, description=text)
        add_common_options(command, below=True)
        if name == "list":
            command.add_argument(
                "--limit", type=limit, default=DEFAULT_LIMIT, help=f"at most so many ({DEFAULT_LIMIT})"
            )
        else:
            optional = {"nargs": "?"} if name == "settle" else {}
            command.add_argument("job", metavar="JOB", help="its id in the list", **optional)
        if name == "settle":
            text = "do not try: end it, and leave what it had begun as it is"
            command.add_argument("--give-up", action="store_true", help=text)
            text = "without JOB, where no daemon runs: the settings file that says where the state is"
            command.add_argument("--settings", metavar="FILE", type=Path, help=text)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    match arguments.jobs_command:
        case "show":
            return _show(arguments)
        case "follow":
            return _follow(arguments)
        case "settle" if arguments.job is None:
            return _settle_all(arguments)
        case "cancel" | "settle":
            return _act(arguments)
        case _:
            return _list(arguments)


def _list(arguments: argparse.Namespace) -> int:
    answer = ask(arguments).get("/v1/jobs", {"limit": arguments.limit})
    if arguments.json:
        print_json(answer)
    else:
        paper, shown = Paper(), cleaned(answer)
        for text in paper.table([job_rendering.row(job, shown["now"], paper) for job in shown["jobs"]]):
            paper.line(text)
        if not shown["jobs"]:
            paper.line("no job was asked for yet")
    return FOUND if any(job["state"] == "stuck" for job in answer["jobs"]) else FINE


def _show(arguments: argparse.Namespace) -> int:
    answer = ask(arguments).get(_path(arguments))
    _print(arguments, answer)
    return FINE if answer["job"]["open"] and answer["job"]["state"] != "stuck" else following.code(answer["job"])


def _follow(arguments: argparse.Namespace) -> int:
    client = ask(arguments)
    client.get(_path(arguments))
    answer = following.follow(client, arguments.job, Follower())
    _print(arguments, answer)
    return following.code(answer["job"])


def _settle_all(arguments: argparse.Namespace) -> int:
    """Settle what was left open where no daemon runs; only that needs more than the client."""
    from semsupervisor.cli.local import settle

    return settle.run(arguments)


def _act(arguments: argparse.Namespace) -> int:
    gives_up = getattr(arguments, "give_up", False)
    query = {"give_up": "true"} if gives_up else None
    answer = ask(arguments).post("v1", "jobs", arguments.job, arguments.jobs_command, query=query)
    if arguments.json:
        print_json(answer)
        return FINE
    job, paper = cleaned(answer["job"]), Paper()
    if gives_up:
        paper.line(f"{job['title']} is given up; what it had begun is left as it was")
    elif arguments.jobs_command == "settle":
        paper.line(f"{job['title']} is tried once more; follow it with: semsupervisor jobs follow {job['id']}")
    else:
        paper.line(f"{job['title']} ends as soon as its present step allows: semsupervisor jobs follow {job['id']}")
    return FINE


def _print(arguments: argparse.Namespace, answer: Any) -> None:
    if arguments.json:
        print_json(answer)
    else:
        job_rendering.show(cleaned(answer["job"]), answer["now"], Paper())


def _path(arguments: argparse.Namespace) -> str:
    from urllib.parse import quote

    return f"/v1/jobs/{quote(arguments.job, safe='')}"
