"""`semsupervisor alerts`: what fires, by which rules, what fired, and whether a receiver can be reached."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from semsupervisor.api.client import Client
from semsupervisor.cli import alert_rendering, rule_rendering
from semsupervisor.cli.calling import add_common_options, ask, limit
from semsupervisor.cli.rendering import Paper, cleaned, print_json
from semsupervisor.kit.text import did_you_mean

FINE, FOUND = 0, 1
DEFAULT_LIMIT = 20


def add_parser(subparsers: Any) -> None:
    """Add the commands to the parsers that `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser("alerts", help="show alerts, rules and the past; test a receiver")
    add_common_options(parser)
    commands = parser.add_subparsers(dest="alerts_command", metavar="COMMAND")
    parser.set_defaults(alerts_command="list")
    described = {
        "list": "show what is pending or firing (the default); exits 1 if something fires",
        "show": "show an alert with all its evidence, open or past; exits 1 if there is none",
        "history": "show what fired, newest first",
        "rules": "show the rules in force: where each is from, and what it measures now",
        "test": "send a marked test to a receiver; exits 1 if it does not take it",
    }
    for name, text in described.items():
        command = commands.add_parser(name, help=text, description=text)
        add_common_options(command, below=True)
        if name == "show":
            command.add_argument("alert", metavar="ALERT", help="its id, its rule, or its subject as KIND:NAME")
        if name == "history":
            command.add_argument(
                "--limit", type=limit, default=DEFAULT_LIMIT, help=f"at most so many ({DEFAULT_LIMIT})"
            )
            command.add_argument("--alert", metavar="ALERT", help="only those of a rule, or of a subject as KIND:NAME")
        if name == "rules":
            command.add_argument(
                "pattern", metavar="PATTERN", nargs="?", default="", help="only those with this in name, kind or fact"
            )
        if name == "test":
            command.add_argument("receiver", metavar="RECEIVER", help="its name in the settings")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    match arguments.alerts_command:
        case "show":
            return _show(arguments)
        case "history":
            return _history(arguments)
        case "rules":
            return _rules(arguments)
        case "test":
            return _test(arguments)
        case _:
            return _list(arguments)


def _list(arguments: argparse.Namespace) -> int:
    answer = ask(arguments).get("/v1/alerts")
    if arguments.json:
        print_json(answer)
    else:
        _print_list(cleaned(answer), Paper())
    return FOUND if any(alert["state"] == "firing" for alert in answer["alerts"]) else FINE


def _print_list(answer: Mapping[str, Any], paper: Paper) -> None:
    pending = [alert for alert in answer["alerts"] if alert["state"] == "pending"]
    firing = [alert for alert in answer["alerts"] if alert["state"] != "pending"]
    for alert, followers in alert_rendering.under_causes(firing):
        alert_rendering.listed(alert, followers, answer["now"], paper)
        paper.line()
    if not firing:
        paper.line("nothing fires")
    alert_rendering.pending(pending, answer["now"], paper)


def _show(arguments: argparse.Namespace) -> int:
    client, wanted = ask(arguments), arguments.alert
    answer = client.get("/v1/alerts")
    names = [(one["id"], one["rule"], one["subject"]) for one in answer["alerts"]]
    found = [one for one, known in zip(answer["alerts"], names, strict=True) if wanted in known]
    if not found:
        answer = client.get("/v1/alerts/history", {"limit": 1, "alert": wanted})
        found = answer["alerts"]
    if arguments.json:
        print_json({**answer, "alerts": found})
    else:
        paper, everything = Paper(), cleaned(answer["alerts"])
        for alert in cleaned(found):
            followers = [one for one in everything if one["caused_by"] == alert["id"]]
            alert_rendering.shown(alert, followers, answer["now"], paper)
            paper.line()
    if not found:
        sys.stderr.write(f"semsupervisor: there is and was no alert {wanted}; {_advice(client, wanted)}\n")
    return FINE if found else FOUND


def _advice(client: Client, wanted: str) -> str:
    rules = [rule["name"] for rule in client.get("/v1/alerts/rules")["rules"]]
    near = "" if wanted in rules else did_you_mean(wanted, rules)
    return near or "see `semsupervisor alerts history`"


def _history(arguments: argparse.Namespace) -> int:
    wanted = {"limit": arguments.limit, "alert": arguments.alert}
    client = ask(arguments)
    answer = client.get("/v1/alerts/history", wanted)
    if arguments.json:
        print_json(answer)
        return FINE
    paper, shown = Paper(), cleaned(answer)
    for alert in shown["alerts"]:
        alert_rendering.episode(alert, shown["now"], paper)
    if not shown["alerts"]:
        named = cleaned(arguments.alert)
        paper.line(f"nothing called {named} has fired; {_advice(client, named)}" if named else "nothing has fired yet")
    return FINE


def _rules(arguments: argparse.Namespace) -> int:
    answer = ask(arguments).get("/v1/alerts/rules")
    wanted = arguments.pattern.lower()
    found = [one for one in answer["rules"] if any(wanted in one[part] for part in ("name", "kind", "fact"))]
    if arguments.json:
        print_json({**answer, "rules": found})
    else:
        rule_rendering.listed({**cleaned(answer), "rules": cleaned(found)}, Paper())
    if not found:
        near = did_you_mean(wanted, [one["name"] for one in answer["rules"]])
        sys.stderr.write(
            f"semsupervisor: there is no rule {wanted}; {near or '`semsupervisor alerts rules` has all'}\n"
        )
    return FINE if found else FOUND


def _test(arguments: argparse.Namespace) -> int:
    answer = ask(arguments).post("v1", "alerts", "test", arguments.receiver)
    if arguments.json:
        print_json(answer)
        return FINE
    paper = Paper()
    for text in cleaned(answer)["done"]:
        paper.line(text)
    return FINE
