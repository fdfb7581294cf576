"""The status page: what `semsupervisor status` shows, as HTML without a script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape

from semsupervisor.alerts.lifecycle import AlertState
from semsupervisor.alerts.rules import value_text
from semsupervisor.api.answers import AlertAnswer, ReceiverAnswer, ServiceAnswer, StatusAnswer, SubjectAnswer
from semsupervisor.kit import amounts

REFRESH_SECONDS = 15
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;"
    "background:#fff}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #d8dee4;vertical-align:top}"
    ".healthy{color:#116329}.degraded{color:#7a4b00}.unhealthy,.unknown{color:#a40e26;font-weight:600}"
    "@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}th,td{border-color:#30363d}"
    ".healthy{color:#3fb950}.degraded{color:#d29922}.unhealthy,.unknown{color:#ff7b72}}"
)
STYLE_HASH = "sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()


def render(status: StatusAnswer) -> bytes:
    """Return the page as UTF-8."""
    parts = [
        _top(status),
        _list("Why", status.reasons),
        _table("Alerts", ("Severity", "What", "Since"), [_alert(one, status.now) for one in status.alerts]),
        _table("Services", ("Service", "State", "Memory", "Seen"), [_service(one, status) for one in status.services]),
        _table("SemStreams", ("Service", "Facts", "Seen"), [_facts(one, status.now) for one in status.semstreams]),
        _table("NATS", ("Service", "Facts", "Seen"), [_facts(one, status.now) for one in status.nats]),
        _table("Disks", ("Mounted at", "Facts", "Seen"), [_facts(one, status.now) for one in status.filesystems]),
        _table("Receivers", ("Receiver", "Waiting", "Given up", "Delivered"), [_way(one) for one in status.receivers]),
        _list("The supervisor itself", status.daemon.reasons),
        _list("Findings", (f"{one.text} {one.fix}" for one in status.findings)),
        "</body></html>",
    ]
    return "".join(parts).encode()


def _top(status: StatusAnswer) -> str:
    state = status.status.value
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(status.host)}: {state}</title>'
        f'<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="{REFRESH_SECONDS}">'
        f"<style>{STYLE}</style></head><body><h1>{escape(status.host)}: the stack {escape(status.project)} is "
        f'<span class="{state}">{state}</span></h1>'
        f"<p>As of {status.now:%Y-%m-%d %H:%M:%S} UTC, semsupervisor {escape(status.daemon.version)}</p>"
    )


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    cells = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    heads = "".join(f'<th scope="col">{escape(word)}</th>' for word in head)
    return f"<h2>{escape(title)}</h2><table><thead><tr>{heads}</tr></thead><tbody>{cells}</tbody></table>"


def _list(title: str, lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h2>{escape(title)}</h2><ul>{items}</ul>" if items else ""


def _alert(one: AlertAnswer, now: datetime) -> tuple[str, str, str]:
    state = "" if one.state is AlertState.FIRING else f" ({one.state.value})"
    return f"{one.severity.value}{state}", f"{one.title}: {one.summary}", _age(one.since, now)


def _service(one: ServiceAnswer, status: StatusAnswer) -> tuple[str, str, str, str]:
    since = f" for {amounts.duration((status.now - one.since).total_seconds())}" if one.since else ""
    state = str(one.facts.get("state", "unknown"))
    return one.name, f"{state}{since} {one.intent}", _memory(one), _age(one.seen_at, status.now)


def _memory(one: SubjectAnswer) -> str:
    used, ratio = one.facts.get("memory_used_bytes"), one.facts.get("memory_used_ratio")
    of_limit = "" if ratio is None else f", {value_text('memory_used_ratio', ratio)} of its limit"
    return "" if used is None else value_text("memory_used_bytes", used) + of_limit


def _facts(one: SubjectAnswer, now: datetime) -> tuple[str, str, str]:
    known = [f"{fact}: {value_text(fact, value)}" for fact, value in one.facts.items()]
    unknown = [f"{fact}: unknown ({reason})" for fact, reason in one.unknown.items()]
    return one.name, ", ".join([*known, *unknown]), _age(one.seen_at, now)


def _way(one: ReceiverAnswer) -> tuple[str, str, str, str]:
    return one.name, str(one.queued), str(one.dead_letters), str(one.delivered_total)


def _age(at: datetime, now: datetime) -> str:
    return f"{amounts.duration((now - at).total_seconds())} ago"
