"""`semsupervisor timeline`: what was seen, decided and done, the newest last."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from time import sleep
from typing import Any

from semsupervisor.api.client import Client, NotReachable
from semsupervisor.cli.calling import add_common_options, ask
from semsupervisor.cli.rendering import Paper, cleaned, clock_text, print_json, print_json_line

DEFAULT_LIMIT = 30
MOST_AT_ONCE = 1000
FOLLOW_SECONDS = 1.0


def add_parser(subparsers: Any) -> None:
    """Add the command to the parsers that `ArgumentParser.add_subparsers` returned."""
    text = "show what was seen, decided and done, the newest last"
    parser = subparsers.add_parser("timeline", help=text, description=text)
    add_common_options(parser)
    parser.add_argument("--limit", type=int, default=DEFAULT_LIMIT, help=f"at most so many entries ({DEFAULT_LIMIT})")
    parser.add_argument("--since", metavar="WHEN", help="a time such as 2026-03-01T12:00:00Z, or 90m for that long ago")
    parser.add_argument("--subject", metavar="KIND:NAME", help="only what is about it, for example service:nats")
    parser.add_argument("--kind", help="only entries of that kind, for example alert.firing")
    parser.add_argument("--follow", "-f", action="store_true", help="go on with what is new until Ctrl-C")


def run(arguments: argparse.Namespace) -> int:
    """Show the timeline, and what comes if it is to be followed."""
    client = ask(arguments)
    wanted = {"subject": arguments.subject, "kind": arguments.kind}
    first = client.get("/v1/timeline", {**wanted, "limit": arguments.limit, "since": arguments.since})
    if arguments.json and not arguments.follow:
        print_json(first)
        return 0
    entries = first["entries"][::-1]
    paper = Paper()
    _print(entries, paper, json=arguments.json)
    if not arguments.follow:
        if not entries:
            paper.line("nothing yet")
        return 0
    newest = entries[-1]["id"] if entries else 0
    while True:
        paper.flush()
        sleep(FOLLOW_SECONDS)
        fresh = _after(client, newest, wanted)
        _print(fresh, paper, json=arguments.json)
        newest = fresh[-1]["id"] if fresh else newest


def _after(client: Client, newest: int, wanted: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """Return what came after an entry, oldest first, waiting for a daemon that is being restarted."""
    said = False
    while True:
        try:
            found = client.get("/v1/timeline", {**wanted, "limit": MOST_AT_ONCE, "after": newest})
        except NotReachable as error:
            if not said:
                sys.stderr.write(f"semsupervisor: {error}; waiting for it\n")
            said = True
            sleep(FOLLOW_SECONDS)
        else:
            entries: list[dict[str, Any]] = found["entries"][::-1]
            return entries


def _print(entries: list[dict[str, Any]], paper: Paper, *, json: bool) -> None:
    for entry in entries:
        if json:
            print_json_line(entry)
        else:
            shown = cleaned(entry)
            paper.hanging(f"{clock_text(shown['at'])}  ", f"{shown['kind']}  {shown['subject']}  {shown['text']}")
