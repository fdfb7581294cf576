"""`semsupervisor settings validate` and `settings show`: what a settings file says, without the daemon."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from semsupervisor.alerts import ruleset
from semsupervisor.alerts.rules import Rule
from semsupervisor.settings import show
from semsupervisor.settings.load import DEFAULT_PATH, Loaded, load_collecting
from semsupervisor.settings.problems import Problem

FINE = 0
REFUSED = 1


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a settings file: the settings and the rules if they can be used, all problems otherwise.

    `file` is where was looked; the settings' own path is None if it is the default one and nothing is there.
    """

    file: Path
    loaded: Loaded | None
    rules: tuple[Rule, ...]
    problems: tuple[Problem, ...]


def add_parser(subparsers: Any) -> Any:
    """Add the commands to the parsers that `ArgumentParser.add_subparsers` returned; return where more may be added."""
    parser = subparsers.add_parser("settings", help="check, show or reload the settings")
    commands = parser.add_subparsers(dest="settings_command", required=True, metavar="COMMAND")
    described = {
        "validate": "tell all that is wrong with a settings file, and with what it names; exits 1 if anything is",
        "show": "print the effective settings and where each came from, secrets masked; exits 1 if they are refused",
    }
    for name, text in described.items():
        command = commands.add_parser(name, help=text, description=text)
        which = command.add_mutually_exclusive_group()
        which.add_argument("file", nargs="?", type=Path, help=f"the settings file (default: {DEFAULT_PATH})")
        which.add_argument("--settings", metavar="FILE", type=Path, help="the same, as `run` and `check` take it")
        command.add_argument("--json", action="store_true", help="print JSON for programs")
    return commands


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code: 0 if the settings can be used, 1 if they are refused."""
    checked = check(arguments.file or arguments.settings)
    if arguments.settings_command == "show" and not checked.problems and checked.loaded:
        shown = show.as_plain(checked.loaded) if arguments.json else show.as_text(checked.loaded)
    else:
        shown = as_plain(checked) if arguments.json else as_text(checked)
    sys.stdout.write(shown if isinstance(shown, str) else json.dumps(shown, indent=2, ensure_ascii=False) + "\n")
    return REFUSED if checked.problems else FINE


def check(path: Path | None, environment: Mapping[str, str] | None = None) -> Checked:
    """Read a settings file and the rules in it as the daemon would, and collect all that is wrong with either.

    What is missing beside the file is wrong as well: the daemon would start, but without the receiver that needs it.
    """
    loaded, problems = load_collecting(path, environment)
    rules: tuple[Rule, ...] = ()
    if loaded:
        settings, refused = loaded.settings, [problem.key for problem in problems]
        rules, wrong = ruleset.build_collecting(
            settings.rules, ruleset.words(settings), refused, settings.checks.interval_seconds
        )
        problems += (*loaded.missing, *wrong)
    return Checked(file=path or DEFAULT_PATH, loaded=loaded, rules=rules, problems=problems)


def as_text(checked: Checked) -> str:
    """Return what was found as lines for people."""
    findings = [f"finding: {finding}" for finding in (checked.loaded.findings if checked.loaded else ())]
    if checked.problems or checked.loaded is None:
        count = f"{len(checked.problems)} problem{'' if len(checked.problems) == 1 else 's'}"
        head = [problem.of(checked.file) for problem in checked.problems]
        lines = [*head, *findings, f"{checked.file} is refused: {count}"]
    else:
        what = f"{checked.file} is valid" if checked.loaded.path else f"{checked.file} is not there: all defaults hold"
        lines = [*findings, f"{what}; {_of_receivers(checked.loaded)}, {_of_rules(checked)}"]
    return "\n".join(lines) + "\n"


def as_plain(checked: Checked) -> dict[str, Any]:
    """Return what was found for JSON: file, valid, problems (key, found, allowed, text), findings, receivers, rules."""
    receivers = checked.loaded.settings.receivers if checked.loaded else {}
    return {
        "file": str(checked.file),
        "valid": not checked.problems,
        "problems": [{**msgspec.structs.asdict(problem), "text": str(problem)} for problem in checked.problems],
        "findings": list(checked.loaded.findings) if checked.loaded else [],
        "receivers": {name: receiver.enabled for name, receiver in receivers.items()},
        "rules": {rule.name: rule.enabled for rule in checked.rules},
    }


def _of_receivers(loaded: Loaded) -> str:
    receivers = loaded.settings.receivers
    names = [name if receiver.enabled else f"{name} (disabled)" for name, receiver in receivers.items()]
    return f"receivers: {', '.join(names)}" if names else "no receiver, so nobody will be told of anything"


def _of_rules(checked: Checked) -> str:
    given = checked.loaded.settings.rules if checked.loaded else {}
    shipped = {rule.name for rule in ruleset.defaults()}
    own = len(given.keys() - shipped)
    return f"{len(checked.rules)} rules ({len(given) - own} changed, {own} of your own)"
