"""The message about an alert: its key is its own for ever, and it carries what a reader needs."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.alerts.lifecycle import Alert, resolve
from semsupervisor.alerts.notification import Notification, NotificationKind
from semsupervisor.alerts.rules import Rule
from semsupervisor.alerts.telling import notification
from tests.support.alerting import DIED, SERVICE, alert, changed, moment
from tests.support.clock import START

KINDS = st.sampled_from(NotificationKind)


def told(kind: NotificationKind, about: Alert, rule: Rule | None = DIED, *, later_seconds: float = 0) -> Notification:
    """Return a message about an alert."""
    at = START + timedelta(seconds=later_seconds)
    return notification(kind, about, rule, host="edge-7", at=at, consequences=("SemStreams unreachable",))


@given(st.lists(st.tuples(st.text("abc", min_size=1), KINDS), unique=True), st.integers(0, 10**6))
def test_a_key_is_one_alerts_and_one_kinds(messages: list[tuple[str, NotificationKind]], later_seconds: int) -> None:
    """Keys differ for any two alerts or kinds, and are the same whenever the same message is made again."""
    first = [told(kind, alert(DIED, SERVICE, id=name)).key for name, kind in messages]
    again = [
        told(kind, alert(DIED, SERVICE, id=name, value=False), later_seconds=later_seconds).key
        for name, kind in messages
    ]
    assert first == again
    assert len(set(first)) == len(messages)


def test_a_message_carries_what_a_reader_needs() -> None:
    """What, since when, value and limit, evidence, what it means and what to type for just this subject."""
    about = alert(DIED, SERVICE, evidence={"exit_code": "137"})
    message = told(NotificationKind.FIRING, about, later_seconds=3)
    (facts,) = message.alerts
    assert (message.kind, message.host, message.at) == (NotificationKind.FIRING, "edge-7", START + timedelta(seconds=3))
    assert (facts.id, facts.rule, facts.title, facts.severity) == (about.id, DIED.name, DIED.title, DIED.severity)
    assert (facts.subject, facts.summary, facts.value, facts.limit) == (SERVICE, about.summary, "yes", "equals yes")
    assert (facts.since, facts.evidence, facts.diagnosis) == (START, {"exit_code": "137"}, DIED.diagnosis)
    assert facts.next_steps == ("docker compose up -d semstreams",)
    assert facts.consequences == ("SemStreams unreachable",)
    assert (facts.resolved_at, facts.resolved_because) == (None, "")


def test_the_end_carries_when_and_why() -> None:
    """The message about the end says since when and why it is over."""
    (facts,) = told(NotificationKind.RESOLVED, resolve(alert(DIED, SERVICE), moment(2), "died is no")).alerts
    assert (facts.resolved_at, facts.resolved_because) == (START, "died is no")


def test_the_end_carries_no_log_lines() -> None:
    """What a service wrote before it died is told with its death, and not once more when it runs again."""
    about = alert(DIED, SERVICE, evidence={"exit_code": "137", "last_log_lines": "panic"})
    (fired,) = told(NotificationKind.FIRING, about).alerts
    (over,) = told(NotificationKind.RESOLVED, about).alerts
    assert (fired.evidence, over.evidence) == (about.evidence, {"exit_code": "137"})


def test_an_alert_can_be_told_of_after_its_rule_is_gone() -> None:
    """Without the rule the alert's own words remain; what it means and what to type is not known any more."""
    (facts,) = told(NotificationKind.RESOLVED, alert(DIED, SERVICE), None).alerts
    assert (facts.summary, facts.value, facts.diagnosis, facts.next_steps) == (
        "Container died of semstreams",
        "yes",
        "",
        (),
    )


def test_a_step_names_nothing_but_the_subject() -> None:
    """Braces of the shell in a step stay as they are."""
    rule = changed(DIED, fix=("docker inspect --format '{{.State}}' ${X} {name}",))
    (facts,) = told(NotificationKind.FIRING, alert(DIED, SERVICE), rule).alerts
    assert facts.next_steps == ("docker inspect --format '{{.State}}' ${X} semstreams",)
