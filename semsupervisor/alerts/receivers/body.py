"""The JSON body `semsupervisor/1` of webhooks; `body-1.schema.json` beside this module is made from it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from semsupervisor.alerts.content import subject_line, worst
from semsupervisor.alerts.notification import AlertFacts, Notification, NotificationKind
from semsupervisor.alerts.rules import Severity
from semsupervisor.health.observation import Subject

Moment = Annotated[datetime, Meta(tz=True)]


class BodyAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert. Every field is always there; a text that says nothing is empty."""

    id: Annotated[str, Meta(description="The episode: the same when it fires, is added to and is resolved.")]
    rule: Annotated[str, Meta(description="The name of the rule that holds.")]
    title: Annotated[str, Meta(description="The rule in a few words.")]
    severity: Severity
    subject: Subject
    summary: Annotated[str, Meta(description="What is the matter, in a sentence.")]
    value: Annotated[str, Meta(description="What was measured, as text for people.")]
    limit: Annotated[str, Meta(description="What it was held against, as text for people.")]
    since: Annotated[Moment, Meta(description="When it was first seen.")]
    resolved_at: Annotated[Moment | None, Meta(description="When it was over; null while it is not.")]
    resolved_because: Annotated[str, Meta(description="Why it is over.")]
    evidence: Annotated[Mapping[str, str], Meta(description="Exit code, last log lines and such, secrets masked.")]
    diagnosis: Annotated[str, Meta(description="What it means.")]
    done: Annotated[tuple[str, ...], Meta(description="What the supervisor did about it.")]
    next_steps: Annotated[tuple[str, ...], Meta(description="Commands to type on the host.")]
    consequences: Annotated[
        tuple[str, ...],
        Meta(description="What may follow and is not told by itself; once it is over, what did follow."),
    ]


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook of the format `semsupervisor` gets. Times are RFC 3339 in UTC."""

    schema: Annotated[
        Literal["semsupervisor/1"], Meta(description="Under this name fields may be added, never changed.")
    ]
    key: Annotated[str, Meta(description="The same on every attempt: drop what you have seen.")]
    kind: Annotated[
        NotificationKind,
        Meta(
            description=(
                "Why this is told. `firing` opens the alerts of these ids, `resolved` closes them for good. "
                "`update` adds to what is known of them, also after their end, and never opens one again."
            )
        ),
    ]
    host: Annotated[str, Meta(description="How the host is called in its settings.")]
    at: Annotated[Moment, Meta(description="When it was decided to tell this, not when it was sent.")]
    severity: Annotated[Severity, Meta(description="That of the worst of the alerts.")]
    summary: Annotated[str, Meta(description="All in one line, for a chat or a list.")]
    alerts: Annotated[tuple[BodyAlert, ...], Meta(description="Only a test may have none.")]


def encode(notification: Notification) -> bytes:
    """Return the body for a notification."""
    return msgspec.json.encode(
        Body(
            schema="semsupervisor/1",
            key=notification.key,
            kind=notification.kind,
            host=notification.host,
            at=notification.at,
            severity=worst(notification),
            summary=subject_line(notification),
            alerts=tuple(_alert(alert) for alert in notification.alerts),
        )
    )


def json_schema() -> bytes:
    """Return the JSON Schema (2020-12) of the body, as it stands in the file."""
    described = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(Body)}
    return msgspec.json.format(msgspec.json.encode(described), indent=2) + b"\n"


def _alert(alert: AlertFacts) -> BodyAlert:
    return BodyAlert(
        id=alert.id,
        rule=alert.rule,
        title=alert.title,
        severity=alert.severity,
        subject=alert.subject,
        summary=alert.summary,
        value=alert.value,
        limit=alert.limit,
        since=alert.since,
        resolved_at=alert.resolved_at,
        resolved_because=alert.resolved_because,
        evidence=alert.evidence,
        diagnosis=alert.diagnosis,
        done=alert.done,
        next_steps=alert.next_steps,
        consequences=alert.consequences,
    )
