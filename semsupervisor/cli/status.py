"""`semsupervisor status`: everything on one screen."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from semsupervisor.cli import job_rendering, schedule_rendering
from semsupervisor.cli.alert_rendering import forming, sentence, under_causes
from semsupervisor.cli.calling import add_common_options, ask
from semsupervisor.cli.rendering import LABEL_WIDTH, Paper, age, ago, cleaned, counted, print_json, wrapped
from semsupervisor.kit import amounts

FINE, FOUND = 0, 1
Facts = Mapping[str, Any]

_NATS_STATES = {True: "healthy", False: "unhealthy", None: "unknown"}


def add_parser(subparsers: Any) -> None:
    """Add the command to the parsers that `ArgumentParser.add_subparsers` returned."""
    text = "show the stack, its services, NATS, disks, host, alerts and receivers on one screen"
    parser = subparsers.add_parser(
        "status",
        help=text,
        description=f"{text}; exits 1 unless the stack and the supervisor itself are healthy and no job is stuck",
    )
    add_common_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show the status; return 0 if stack and supervisor are healthy and no job is stuck, else 1."""
    status = ask(arguments).get("/v1/status")
    if arguments.json:
        print_json(status)
    else:
        show(cleaned(status), Paper())
    stuck = any(job["state"] == "stuck" for job in status["jobs"])
    return FINE if status["status"] == status["daemon"]["status"] == "healthy" and not stuck else FOUND


def show(status: Mapping[str, Any], paper: Paper) -> None:
    """Write the screen."""
    room = paper.width - LABEL_WIDTH
    now = status["now"]
    daemon = status["daemon"]
    title = f"{status['host']}: project {status['project']} in {status['directory']}"
    paper.line(f"{paper.paint(title, 'strong')}, semsupervisor {daemon['version']}")
    paper.chapter("stack", [paper.word(status["status"]), *_points(status["untold"], paper)])
    paper.chapter("alerts", list(_alerts(status, paper)) or ["none"])
    alerts = status["alerts"]
    paper.chapter("engine", wrapped(_engine(status, alerts), room))
    services = [_service(one, now, paper) for one in status["services"]]
    paper.chapter("services", paper.table(services, room) or ["none is known"])
    semstreams = [_semstreams(one, now, alerts, paper) for one in status["semstreams"]]
    paper.chapter("semstreams", paper.table(semstreams, room))
    paper.chapter("nats", paper.table([_nats(one, now, alerts, paper) for one in status["nats"]], room))
    paper.chapter("disks", paper.table([_disk(one, now) for one in status["filesystems"]], room))
    paper.chapter("host", wrapped(_host(status["host_seen"], now), room))
    paper.chapter("backup", wrapped(_snapshot(status), room))
    paper.chapter("jobs", paper.table([job_rendering.row(one, now, paper) for one in status["jobs"]], room))
    schedules = schedule_rendering.rows(status["schedules"], now, paper)
    paper.chapter("schedules", paper.table(schedules, room))
    paper.chapter("receivers", list(_receivers(status, paper)) or ["none: nobody is told of anything"])
    paper.chapter("supervisor", _supervisor(status, paper))
    findings = [f"{finding['text']}: {finding['fix']}" for finding in status["findings"]]
    paper.chapter("findings", _points(findings, paper))


def _points(lines: Iterable[str], paper: Paper) -> list[str]:
    """Return each as one item of a list."""
    return paper.table([["-", text] for text in lines], paper.width - LABEL_WIDTH)


def _alerts(status: Mapping[str, Any], paper: Paper) -> Iterator[str]:
    """Yield the alerts, those that follow from another one by their titles alone."""
    rows = []
    for alert, followers in under_causes(status["alerts"]):
        word = alert["severity"] if alert["state"] == "firing" else alert["state"]
        seen = "" if alert["known"] else f"not seen since {ago(alert['seen_at'], status['now'])}: "
        what = f"{seen}{sentence(alert) if word == alert['severity'] else forming(alert)}"
        if followers:
            what = f"{what.rstrip('.')}. From it follows: {', '.join(one['title'] for one in followers)}."
        rows.append([paper.word(word), age(alert["since"], status["now"]), what])
    yield from paper.table(rows, paper.width - LABEL_WIDTH)
    if rows:
        yield paper.paint("evidence, and what to type next: semsupervisor alerts", "dim")


def _engine(status: Mapping[str, Any], alerts: Iterable[Facts]) -> str:
    engine, stream = status["engine"], status["stream"]
    if engine is None:
        return "not looked at yet"
    if engine["facts"].get("reachable") is not True:
        return ": ".join(["does not answer", *_error(engine, alerts)])
    version = engine["facts"].get("version", "of an unknown version")
    followed = stream["connected_since"]
    events = f"events followed for {age(followed, status['now'])}" if followed else "events are not followed"
    return f"docker {version}, {events}, seen {ago(engine['seen_at'], status['now'])}"


def _service(one: Mapping[str, Any], now: str, paper: Paper) -> list[str]:
    facts: Facts = one["facts"]
    since = [age(one["since"], now)] if one["since"] else []
    words = [paper.paint("unhealthy", "bad")] if facts.get("unhealthy") is True else []
    words += [paper.paint("restarts again and again", "bad")] if facts.get("restarting") is True else []
    words += [one["intent"]] if one["intent"] else []
    state = " ".join([paper.word(_known(one, "state")), *since])
    return [one["name"], state, _memory(facts), ago(one["seen_at"], now), ", ".join(words)]


def _memory(facts: Facts) -> str:
    used, ratio = facts.get("memory_used_bytes"), facts.get("memory_used_ratio")
    of_limit = "" if ratio is None else f" ({amounts.share(ratio)})"
    return "" if used is None else f"{amounts.size(used)}{of_limit}"


def _semstreams(one: Mapping[str, Any], now: str, alerts: Iterable[Facts], paper: Paper) -> list[str]:
    facts: Facts = one["facts"]
    state = _known(one, "status") if facts.get("reachable") is not False else "unreachable"
    words = [str(facts["version"])] if "version" in facts else []
    words += [f"{facts['latency_seconds'] * 1000:.0f} ms"] if "latency_seconds" in facts else []
    words += [paper.paint("NATS not connected", "bad")] if facts.get("nats_connected") is False else []
    return [one["name"], paper.word(state), ago(one["seen_at"], now), ", ".join([*words, *_error(one, alerts)])]


def _nats(one: Mapping[str, Any], now: str, alerts: Iterable[Facts], paper: Paper) -> list[str]:
    facts: Facts = one["facts"]
    state = _NATS_STATES[facts.get("healthy")] if facts.get("reachable") is not False else "unreachable"
    words = [str(facts["version"])] if "version" in facts else []
    words += [counted(facts["connections"], "connection")] if "connections" in facts else []
    words += [paper.paint("its full check finds fault", "bad")] if facts.get("full_check_passed") is False else []
    return [one["name"], paper.word(state), ago(one["seen_at"], now), ", ".join([*words, *_error(one, alerts)])]


def _disk(one: Mapping[str, Any], now: str) -> list[str]:
    facts: Facts = one["facts"]
    used = f"{amounts.share(facts['used_ratio'])} used" if "used_ratio" in facts else "unknown"
    free = f"{amounts.size(facts['free_bytes'])} free" if "free_bytes" in facts else ""
    return [one["name"], used, free, ago(one["seen_at"], now)]


def _host(one: Mapping[str, Any] | None, now: str) -> str:
    """Return what of the host is worth a line; that nothing keeps its clock is normal for one without a network."""
    if one is None:
        return "not looked at yet"
    facts: Facts = one["facts"]
    words = []
    if "memory_available_ratio" in facts:
        of_size = f" of {amounts.size(facts['memory_size_bytes'])}" if "memory_size_bytes" in facts else ""
        words.append(f"memory {amounts.share(facts['memory_available_ratio'])}{of_size} available")
    words += [f"processors {amounts.share(facts['cpu_used_ratio'])} busy"] if "cpu_used_ratio" in facts else []
    words += [f"{facts['temperature_celsius']:.0f} °C"] if "temperature_celsius" in facts else []
    return ", ".join([*words, f"seen {ago(one['seen_at'], now)}"])


def _snapshot(status: Mapping[str, Any]) -> str:
    if not status["newest_snapshot"]:
        return "no good snapshot is known"
    return f"{status['newest_snapshot']}, taken {ago(status['newest_snapshot_at'], status['now'])}"


def _receivers(status: Mapping[str, Any], paper: Paper) -> Iterator[str]:
    """Yield a line for each receiver, and below it what is wrong with the way to it or to any of its addresses."""
    now, room = status["now"], paper.width - LABEL_WIDTH
    widest = max((len(one["name"]) for one in status["receivers"]), default=0)
    for one in status["receivers"]:
        to = f" to {len(one['addresses'])} addresses" if one["addresses"] else ""
        first = [f"{one['name']:<{widest}}", f"{one['delivered_total']} delivered{to} since start"]
        if not one["addresses"]:
            yield from paper.table([[*first, paper.paint(_trouble(one, now), "bad")]], room)
            continue
        yield from paper.table([first], room)
        for way in one["addresses"]:
            if trouble := _trouble(way, now):
                yield f"  {paper.paint(way['name'], 'bad')}"
                yield from (f"    {text}" for text in wrapped(trouble, room - 4))


def _trouble(way: Mapping[str, Any], now: str) -> str:
    waiting = f"{way['queued']} waiting for {age(way['oldest_queued_at'], now)}" if way["queued"] else ""
    given_up = f"{way['dead_letters']} given up (semsupervisor outbox)" if way["dead_letters"] else ""
    counted = ", ".join(word for word in (waiting, given_up) if word)
    return ": ".join(word for word in (counted, way["last_error"]) if word)


def _supervisor(status: Mapping[str, Any], paper: Paper) -> Iterator[str]:
    daemon = status["daemon"]
    told = ", see the alerts" if len(daemon["reasons"]) > len(daemon["untold"]) else ""
    ready = "" if daemon["ready"] else ", not ready yet"
    yield f"{paper.word(daemon['status'])}{told}{ready}, started {ago(daemon['started_at'], status['now'])}"
    yield from _points(daemon["untold"], paper)


def _known(one: Mapping[str, Any], fact: str) -> str:
    return str(one["facts"].get(fact, "unknown"))


def _error(one: Mapping[str, Any], alerts: Iterable[Facts]) -> list[str]:
    """Return why it is so, unless an alert about it, or about what it follows from, tells that."""
    error, subject = str(one["evidence"].get("error", "")), f"{one['kind']}:{one['name']}"
    told = any(alert["subject"] == subject or error in alert["summary"] for alert in alerts)
    return [error] if error and not told else []
