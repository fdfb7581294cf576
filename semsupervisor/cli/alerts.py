"""`semsupervisor alerts`: what fires, by which rules, what fired, and whether a receiver can be reached."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from semsupervisor.cli.calling import add_common_options, ask
from semsupervisor.cli.rendering import Paper, age, ago, cleaned, clock_text, print_json
from semsupervisor.kit import amounts

FINE, FOUND = 0, 1
INDENT = 2
DEFAULT_LIMIT = 20


def add_parser(subparsers: Any) -> None:
    """Add the commands to the parsers that `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser("alerts", help="show alerts, rules and the past; test a receiver")
    add_common_options(parser)
    commands = parser.add_subparsers(dest="alerts_command", metavar="COMMAND")
    parser.set_defaults(alerts_command="list")
    described = {
        "list": "show what is pending or firing (the default); exits 1 if something fires",
        "rules": "show the rules in force with their values",
        "history": "show what fired, newest first",
        "test": "send a marked test to a receiver; exits 1 if it does not take it",
    }
    for name, text in described.items():
        command = commands.add_parser(name, help=text, description=text)
        add_common_options(command, below=True)
        if name == "history":
            command.add_argument("--limit", type=int, default=DEFAULT_LIMIT, help=f"at most so many ({DEFAULT_LIMIT})")
        if name == "test":
            command.add_argument("receiver", metavar="RECEIVER", help="its name in the settings")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    match arguments.alerts_command:
        case "rules":
            return _rules(arguments)
        case "history":
            return _history(arguments)
        case "test":
            return _test(arguments)
        case _:
            return _list(arguments)


def _list(arguments: argparse.Namespace) -> int:
    answer = ask(arguments).get("/v1/alerts")
    if arguments.json:
        print_json(answer)
    else:
        paper, shown = Paper(), cleaned(answer)
        for alert in shown["alerts"]:
            _show(alert, shown["now"], paper)
        if not shown["alerts"]:
            paper.line("nothing fires")
    return FOUND if any(alert["state"] == "firing" for alert in answer["alerts"]) else FINE


def _show(alert: Mapping[str, Any], now: str, paper: Paper) -> None:
    paper.line(
        f"{paper.word(alert['severity'])}  {paper.paint(alert['title'], 'strong')}  {alert['subject']}  "
        f"{alert['state']} for {age(alert['since'], now)}"
    )
    paper.wrapped(alert["summary"], INDENT)
    unseen = "" if alert["known"] else ", and cannot be seen now"
    told = f"told {', '.join(alert['told'])}" if alert["told"] else f"nobody was told: {alert['muted_by'] or 'not yet'}"
    paper.wrapped(
        f"value {alert['value']}, limit {alert['limit']}, last seen {ago(alert['seen_at'], now)}{unseen}; {told}",
        INDENT,
    )
    if alert["consequences"]:
        paper.wrapped(f"expect as well: {', '.join(alert['consequences'])}", INDENT)
    for name, text in alert["evidence"].items():
        paper.wrapped(f"{name}: {text}", INDENT)
    if alert["diagnosis"]:
        paper.wrapped(alert["diagnosis"], INDENT)
    for step in alert["next_steps"]:
        paper.line(f"{' ' * INDENT}$ {step}")
    paper.line()


def _rules(arguments: argparse.Namespace) -> int:
    answer = ask(arguments).get("/v1/alerts/rules")
    if arguments.json:
        print_json(answer)
        return FINE
    paper = Paper()
    rows = [[rule["name"], paper.word(rule["severity"]), _condition(rule)] for rule in cleaned(answer)["rules"]]
    for text in paper.table(rows):
        paper.line(text)
    return FINE


def _condition(rule: Mapping[str, Any]) -> str:
    names = f" {', '.join(rule['subjects'])}" if rule["subjects"] else ""
    words = [f"{rule['kind']}{names}: {rule['fact']} {rule['condition']}"]
    words += [f"for {amounts.duration(rule['for_seconds'])}"] if rule["for_seconds"] else []
    words += [f"until {rule['clear']:g}"] if rule["clear"] is not None else []
    words += [f"clear for {amounts.duration(rule['clear_for_seconds'])}"] if rule["clear_for_seconds"] else []
    words += [] if rule["enabled"] else ["switched off"]
    return ", ".join(words)


def _history(arguments: argparse.Namespace) -> int:
    answer = ask(arguments).get("/v1/alerts/history", {"limit": arguments.limit})
    if arguments.json:
        print_json(answer)
        return FINE
    paper, shown = Paper(), cleaned(answer)
    rows = [_episode(alert, shown["now"], paper) for alert in shown["alerts"]]
    for text in paper.table(rows) or ["nothing has fired yet"]:
        paper.line(text)
    return FINE


def _episode(alert: Mapping[str, Any], now: str, paper: Paper) -> list[str]:
    ended = alert["resolved_at"]
    how = f"for {age(alert['since'], ended)}" if ended else f"still {alert['state']}, {age(alert['since'], now)}"
    what = f"{alert['subject']}: {alert['title']}: {alert['summary']}"
    return [clock_text(alert["since"]), paper.word(alert["severity"]), how, what]


def _test(arguments: argparse.Namespace) -> int:
    answer = ask(arguments).post("v1", "alerts", "test", arguments.receiver)
    if arguments.json:
        print_json(answer)
        return FINE
    paper = Paper()
    for text in cleaned(answer)["done"]:
        paper.line(text)
    return FINE
