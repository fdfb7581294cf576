"""`semsupervisor status`: everything on one screen."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from semsupervisor.cli.calling import add_common_options, ask
from semsupervisor.cli.rendering import LABEL_WIDTH, Paper, age, ago, cleaned, print_json
from semsupervisor.kit import amounts

FINE, FOUND = 0, 1
Facts = Mapping[str, Any]

_NATS_STATES = {True: "healthy", False: "unhealthy", None: "unknown"}


def add_parser(subparsers: Any) -> None:
    """Add the command to the parsers that `ArgumentParser.add_subparsers` returned."""
    text = "show the stack, its services, NATS, disks, alerts and receivers on one screen"
    parser = subparsers.add_parser(
        "status",
        help=text,
        description=f"{text}; exits 1 unless the stack and the supervisor itself are healthy",
    )
    add_common_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show the status; return 0 if stack and supervisor are healthy, else 1."""
    status = ask(arguments).get("/v1/status")
    if arguments.json:
        print_json(status)
    else:
        show(cleaned(status), Paper())
    return FINE if status["status"] == status["daemon"]["status"] == "healthy" else FOUND


def show(status: Mapping[str, Any], paper: Paper) -> None:
    """Write the screen."""
    room = paper.width - LABEL_WIDTH
    now = status["now"]
    daemon = status["daemon"]
    title = f"{status['host']}: project {status['project']} in {status['directory']}"
    paper.line(f"{paper.paint(title, 'strong')}, semsupervisor {daemon['version']}")
    paper.chapter("stack", _verdict(status, paper))
    paper.chapter("alerts", paper.table(list(_alerts(status, paper)), room) or ["none"])
    paper.chapter("engine", [_engine(status, paper)])
    services = [_service(one, now, paper) for one in status["services"]]
    paper.chapter("services", paper.table(services, room) or ["none is known"])
    paper.chapter("semstreams", paper.table([_semstreams(one, now, paper) for one in status["semstreams"]], room))
    paper.chapter("nats", paper.table([_nats(one, now, paper) for one in status["nats"]], room))
    paper.chapter("disks", paper.table([_disk(one, now) for one in status["filesystems"]], room))
    receivers = [_receiver(one, now, paper) for one in status["receivers"]]
    paper.chapter("receivers", paper.table(receivers, room) or ["none: nobody is told of anything"])
    paper.chapter("supervisor", _supervisor(status, paper))
    for number, finding in enumerate(status["findings"]):
        label = "findings" if number == 0 else ""
        paper.wrapped(
            f"{finding['text']}: {finding['fix']}", LABEL_WIDTH, paper.paint(f"{label:<{LABEL_WIDTH}}", "strong")
        )


def _verdict(judged: Mapping[str, Any], paper: Paper) -> Iterator[str]:
    yield paper.word(judged["status"])
    for reason in judged["reasons"]:
        yield from paper.table([["-", reason]], paper.width - LABEL_WIDTH)


def _alerts(status: Mapping[str, Any], paper: Paper) -> Iterator[list[str]]:
    for alert in status["alerts"]:
        word = alert["severity"] if alert["state"] == "firing" else alert["state"]
        seen = "" if alert["known"] else f"not seen since {ago(alert['seen_at'], status['now'])}: "
        yield [paper.word(word), age(alert["since"], status["now"]), f"{seen}{alert['title']}: {alert['summary']}"]


def _engine(status: Mapping[str, Any], paper: Paper) -> str:
    engine, stream = status["engine"], status["stream"]
    if engine is None:
        return "not looked at yet"
    if engine["facts"].get("reachable") is not True:
        return paper.paint(f"does not answer: {engine['evidence'].get('error', 'no reason is known')}", "bad")
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


def _semstreams(one: Mapping[str, Any], now: str, paper: Paper) -> list[str]:
    facts: Facts = one["facts"]
    state = _known(one, "status") if facts.get("reachable") is not False else "unreachable"
    words = [str(facts["version"])] if "version" in facts else []
    words += [f"{facts['latency_seconds'] * 1000:.0f} ms"] if "latency_seconds" in facts else []
    words += [paper.paint("NATS not connected", "bad")] if facts.get("nats_connected") is False else []
    return [one["name"], paper.word(state), ago(one["seen_at"], now), ", ".join([*words, *_error(one)])]


def _nats(one: Mapping[str, Any], now: str, paper: Paper) -> list[str]:
    facts: Facts = one["facts"]
    state = _NATS_STATES[facts.get("healthy")] if facts.get("reachable") is not False else "unreachable"
    words = [str(facts["version"])] if "version" in facts else []
    words += [f"{facts['connections']} connections"] if "connections" in facts else []
    return [one["name"], paper.word(state), ago(one["seen_at"], now), ", ".join([*words, *_error(one)])]


def _disk(one: Mapping[str, Any], now: str) -> list[str]:
    facts: Facts = one["facts"]
    used = f"{amounts.share(facts['used_ratio'])} used" if "used_ratio" in facts else "unknown"
    free = f"{amounts.size(facts['free_bytes'])} free" if "free_bytes" in facts else ""
    return [one["name"], used, free, ago(one["seen_at"], now)]


def _receiver(one: Mapping[str, Any], now: str, paper: Paper) -> list[str]:
    waiting = f"{one['queued']} waiting for {age(one['oldest_queued_at'], now)}" if one["queued"] else ""
    given_up = f"{one['dead_letters']} given up" if one["dead_letters"] else ""
    trouble = ", ".join(word for word in (waiting, given_up, one["last_error"]) if word)
    return [one["name"], f"{one['delivered_total']} delivered", paper.paint(trouble, "bad")]


def _supervisor(status: Mapping[str, Any], paper: Paper) -> Iterator[str]:
    daemon = status["daemon"]
    ready = "" if daemon["ready"] else ", not ready yet"
    yield f"{paper.word(daemon['status'])}{ready}, started {ago(daemon['started_at'], status['now'])}"
    yield from (f"- {reason}" for reason in daemon["reasons"])


def _known(one: Mapping[str, Any], fact: str) -> str:
    return str(one["facts"].get(fact, "unknown"))


def _error(one: Mapping[str, Any]) -> list[str]:
    error = one["evidence"].get("error")
    return [str(error)] if error else []
