"""Notifications for tests: one of each kind, as they lie in the outbox."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from semsupervisor.alerts.notification import AlertFacts, Notification, NotificationKind
from semsupervisor.alerts.rules import Severity
from semsupervisor.health.observation import Subject, SubjectKind
from tests.support.clock import START

DIED = AlertFacts(
    id="0195-died",
    rule="container_died",
    title="Container died",
    severity=Severity.CRITICAL,
    subject=Subject(SubjectKind.SERVICE, "semstreams"),
    summary="semstreams ended with exit code 137, and nobody had asked for it.",
    value="yes",
    limit="equals yes",
    since=START,
    evidence={"exit_code": "137", "last_log_lines": "first line\nlast <line> & more"},
    diagnosis="137 is a SIGKILL, often for want of memory.",
    next_steps=("docker compose logs --tail=100 semstreams", "docker compose up -d semstreams"),
    consequences=("SemStreams unreachable",),
)

MEMORY = AlertFacts(
    id="0195-memory",
    rule="memory_high",
    title="Memory high",
    severity=Severity.WARNING,
    subject=Subject(SubjectKind.SERVICE, "nats"),
    summary="nats uses 83 % of its memory limit (850.0 MiB of 1.0 GiB).",
    value="83 %",
    limit="above 80 %",
    since=START,
)


def told(kind: NotificationKind, *alerts: AlertFacts, host: str = "edge-7", number: int | None = None) -> Notification:
    """Return a notification of a kind about some alerts, the death of a container if none is given."""
    about = alerts or (DIED,)
    if kind is NotificationKind.RESOLVED:
        about = tuple(
            msgspec.structs.replace(
                alert, resolved_at=START + timedelta(seconds=2.3), resolved_because="semstreams runs again"
            )
            for alert in about
        )
    key = f"{about[0].id}-{kind.value}" if number is None else f"{about[0].id}-{number}"
    return Notification(key=key, kind=kind, host=host, at=START, alerts=about)
