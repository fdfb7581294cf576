"""The status page: what `semsupervisor status` shows, as HTML without a script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from semsupervisor.alerts.lifecycle import AlertState
from semsupervisor.api import page_jobs
from semsupervisor.api.answers import (
    AlertAnswer,
    ReceiverAnswer,
    ServiceAnswer,
    SubjectAnswer,
    WayAnswer,
)
from semsupervisor.api.html import TONES, Html, Row, age, joined, listed, note, table, tag, toned
from semsupervisor.api.status_answers import StatusAnswer
from semsupervisor.kit import amounts
from semsupervisor.kit.text import about

REFRESH_SECONDS = 15
STYLE = Path(__file__).with_name("page.css").read_text()
STYLE_HASH = "sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

_PLACES = (("/metrics", "metrics"), ("/v1/status", "this as JSON"), ("/v1/openapi.json", "the whole API"))


def render(status: StatusAnswer) -> bytes:
    """Return the page as UTF-8."""
    now = status.now
    body = (
        _header(status),
        _alerts(status),
        table("Services", ("Service", "State", "Memory", "Seen"), (_service(one, now) for one in status.services)),
        table("SemStreams", _ENDPOINT, (_semstreams(one, now) for one in status.semstreams)),
        table("NATS", _ENDPOINT, (_nats(one, now) for one in status.nats)),
        page_jobs.jobs(status),
        page_jobs.schedules(status),
        table("Disks", ("Mounted at", "Used", "Free", "Seen"), (_disk(one, now) for one in status.filesystems)),
        table("Host", ("Memory available", "Processors busy", "Temperature", "Seen"), _host(status.host_seen, now)),
        table("Receivers", ("Receiver", "Delivered since start", "Trouble"), _receivers(status.receivers, now)),
        _supervisor(status),
        listed("Findings", (f"{one.text}: {one.fix}" for one in status.findings)),
        _footer(status),
    )
    head = (
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html(f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">'),
        tag("title", f"{status.status.value}: {status.host}"),
        tag("style", Html(STYLE)),
    )
    page = tag("html", tag("head", *head), tag("body", *body), lang="en")
    return f"<!doctype html>{page}".encode()


def _header(status: StatusAnswer) -> Html:
    title = tag("h1", f"{status.host} ", tag("small", f"{status.project} in {status.directory}"))
    reasons = [tag("ul", *(tag("li", reason) for reason in status.untold))] if status.untold else []
    return tag(
        "header", title, tag("p", toned(status.status.value)), *reasons, class_=TONES.get(status.status.value, "")
    )


def _alerts(status: StatusAnswer) -> Html:
    firing = [one for one in status.alerts if one.state is not AlertState.PENDING]
    pending = [one for one in status.alerts if one.state is AlertState.PENDING]
    shown = [
        _alert(one, [other for other in firing if other.caused_by == one.id], status.now)
        for one in firing
        if one.caused_by is None
    ]
    points = (f"for {age(one.since, status.now)}: {_sentence(one)}" for one in pending)
    return joined(*([tag("h2", "Alerts"), *shown] if shown else []), listed("Not firing yet", points))


def _alert(one: AlertAnswer, followers: Sequence[AlertAnswer], now: datetime) -> Html:
    severity = one.severity.value
    head = tag("h3", toned(severity), f" {one.title} ", tag("small", f"for {age(one.since, now)}"))
    parts = [head, tag("p", _sentence(one))]
    if followers:
        parts.append(tag("p", f"From it follows: {', '.join(other.title for other in followers)}."))
    if one.diagnosis:
        parts.append(tag("p", one.diagnosis))
    if one.next_steps:
        parts.append(tag("pre", tag("code", "\n".join(one.next_steps))))
    told = ", ".join(one.told) or f"nobody: {one.muted_by or 'not yet'}"
    seen = "" if one.known else f"; not seen since {age(one.seen_at, now)}"
    more = f"Told {told}{seen}. Evidence: semsupervisor alerts show {one.rule}"
    return tag("article", *parts, tag("p", more, class_="soft"), class_=TONES.get(severity, ""))


def _sentence(one: AlertAnswer) -> str:
    return about(one.subject, one.summary)


def _service(one: ServiceAnswer, now: datetime) -> Row:
    since = f" for {age(one.since, now)}" if one.since else ""
    notes = ["unhealthy"] if one.facts.get("unhealthy") is True else []
    notes += ["restarts again and again"] if one.facts.get("restarting") is True else []
    notes += [one.intent] if one.intent else []
    state = joined(toned(str(one.facts.get("state", "unknown"))), since, *map(note, notes))
    return one.name, state, _share(one, "memory_used_ratio", "memory_used_bytes"), _ago(one, now)


_ENDPOINT = ("Service", "State", "Version", "Details", "Seen")


def _semstreams(one: SubjectAnswer, now: datetime) -> Row:
    words = (
        [f"answers in {float(one.facts['latency_seconds']) * 1000:.0f} ms"] if "latency_seconds" in one.facts else []
    )
    words += ["not connected to NATS"] if one.facts.get("nats_connected") is False else []
    return _endpoint(one, str(one.facts.get("status", "unknown")), words, now)


def _nats(one: SubjectAnswer, now: datetime) -> Row:
    healthy = one.facts.get("healthy")
    words = [f"{one.facts['connections']} connected"] if "connections" in one.facts else []
    words += [f"{one.facts['slow_consumers_total']} slow consumers"] if one.facts.get("slow_consumers_total") else []
    words += ["its full check finds fault"] if one.facts.get("full_check_passed") is False else []
    return _endpoint(one, "unknown" if healthy is None else "healthy" if healthy else "unhealthy", words, now)


def _endpoint(one: SubjectAnswer, state: str, words: Sequence[str], now: datetime) -> Row:
    shown = "unreachable" if one.facts.get("reachable") is False else state
    errors = [note(one.evidence["error"])] if "error" in one.evidence else []
    details = joined(", ".join(words), *errors)
    return one.name, toned(shown), str(one.facts.get("version", "")), details, _ago(one, now)


def _disk(one: SubjectAnswer, now: datetime) -> Row:
    free, size = one.facts.get("free_bytes"), one.facts.get("size_bytes")
    of_size = "" if free is None or size is None else f"{amounts.size(float(free))} of {amounts.size(float(size))}"
    return one.name, _share(one, "used_ratio"), of_size, _ago(one, now)


def _host(one: SubjectAnswer | None, now: datetime) -> Iterator[Row]:
    if one is not None:
        available, warmth = one.facts.get("memory_available_bytes"), one.facts.get("temperature_celsius")
        memory = "" if available is None else amounts.size(float(available))
        degrees = "" if warmth is None else f"{float(warmth):.0f} °C"
        yield memory, _share(one, "cpu_used_ratio"), degrees, _ago(one, now)


def _share(one: SubjectAnswer, ratio_fact: str, bytes_fact: str = "") -> Html:
    """Return a bar and its words; without a ratio the words alone."""
    ratio, used = one.facts.get(ratio_fact), one.facts.get(bytes_fact)
    words = "" if used is None else amounts.size(float(used))
    if ratio is None:
        return joined(words or one.unknown.get(ratio_fact, ""))
    text = amounts.share(float(ratio)) if not words else f"{words} ({amounts.share(float(ratio))})"
    return joined(tag("progress", max="1", value=f"{float(ratio):.3f}", aria_label=ratio_fact), text)


def _receivers(receivers: Iterable[ReceiverAnswer], now: datetime) -> Iterable[Row]:
    for one in receivers:
        if not one.addresses:
            yield one.name, str(one.delivered_total), _trouble(one, now)
            continue
        notes = [note(f"{way.name}: {trouble}") for way in one.addresses if (trouble := _trouble(way, now))]
        yield one.name, f"{one.delivered_total} to {len(one.addresses)} addresses", joined(*notes)


def _trouble(way: WayAnswer, now: datetime) -> str:
    words = [f"{way.queued} waiting for {age(way.oldest_queued_at, now)}"] if way.oldest_queued_at else []
    words += [f"{way.dead_letters} given up"] if way.dead_letters else []
    return ": ".join(word for word in (", ".join(words), way.last_error) if word)


def _supervisor(status: StatusAnswer) -> Html:
    daemon, stream = status.daemon, status.stream
    ready = "" if daemon.ready else ", not ready yet"
    events = f"since {age(stream.connected_since, status.now)}" if stream.connected_since else "no"
    version = str(status.engine.facts.get("version", "unknown")) if status.engine else "not looked at yet"
    started = f"started {age(daemon.started_at, status.now)} ago{ready}"
    rows = (
        ("Supervisor", joined(toned(daemon.status.value), f" {started}", *map(note, daemon.untold))),
        ("Docker", f"{version}, events followed: {events}"),
        ("State database", f"{amounts.size(daemon.store_size_bytes)}{_set_aside(daemon.store_set_aside)}"),
    )
    return table("The supervisor itself", ("Part", "State"), rows)


def _set_aside(path: str | None) -> str:
    return f"; a damaged one was set aside at {path}" if path else ""


def _footer(status: StatusAnswer) -> Html:
    places = [joined(" · ", tag("a", words, href=path)) for path, words in _PLACES]
    text = f"{status.now:%Y-%m-%d %H:%M:%S} UTC, semsupervisor {status.daemon.version}"
    return tag("footer", tag("p", text, *places, class_="soft"))


def _ago(one: SubjectAnswer, now: datetime) -> Html:
    return tag("span", f"{age(one.seen_at, now)} ago", class_="when")
