"""From an alert to the message about it: which facts it carries, under which key. Pure."""

from __future__ import annotations

from datetime import datetime

from semsupervisor.alerts.lifecycle import Alert
from semsupervisor.alerts.notification import AlertFacts, Notification, NotificationKind, carried
from semsupervisor.alerts.rules import Rule, measured_text, value_text


def notification(
    kind: NotificationKind, alert: Alert, rule: Rule | None, *, host: str, at: datetime, consequences: tuple[str, ...]
) -> Notification:
    """Return the message of this kind about an alert; its key is the same whenever it is made again.

    An alert may outlive its rule: then there is nothing to say of its meaning and of what to type.
    """
    facts = AlertFacts(
        id=alert.id,
        rule=alert.rule,
        title=alert.title,
        severity=alert.severity,
        subject=alert.subject,
        summary=_summary(alert),
        value=measured_text(rule, alert.value) if rule else value_text("", alert.value),
        limit=alert.limit,
        since=alert.since,
        resolved_at=alert.resolved_at,
        resolved_because=alert.resolved_because,
        lasted_seconds=alert.lasted_seconds,
        evidence=carried(kind, alert.evidence),
        diagnosis=rule.diagnosis if rule else "",
        next_steps=tuple(step.replace("{name}", alert.subject.name) for step in rule.fix) if rule else (),
        consequences=consequences,
    )
    return Notification(key=_key(kind, alert), kind=kind, host=host, at=at, alerts=(facts,))


def _key(kind: NotificationKind, alert: Alert) -> str:
    """Return the message's key; what is added about another time is another message."""
    another = f"-{alert.times}" if kind is NotificationKind.UPDATE and alert.times > 1 else ""
    return f"{alert.id}-{kind.value}{another}"


def _summary(alert: Alert) -> str:
    return alert.summary if alert.times == 1 else f"{alert.summary} It has happened {alert.times} times since it began."
