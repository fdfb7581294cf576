"""How one alert looks on a terminal: in a list, with the last of its evidence, and in full.

First what is wrong, then what it means and what to type, and the long evidence last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from semsupervisor.cli.rendering import Paper, age, ago, clock_text
from semsupervisor.kit.text import about, shortened

INDENT = 2
LISTED_LINES = 5
LONGEST_LISTED_LINE = 150
TELLING_LENGTH = 8

# What describes the container rather than what happened to it: shown in full only.
INSPECTION = ("container", "image", "restart_policy", "restarts", "state_now", "memory_limit", "finished_at")
EQUALS = "equals "
SAID_BY_THE_SUMMARY = ("equals yes", "equals no")

Alert = Mapping[str, Any]


def under_causes(alerts: Sequence[Alert]) -> Iterator[tuple[Alert, list[Alert]]]:
    """Yield each alert that follows from none of the others, with those that follow from it."""
    for alert in alerts:
        if alert["caused_by"] is None:
            yield alert, [one for one in alerts if one["caused_by"] == alert["id"]]


def sentence(alert: Alert) -> str:
    """Return what is wrong, with the subject named once."""
    return about(alert["subject"], alert["summary"])


def forming(alert: Alert) -> str:
    """Return what would be wrong if it lasted; the summary says it as if it had."""
    measured = [] if alert["limit"].startswith(EQUALS) else _measured(alert)
    return ", ".join([f"{alert['subject']}: {alert['title']}", *measured])


def listed(alert: Alert, followers: Iterable[Alert], now: str, paper: Paper) -> None:
    """Write an alert that is open, with what to type next and the end of its evidence."""
    _headline(alert, f"{_state(alert)}for {age(alert['since'], now)}", paper)
    paper.wrapped(alert["summary"], INDENT)
    follows = [f"{one['title']} ({age(one['since'], now)})" for one in followers]
    if follows:
        paper.wrapped(f"From it follows: {', '.join(follows)}.", INDENT)
    _meaning(alert, paper)
    words = [*_measured(alert), _telling(alert), _seen(alert, now)]
    paper.wrapped("; ".join([*words, *_short(alert)]), INDENT)
    for label, lines in _long(alert):
        paper.line(f"{' ' * INDENT}{label}:")
        if len(lines) > LISTED_LINES:
            more = f"({len(lines) - LISTED_LINES} lines more: semsupervisor alerts show {alert['rule']})"
            paper.line(f"{' ' * 2 * INDENT}{paper.paint(more, 'dim')}")
        for text in lines[-LISTED_LINES:]:
            paper.verbatim(shortened(text, LONGEST_LISTED_LINE), 2 * INDENT)


def pending(alerts: Iterable[Alert], now: str, paper: Paper) -> None:
    """Write alerts that do not fire yet."""
    for text in paper.table([[paper.word("pending"), age(one["since"], now), forming(one)] for one in alerts]):
        paper.line(text)


def shown(alert: Alert, followers: Iterable[Alert], now: str, paper: Paper) -> None:
    """Write all that is known of an alert, open or past."""
    lasted = age(alert["since"], alert["resolved_at"] or now)
    _headline(alert, f"{alert['state']}, {'lasted' if alert['resolved_at'] else 'for'} {lasted}", paper)
    paper.wrapped(alert["summary"], INDENT)
    if alert["resolved_because"]:
        paper.wrapped(alert["resolved_because"], INDENT)
    _meaning(alert, paper)
    times = {"since": alert["since"], "fired": alert["fired_at"], "resolved": alert["resolved_at"]}
    rows = [[name, f"{clock_text(at)}, {ago(at, now)}"] for name, at in times.items() if at]
    rows += [] if alert["resolved_at"] else [["state", _seen(alert, now)]]
    rows += [["told", ", ".join(alert["told"]) or _nobody(alert)]]
    rows += [["value", f"{alert['value']} (alert: {alert['limit']})"]]
    rows += [["rule", alert["rule"]], ["alert", alert["id"]]]
    rows += [["follows", f"{one['title']}: {sentence(one)}"] for one in followers]
    rows += [[_label(name), text] for name, text in alert["evidence"].items() if "\n" not in text]
    for text in paper.table(rows, paper.width - INDENT):
        paper.line(f"{' ' * INDENT}{text}")
    for label, lines in _long(alert):
        paper.line(f"{' ' * INDENT}{label}:")
        for text in lines:
            paper.verbatim(text, 2 * INDENT)


def episode(alert: Alert, now: str, paper: Paper) -> None:
    """Write an alert of the past in two lines or so."""
    ended = alert["resolved_at"]
    lasted = f"{age(alert['since'], ended)}" if ended else f"{alert['state']} for {age(alert['since'], now)}"
    head = f"{clock_text(alert['since'])}  {paper.word(alert['severity'])}  {paper.paint(alert['title'], 'strong')}"
    paper.line(f"{head}  {lasted}")
    untold = "" if alert["told"] else f"Told {_nobody(alert)}"
    story = [sentence(alert), alert["resolved_because"], untold]
    paper.wrapped(" ".join(f"{words.rstrip('.')}." for words in story if words), INDENT)


def _headline(alert: Alert, state: str, paper: Paper) -> None:
    title = paper.paint(alert["title"], "strong")
    paper.line(f"{paper.word(alert['severity'])}  {title}  {alert['subject']}  {state}")


def _state(alert: Alert) -> str:
    return "" if alert["state"] == "firing" else f"{alert['state']} "


def _meaning(alert: Alert, paper: Paper) -> None:
    if alert["diagnosis"]:
        paper.wrapped(alert["diagnosis"], INDENT)
    for step in alert["next_steps"]:
        paper.line(f"{' ' * INDENT}{paper.paint(f'$ {step}', 'strong')}")


def _measured(alert: Alert) -> list[str]:
    said = alert["limit"] in SAID_BY_THE_SUMMARY
    return [] if said else [f"{alert['value']} (alert: {alert['limit']})"]


def _telling(alert: Alert) -> str:
    return f"told {', '.join(alert['told']) or _nobody(alert)}"


def _nobody(alert: Alert) -> str:
    return f"nobody: {alert['muted_by'] or 'not yet'}"


def _seen(alert: Alert, now: str) -> str:
    return f"{'' if alert['known'] else 'cannot be seen now, '}last seen {ago(alert['seen_at'], now)}"


def _short(alert: Alert) -> Iterator[str]:
    """Yield the evidence of one line, but for what the summary says already."""
    for name, text in alert["evidence"].items():
        said = len(text) > TELLING_LENGTH and text in alert["summary"]
        if "\n" not in text and not said and name not in INSPECTION:
            yield f"{_label(name)}: {text}"


def _long(alert: Alert) -> Iterator[tuple[str, list[str]]]:
    for name, text in alert["evidence"].items():
        if "\n" in text:
            yield _label(name), text.strip("\n").split("\n")


def _label(name: str) -> str:
    return name.replace("_", " ")
