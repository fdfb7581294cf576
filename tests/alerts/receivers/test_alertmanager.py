"""Alertmanager's webhook body."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from semsupervisor.alerts.notification import Notification, NotificationKind
from semsupervisor.alerts.receivers.alertmanager import encode, fingerprint
from semsupervisor.health.observation import Subject, SubjectKind
from tests.support.told import DIED, MEMORY, told


def body(notification: Notification) -> dict[str, Any]:
    """Return the body as a receiver reads it."""
    read: dict[str, Any] = json.loads(encode(notification, "ops"))
    return read


def test_a_firing_alert_looks_as_from_alertmanager() -> None:
    """Version 4, with all of its fields, labels that identify and annotations that explain."""
    said = body(told(NotificationKind.FIRING))
    labels = {
        "alertname": "container_died",
        "severity": "critical",
        "host": "edge-7",
        "subject_kind": "service",
        "subject_name": "semstreams",
    }
    annotations = {
        "title": "Container died",
        "summary": DIED.summary,
        "description": DIED.diagnosis,
        "value": "yes",
        "limit": "equals yes",
        "next_steps": "docker compose logs --tail=100 semstreams\ndocker compose up -d semstreams",
        "consequences": "SemStreams unreachable",
        "evidence_exit_code": "137",
        "evidence_last_log_lines": "first line\nlast <line> & more",
    }
    assert said == {
        "version": "4",
        "groupKey": '{}:{alertname="container_died", host="edge-7"}',
        "truncatedAlerts": 0,
        "receiver": "ops",
        "status": "firing",
        "alerts": [
            {
                "status": "firing",
                "labels": labels,
                "annotations": annotations,
                "startsAt": "2026-03-01T12:00:00Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "",
                "fingerprint": fingerprint("container_died", "service:semstreams", "edge-7"),
            }
        ],
        "groupLabels": {"alertname": "container_died", "host": "edge-7"},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "",
    }


def test_the_end_carries_its_time_and_the_same_labels() -> None:
    """A resolved alert has the fingerprint and the group of its firing."""
    began, over = body(told(NotificationKind.FIRING)), body(told(NotificationKind.RESOLVED))
    assert (over["status"], over["alerts"][0]["status"]) == ("resolved", "resolved")
    assert over["alerts"][0]["endsAt"] == "2026-03-01T12:00:02.300000Z"
    assert over["alerts"][0]["annotations"]["resolved_because"] == "semstreams runs again"
    for name in ("fingerprint", "labels", "startsAt"):
        assert over["alerts"][0][name] == began["alerts"][0][name]
    assert over["groupKey"] == began["groupKey"]


def test_an_end_of_unknown_time_is_when_it_was_told() -> None:
    """A resolved alert never has the end of one that fires."""
    notification = msgspec.structs.replace(told(NotificationKind.RESOLVED), alerts=(DIED,))
    assert body(notification)["alerts"][0]["endsAt"] == "2026-03-01T12:00:00Z"


def test_several_alerts_share_what_they_have_in_common() -> None:
    """Common labels and annotations are those that all have with the same value."""
    said = body(told(NotificationKind.FIRING, DIED, MEMORY))
    assert said["commonLabels"] == {"host": "edge-7", "subject_kind": "service"}
    assert said["commonAnnotations"] == {}
    assert said["groupLabels"] == {"host": "edge-7"}
    assert len(said["alerts"]) == 2


def test_an_update_is_the_alert_firing_on() -> None:
    """Alertmanager knows no updates: it repeats what fires."""
    assert body(told(NotificationKind.UPDATE)) == body(told(NotificationKind.FIRING))


@pytest.mark.parametrize("alerts", [(), (DIED,)])
def test_a_test_is_marked(alerts: tuple[object, ...]) -> None:
    """A receiver can tell a test by its label, with or without an example alert."""
    said = body(msgspec.structs.replace(told(NotificationKind.TEST), alerts=alerts))
    assert said["alerts"][0]["labels"]["test"] == "true"
    assert said["alerts"][0]["labels"]["host"] == "edge-7"


def test_the_fingerprint_tells_alerts_apart() -> None:
    """Rule, subject and host each count; the episode does not."""
    prints = {
        fingerprint(rule, str(Subject(SubjectKind.SERVICE, name)), host)
        for rule in ("a", "b")
        for name in ("x", "y")
        for host in ("1", "2")
    }
    assert len(prints) == 8
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in prints)
    other = msgspec.structs.replace(DIED, id="another episode")
    first, second = body(told(NotificationKind.FIRING)), body(told(NotificationKind.FIRING, other))
    assert first["alerts"][0]["fingerprint"] == second["alerts"][0]["fingerprint"]


def test_annotations_are_without_control_characters() -> None:
    """Colours of a log do not end up in somebody's chat."""
    coloured = msgspec.structs.replace(DIED, evidence={"last_log_lines": "\x1b[31mred\x1b[0m"})
    said = body(told(NotificationKind.FIRING, coloured))
    assert said["alerts"][0]["annotations"]["evidence_last_log_lines"] == "red"
