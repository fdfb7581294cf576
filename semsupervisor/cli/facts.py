"""`semsupervisor facts`: every single fact with its age, or what an endpoint last answered, as curl would show it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from itertools import groupby
from typing import Any
from urllib.parse import quote

from semsupervisor.cli.calling import add_common_options, ask
from semsupervisor.cli.rendering import Paper, cleaned, print_json
from semsupervisor.kit import amounts

FINE, FOUND = 0, 1
INDENT, BELOW = 2, 6


def add_parser(subparsers: Any) -> None:
    """Add the command to the parsers that `ArgumentParser.add_subparsers` returned."""
    text = "show every single fact with its age, or what an endpoint last answered"
    parser = subparsers.add_parser("facts", help=text, description=f"{text}; exits 1 if there is none")
    add_common_options(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "pattern",
        metavar="PATTERN",
        nargs="?",
        default="",
        help="only those whose subject (KIND:NAME) or name has this in it, or matches it with *, ? and [a-z]",
    )
    which.add_argument(
        "--raw",
        metavar="SOURCE",
        help="the last answer of varz, jsz, connz, healthz (the full check), healthz-live, metrics or health instead, "
        "with its age on stderr",
    )


def run(arguments: argparse.Namespace) -> int:
    """Show what was asked for; return 1 if there is no such fact."""
    return _facts(arguments) if arguments.raw is None else _raw(arguments)


def _facts(arguments: argparse.Namespace) -> int:
    answer = ask(arguments).get("/v1/facts", {"pattern": arguments.pattern})
    if arguments.json:
        print_json(answer)
    else:
        _print(cleaned(answer), Paper())
    if not answer["facts"]:
        sys.stderr.write(f"semsupervisor: {_none(arguments.pattern)}\n")
    return FINE if answer["facts"] else FOUND


def _none(pattern: str) -> str:
    return f"no fact is known that matches {pattern!r}; `semsupervisor facts` lists all" if pattern else "nothing yet"


def _print(answer: Mapping[str, Any], paper: Paper) -> None:
    for subject, same in groupby(answer["facts"], lambda one: one["subject"]):
        paper.line(paper.paint(subject, "strong"))
        paper.beside([_row(one, paper) for one in same], BELOW)


def _row(one: Mapping[str, Any], paper: Paper) -> tuple[list[str], str]:
    value = paper.paint(f"unknown: {one['unknown']}", "bad") if one["value"] is None else one["text"]
    return [f"{' ' * INDENT}{one['fact']}", f"{amounts.duration(one['age_seconds'])} ago", one["source"]], value


def _raw(arguments: argparse.Namespace) -> int:
    answer = ask(arguments).get(f"/v1/facts/raw/{quote(arguments.raw, safe='')}")
    if arguments.json:
        print_json(answer)
        return FINE
    for text in _origin(cleaned(answer)):
        sys.stderr.write(f"{text}\n")
    if sys.stdout.isatty():
        sys.stdout.write(f"{_readable(answer['body'])}\n")
    else:
        sys.stdout.write(answer["body"])
    return FINE


def _origin(answer: Mapping[str, Any]) -> list[str]:
    """Return where an answer comes from and how old it is, and what is to be known before it is believed."""
    age, size = amounts.duration(answer["age_seconds"]), amounts.size(answer["size_bytes"])
    lines = [f"{answer['source']}: {answer['status']} from {answer['url']}, {size}, {age} ago"]
    lines += [f"  asking has failed since: {answer['failure']}"] if answer["failure"] else []
    lines += ["  only its beginning was kept"] if answer["cut"] else []
    return lines


def _readable(body: str) -> str:
    """Return JSON indented, and anything else as it is, without what a terminal would act on."""
    try:
        body = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        body = body.rstrip("\n")
    return str(cleaned(body))
