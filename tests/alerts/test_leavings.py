"""Who has an alert's evidence already, of the newest alerts."""

from __future__ import annotations

from semsupervisor.alerts.leavings import MOST_ALERTS, Leavings


def test_who_left_with_evidence_is_said_once() -> None:
    """All receivers of an alert are named together, and then forgotten."""
    leavings = Leavings()
    for receiver in ("mail", "hook", "mail"):
        leavings.add("one", receiver)
    leavings.add("another", "hook")
    assert (leavings.take("one"), leavings.take("one"), leavings.take("another")) == ({"mail", "hook"}, set(), {"hook"})


def test_the_oldest_alerts_are_forgotten() -> None:
    """However many alerts there have been, only so many are remembered."""
    leavings = Leavings()
    for number in range(MOST_ALERTS + 2):
        leavings.add(str(number), "mail")
    assert (leavings.take("0"), leavings.take("1")) == (set(), set())
    assert leavings.take("2") == leavings.take(str(MOST_ALERTS + 1)) == {"mail"}
