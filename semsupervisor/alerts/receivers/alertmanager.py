"""Alertmanager's webhook body, version 4, for programs that know that one.

Source: Alertmanager's documentation, "Configuration", section webhook_config.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal

import msgspec

from semsupervisor.alerts.content import clean
from semsupervisor.alerts.notification import AlertFacts, Notification, NotificationKind

Status = Literal["firing", "resolved"]

NOT_ENDED = datetime(1, 1, 1, tzinfo=UTC)
FINGERPRINT_DIGITS = 16


class AlertmanagerAlert(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One alert; `endsAt` of one that fires is the year 1, as Alertmanager has it."""

    status: Status
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime
    generator_url: str = msgspec.field(default="", name="generatorURL")
    fingerprint: str


class AlertmanagerBody(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What Alertmanager posts to a webhook."""

    version: Literal["4"] = "4"
    group_key: str
    truncated_alerts: int = 0
    receiver: str
    status: Status
    alerts: tuple[AlertmanagerAlert, ...]
    group_labels: Mapping[str, str]
    common_labels: Mapping[str, str]
    common_annotations: Mapping[str, str]
    external_url: str = msgspec.field(default="", name="externalURL")


def encode(notification: Notification, receiver: str) -> bytes:
    """Return the body; an update is its alert firing on, with more annotations, and a test fires with `test` = true."""
    alerts = tuple(_alert(alert, notification) for alert in notification.alerts) or (_bare_test(notification),)
    group = _common(_grouping(alert) for alert in alerts)
    return msgspec.json.encode(
        AlertmanagerBody(
            group_key="{}:{" + ", ".join(f"{name}={_quoted(value)}" for name, value in group.items()) + "}",
            receiver=receiver,
            status="resolved" if all(alert.status == "resolved" for alert in alerts) else "firing",
            alerts=alerts,
            group_labels=group,
            common_labels=_common(alert.labels for alert in alerts),
            common_annotations=_common(alert.annotations for alert in alerts),
        )
    )


def is_news(notification: Notification) -> bool:
    """Tell whether there is anything to send: an update of what is over would be one more end of it."""
    over = all(alert.resolved_at for alert in notification.alerts)
    return notification.kind is not NotificationKind.UPDATE or not over


def fingerprint(rule: str, subject: str, host: str) -> str:
    """Return what tells an alert from all others, the same for every episode of it."""
    return hashlib.sha256(f"{rule}\0{subject}\0{host}".encode()).hexdigest()[:FINGERPRINT_DIGITS]


def _alert(alert: AlertFacts, notification: Notification) -> AlertmanagerAlert:
    ended = alert.resolved_at or (notification.at if notification.kind is NotificationKind.RESOLVED else None)
    labels = {
        "alertname": alert.rule,
        "severity": alert.severity.value,
        "host": notification.host,
        "subject_kind": alert.subject.kind.value,
        "subject_name": alert.subject.name,
    }
    return AlertmanagerAlert(
        status="resolved" if ended else "firing",
        labels=labels | _test_label(notification),
        annotations=_annotations(alert),
        starts_at=alert.since,
        ends_at=ended or NOT_ENDED,
        fingerprint=fingerprint(alert.rule, str(alert.subject), notification.host),
    )


def _bare_test(notification: Notification) -> AlertmanagerAlert:
    return AlertmanagerAlert(
        status="firing",
        labels={"alertname": "test", "severity": "info", "host": notification.host, **_test_label(notification)},
        annotations={"summary": "A test message, nothing is wrong."},
        starts_at=notification.at,
        ends_at=NOT_ENDED,
        fingerprint=fingerprint("test", "", notification.host),
    )


def _test_label(notification: Notification) -> dict[str, str]:
    return {"test": "true"} if notification.kind is NotificationKind.TEST else {}


def _annotations(alert: AlertFacts) -> dict[str, str]:
    said = {
        "title": alert.title,
        "summary": alert.summary,
        "description": alert.diagnosis,
        "value": alert.value,
        "limit": alert.limit,
        "resolved_because": alert.resolved_because,
        "done": "\n".join(alert.done),
        "next_steps": "\n".join(alert.next_steps),
        "consequences": "\n".join(alert.consequences),
        **{f"evidence_{name}": value for name, value in alert.evidence.items()},
    }
    return {name: clean(words) for name, words in said.items() if words}


def _grouping(alert: AlertmanagerAlert) -> dict[str, str]:
    return {name: alert.labels[name] for name in ("alertname", "host")}


def _common(each: Iterable[Mapping[str, str]]) -> dict[str, str]:
    first, *others = each
    return {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}


def _quoted(value: str) -> str:
    return msgspec.json.encode(value).decode()
