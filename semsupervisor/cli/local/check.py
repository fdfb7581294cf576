"""`semsupervisor check`: one look without the daemon, told as a monitoring plugin does (Nagios, Icinga, cron).

The first line says the worst of it, then follow performance data, and below one line for each reason and finding.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from semsupervisor.alerts.rules import Comparison, Rule, Severity
from semsupervisor.api.knowledge import Known, of_kind
from semsupervisor.api.verdicts import State
from semsupervisor.cli.local.once import Once, look
from semsupervisor.cli.rendering import cleaned, print_json
from semsupervisor.daemon.configuration import Configuration, configure
from semsupervisor.errors import SettingsError, SupervisorError
from semsupervisor.health.observation import SubjectKind, Unknown
from semsupervisor.kit.clock import SystemClock
from semsupervisor.kit.logging import configure as configure_logging
from semsupervisor.settings.load import DEFAULT_PATH, Loaded
from semsupervisor.settings.model import Settings

DEFAULT_TIMEOUT_SECONDS = 30.0
NAME = "SEMSUPERVISOR"

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
_CODES = {State.HEALTHY: OK, State.DEGRADED: WARNING, State.UNHEALTHY: CRITICAL, State.UNKNOWN: UNKNOWN}
_WORDS = {OK: "OK", WARNING: "WARNING", CRITICAL: "CRITICAL", UNKNOWN: "UNKNOWN"}

# What is told as performance data: the fact, its unit, and by how much it is multiplied for that.
_FIGURES: Mapping[SubjectKind, Sequence[tuple[str, str, int]]] = {
    SubjectKind.SERVICE: (("memory_used_bytes", "B", 1), ("memory_used_ratio", "%", 100), ("restarts", "", 1)),
    SubjectKind.SEMSTREAMS: (("latency_seconds", "s", 1),),
    SubjectKind.NATS: (
        ("connections", "", 1),
        ("slow_consumers_total", "c", 1),
        ("jetstream_memory_used_ratio", "%", 100),
        ("jetstream_memory_fill_ratio", "%", 100),
        ("jetstream_storage_used_ratio", "%", 100),
        ("jetstream_storage_fill_ratio", "%", 100),
    ),
    SubjectKind.FILESYSTEM: (("used_ratio", "%", 100), ("inodes_used_ratio", "%", 100)),
    SubjectKind.HOST: (("memory_available_ratio", "%", 100), ("load_per_processor", "", 1)),
}


def add_parser(subparsers: Any) -> None:
    """Add the command to the parsers that `ArgumentParser.add_subparsers` returned."""
    text = "look at everything once, without the daemon, as a monitoring plugin does"
    parser = subparsers.add_parser(
        "check", help=text, description=f"{text}; exits 0 if all is well, 1 warning, 2 critical, 3 unknown"
    )
    parser.add_argument("--settings", metavar="FILE", type=Path, help=f"the settings file (default: {DEFAULT_PATH})")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=DEFAULT_TIMEOUT_SECONDS,
        help=f"give up and exit 3 after that long ({DEFAULT_TIMEOUT_SECONDS:g})",
    )


def run(arguments: argparse.Namespace) -> int:
    """Look once, print what was found and return the plugin's exit code."""
    configure_logging("warning", "text", sys.stderr)  # the standard output is the monitoring system's
    try:
        configuration = configure(arguments.settings)
        found = asyncio.run(_within(configuration, arguments.timeout))
    except SettingsError as error:
        return _blind(arguments, "the settings are refused", error.problems)
    except TimeoutError:  # raised by the limit alone: what is asked has limits of its own
        return _blind(arguments, f"the look did not end within {arguments.timeout:g} s", ())
    except SupervisorError as error:
        return _blind(arguments, str(error), ())
    except Exception as error:  # noqa: BLE001 - told in the one way that a monitoring system understands
        return _blind(arguments, f"semsupervisor itself failed: {_place(error)}", ())
    code = _CODES[found.verdict.state]
    if arguments.json:
        print_json(as_plain(found, code))
    else:
        sys.stdout.write(as_text(found, code, configuration.rules))
    return code


def as_text(found: Once, code: int, rules: Sequence[Rule]) -> str:
    """Return what a plugin prints: the worst with performance data, then every reason and finding."""
    reasons = [_one_line(reason) for reason in found.verdict.reasons]
    more = f" (+{len(reasons) - 1} more)" if len(reasons) > 1 else ""
    head = f"{reasons[0]}{more}" if reasons else _all_well(found)
    below = [*reasons[1:], *(_one_line(f"finding: {one.text}: {one.fix}") for one in found.findings)]
    return "\n".join([f"{NAME} {_WORDS[code]} - {head} | {' '.join(_figures(found, rules))}", *below]) + "\n"


def as_plain(found: Once, code: int) -> dict[str, Any]:
    """Return what was found for JSON."""
    return {
        "status": _WORDS[code].lower(),
        "exit_code": code,
        "reasons": list(found.verdict.reasons),
        "alerts": [
            {"rule": one.rule, "severity": one.severity.value, "subject": str(one.subject), "summary": one.summary}
            for one in found.alerts
        ],
        "subjects": [_subject(one) for one in found.known.values()],
        "findings": [msgspec.structs.asdict(one) for one in found.findings],
    }


def _seconds(text: str) -> float:
    """Return a time limit. Raises: ArgumentTypeError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"found {text!r}; allowed: seconds above 0")
    return seconds


def _place(error: Exception) -> str:
    """Return an error with where it was raised, in one line."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(frame.filename).name}, line {frame.lineno})"


async def _within(configuration: Configuration, timeout_seconds: float) -> Once:
    async with asyncio.timeout(timeout_seconds):
        return await look(_expected(configuration.loaded), configuration.rules, SystemClock())


def _expected(loaded: Loaded) -> Settings:
    """Return the settings with the receivers in use that only rest: who looks here may not read their secrets."""
    receivers = dict(loaded.settings.receivers)
    for name in receivers.keys() & loaded.resting.keys():
        receivers[name] = msgspec.structs.replace(receivers[name], enabled=True)
    return msgspec.structs.replace(loaded.settings, receivers=receivers)


def _blind(arguments: argparse.Namespace, what: str, problems: Sequence[str]) -> int:
    """Say why nothing could be looked at."""
    if arguments.json:
        print_json({"status": "unknown", "exit_code": UNKNOWN, "reasons": [what, *problems]})
    else:
        sys.stdout.write("\n".join([f"{NAME} UNKNOWN - {_one_line(what)}", *map(_one_line, problems)]) + "\n")
    return UNKNOWN


def _all_well(found: Once) -> str:
    services = of_kind(found.known, SubjectKind.SERVICE)
    ratios = {one.subject.name: one.facts.get("used_ratio") for one in of_kind(found.known, SubjectKind.FILESYSTEM)}
    fullest = max(((ratio, name) for name, ratio in ratios.items() if isinstance(ratio, float)), default=None)
    disk = f", fullest disk {fullest[1]} {fullest[0] * 100:.0f} %" if fullest else ""
    return f"{len(services)} services as they should be{disk}"


def _figures(found: Once, rules: Sequence[Rule]) -> Iterator[str]:
    services = of_kind(found.known, SubjectKind.SERVICE)
    if any(engine.facts.get("reachable") is True for engine in of_kind(found.known, SubjectKind.ENGINE)):
        running = sum(one.facts.get("state") == "running" for one in services)
        yield f"services_running={running};;;0;{len(services)}"
    for kind, figures in _FIGURES.items():
        for one in of_kind(found.known, kind):
            for fact, unit, factor in figures:
                value = one.facts.get(fact)
                if isinstance(value, (int, float)):
                    limits = ";".join(_limits(rules, kind, fact, factor))
                    label = f"{kind.value}_{one.subject.name}_{fact.removesuffix('_ratio')}"
                    yield f"{_quoted(label)}={value * factor:.10g}{unit};{limits};0"


def _limits(rules: Sequence[Rule], kind: SubjectKind, fact: str, factor: int) -> tuple[str, str]:
    """Return the warning and the critical limit of a fact, each empty if no rule has one."""
    above = {
        rule.severity: f"{rule.limit * factor:g}"
        for rule in rules
        if rule.enabled and (rule.kind, rule.fact, rule.comparison) == (kind, fact, Comparison.ABOVE)
        if isinstance(rule.limit, (int, float))
    }
    return above.get(Severity.WARNING, ""), above.get(Severity.CRITICAL, "")


def _quoted(label: str) -> str:
    """Return a label as the plugin convention wants it: neither equals sign nor single quote, quoted for the rest."""
    return f"'{label.replace('=', '_').replace(chr(39), '_').replace('|', '_')}'"


def _one_line(text: str) -> str:
    """Return a text without what has a meaning in a plugin's output: line breaks and the bar."""
    shown: str = cleaned(" ".join(text.split()))
    return shown.replace("|", "¦")


def _subject(one: Known) -> dict[str, Any]:
    facts = {fact: value for fact, value in one.facts.items() if not isinstance(value, Unknown)}
    unknown = {fact: value.reason for fact, value in one.facts.items() if isinstance(value, Unknown)}
    return {"kind": one.subject.kind.value, "name": one.subject.name, "facts": facts, "unknown": unknown}
