"""What a notification says to people: which words under which heading, before it becomes plain text or HTML. Pure.

Written for a tired reader on a phone: first what is wrong and since when, then what it means and what to type, and the
long evidence last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from semsupervisor.alerts.notification import AlertFacts, Notification, NotificationKind
from semsupervisor.alerts.rules import Severity
from semsupervisor.health.observation import Subject, SubjectKind
from semsupervisor.kit.text import duration_text, shortened

Local = Callable[[datetime], datetime]

LONGEST_SUBJECT = 120
MOST_BLOCK_LINES = 50
LONGEST_BLOCK_LINE = 400
LONGEST_ROW = 100
LATE_AFTER = timedelta(minutes=2)
LONGEST_PLAUSIBLE = timedelta(days=366)

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_ORDER = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)
_THINGS = {
    SubjectKind.SUPERVISOR: "the supervisor itself",
    SubjectKind.HOST: "host",
    SubjectKind.FILESYSTEM: "file system",
    SubjectKind.ENGINE: "engine",
    SubjectKind.SERVICE: "service",
    SubjectKind.NATS: "NATS, service",
    SubjectKind.SEMSTREAMS: "SemStreams, service",
    SubjectKind.STREAM: "stream",
    SubjectKind.CONSUMER: "consumer",
    SubjectKind.CERTIFICATE: "certificate of",
    SubjectKind.CHECK: "check of your own",
    SubjectKind.BACKUP: "backups,",
    SubjectKind.PROBE: "check",
    SubjectKind.RECEIVER: "receiver",
}
_SAID_BY_THE_SUMMARY = ("equals yes", "equals no")
_LABELS = {
    "oom": "Out of memory",
    "finished_at": "Last ended at",
    "restarts": "Restarted by its policy",
    "state_now": "State when looked at",
    "health_log": "Last health checks",
    "last_log_lines": "Last log lines, the newest at the end",
}


class Tone(StrEnum):
    """What the first glance tells."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    RESOLVED = "resolved"
    TEST = "test"


class Style(StrEnum):
    """How the lines of a part are to be read."""

    PROSE = "prose"
    POINTS = "points"
    COMMANDS = "commands"
    BLOCK = "block"


class Part(msgspec.Struct, frozen=True):
    """Lines under one heading."""

    heading: str
    style: Style
    lines: tuple[str, ...]


class Story(msgspec.Struct, frozen=True):
    """One alert: what it is in a sentence, its facts as label and value, and the parts below them."""

    headline: str
    rows: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """All that is said. `remarks` stand above the stories and concern the message itself."""

    subject: str
    tone: Tone
    heading: str
    remarks: tuple[str, ...]
    stories: tuple[Story, ...]
    footer: tuple[str, ...]


def compose(notification: Notification, now: datetime, local: Local) -> Message:
    """Put a notification into words, as they are to be sent `now`; `local` turns a moment into the host's own time."""
    resolved = notification.kind is NotificationKind.RESOLVED
    return Message(
        subject=subject_line(notification),
        tone=tone(notification),
        heading=f"{_tag(notification)} on {_one_line(notification.host)}{_after(notification)}",
        remarks=tuple(_remarks(notification, now, local)),
        stories=tuple(_story(alert, notification.host, local, resolved=resolved) for alert in notification.alerts),
        footer=tuple(_footer(notification)),
    )


def tone(notification: Notification) -> Tone:
    """Return how bad it is: that of the worst alert, unless it is over or only a test."""
    match notification.kind:
        case NotificationKind.TEST:
            return Tone.TEST
        case NotificationKind.RESOLVED:
            return Tone.RESOLVED
        case NotificationKind.FIRING | NotificationKind.UPDATE:
            return Tone(worst(notification).value)


def worst(notification: Notification) -> Severity:
    """Return the highest severity among the alerts, info when there is none."""
    return max((alert.severity for alert in notification.alerts), key=_ORDER.index, default=Severity.INFO)


def subject_line(notification: Notification) -> str:
    """Return one line for the list of mails, such as `[CRITICAL] edge-7: nats ended with exit code 137`."""
    if not notification.alerts:
        words = "a test message, nothing is wrong"
    else:
        resolved = notification.kind is NotificationKind.RESOLVED
        words = _headline(notification.alerts[0], resolved=resolved).rstrip(".")
        if len(notification.alerts) > 1:
            words = f"{len(notification.alerts)} alerts: {words}"
    room = LONGEST_SUBJECT - len(_tag(notification)) - len(notification.host)
    after = _after(notification)
    return f"[{_tag(notification)}] {_one_line(notification.host)}: {shortened(words, room - len(after))}{after}"


def lasted_text(alert: AlertFacts) -> str:
    """Return how long an alert that is over has lasted; nothing where only a wall clock that was set knows."""
    if alert.lasted_seconds is not None:
        return duration_text(alert.lasted_seconds)
    if alert.resolved_at is None:
        return ""
    lasted = alert.resolved_at - alert.since
    return duration_text(lasted.total_seconds()) if timedelta() <= lasted < LONGEST_PLAUSIBLE else ""


def moment_text(at: datetime, host: str, local: Local) -> str:
    """Return a moment in UTC, and in the host's own time where that differs."""
    there = local(at)
    utc = f"{at:%Y-%m-%d %H:%M:%S} UTC"
    if there.utcoffset() == timedelta():
        return utc
    day = "" if there.date() == at.date() else f"{there:%Y-%m-%d} "
    return f"{utc} ({day}{there:%H:%M:%S} {there.tzname()} on {host})"


def clean(text: str) -> str:
    """Return a text without colours and control characters, which logs are full of and mail programs choke on."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))).replace("\t", "    ")


def _one_line(text: str) -> str:
    return " ".join(clean(text).split())


def _tag(notification: Notification) -> str:
    match notification.kind:
        case NotificationKind.FIRING:
            return worst(notification).value.upper()
        case NotificationKind.RESOLVED | NotificationKind.UPDATE | NotificationKind.TEST:
            return notification.kind.value.upper()


def _after(notification: Notification) -> str:
    """Return how long what is over has lasted, if that is one alert and the clocks allow to say it."""
    if notification.kind is not NotificationKind.RESOLVED or len(notification.alerts) != 1:
        return ""
    lasted = lasted_text(notification.alerts[0])
    return f", after {lasted}" if lasted else ""


def _remarks(notification: Notification, now: datetime, local: Local) -> Iterator[str]:
    if notification.kind is NotificationKind.TEST:
        yield "This is a test of the way to you. Nothing is wrong; there is nothing to do."
    if notification.kind is NotificationKind.UPDATE:
        yield "This adds evidence to an alert that you were told of; nothing new has happened."
    waited = notification.waited_seconds
    late = now - notification.at if waited is None else timedelta(seconds=waited)
    if LATE_AFTER <= late < LONGEST_PLAUSIBLE:
        then = moment_text(notification.at, notification.host, local)
        yield f"Told {duration_text(late.total_seconds())} late, as you could not be reached. It was so at {then}."


def _story(alert: AlertFacts, host: str, local: Local, *, resolved: bool) -> Story:
    rows = [*_facts(alert, host, local, resolved=resolved), *_short_evidence(alert.evidence)]
    return Story(_headline(alert, resolved=resolved), tuple(rows), tuple(_parts(alert, resolved=resolved)))


def _headline(alert: AlertFacts, *, resolved: bool) -> str:
    """Return what is so now: of what is over, how it ended."""
    return _one_line(alert.resolved_because if resolved and alert.resolved_because else alert.summary)


def _facts(alert: AlertFacts, host: str, local: Local, *, resolved: bool) -> Iterator[tuple[str, str]]:
    yield "Since", moment_text(alert.since, host, local)
    if resolved and alert.resolved_at is not None:
        yield "Over since", moment_text(alert.resolved_at, host, local)
    if resolved:
        yield "Was", f"{alert.severity.value}: {_one_line(alert.summary)}"
    yield "Concerns", thing_text(alert.subject)
    if alert.limit not in _SAID_BY_THE_SUMMARY:
        yield "Measured", f"{_one_line(alert.value)} (alert: {_one_line(alert.limit)})"


def thing_text(subject: Subject) -> str:
    """Return what a subject is, with its name."""
    return f"{_THINGS[subject.kind]} {_one_line(subject.name)}"


def _is_short(text: str) -> bool:
    return "\n" not in text and len(text) <= LONGEST_ROW


def _short_evidence(evidence: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in evidence.items():
        text = clean(value).strip()
        if text and _is_short(text):
            yield _label(name), text


def _parts(alert: AlertFacts, *, resolved: bool) -> Iterator[Part]:
    if alert.diagnosis and not resolved:
        yield Part("What it means", Style.PROSE, (clean(alert.diagnosis),))
    if alert.next_steps and not resolved:
        yield Part("What to type next", Style.COMMANDS, tuple(clean(step) for step in alert.next_steps))
    done = tuple(clean(act) for act in alert.done) or ("Nothing: it has watched and told.",)
    if alert.done or not resolved:
        yield Part("What semsupervisor did", Style.POINTS, done)
    if alert.consequences:
        heading = "What followed from it" if resolved else "What may follow from it, and is not told one by one"
        yield Part(heading, Style.POINTS, tuple(clean(title) for title in alert.consequences))
    for name, value in alert.evidence.items():
        text = clean(value).strip("\n").rstrip()
        if text and not _is_short(text.strip()):
            yield Part(_label(name), Style.BLOCK, _tail(text))


def _tail(text: str) -> tuple[str, ...]:
    lines = text.split("\n")
    left_out = len(lines) - MOST_BLOCK_LINES
    shown = [shortened(line.rstrip(), LONGEST_BLOCK_LINE) for line in lines[-MOST_BLOCK_LINES:]]
    return (f"({left_out} earlier lines left out)", *shown) if left_out > 0 else tuple(shown)


def _label(name: str) -> str:
    return _LABELS.get(name, _one_line(name).replace("_", " ").capitalize())


def _footer(notification: Notification) -> Iterator[str]:
    if notification.alerts:
        rules = ", ".join(dict.fromkeys(alert.rule for alert in notification.alerts))
        yield f"On {_one_line(notification.host)}: semsupervisor status, semsupervisor timeline"
        yield f"Rule {rules}, alert {', '.join(alert.id for alert in notification.alerts)}"
    yield f"Sent by semsupervisor on {_one_line(notification.host)}"
