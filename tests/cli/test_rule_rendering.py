"""How rules look."""

from __future__ import annotations

import io

from semsupervisor.cli import rule_rendering
from semsupervisor.cli.rendering import Paper


def test_no_rules_are_no_lines() -> None:
    """A daemon without rules has nothing to list."""
    page = io.StringIO()
    rule_rendering.listed({"now": "2026-03-01T12:00:00Z", "rules": []}, Paper(page))
    assert page.getvalue() == ""


def test_what_matters_stands_first() -> None:
    """Firing, pending, what would hold, what is unknown, and the rest as it came."""
    page = io.StringIO()
    states = [
        {"subject": name, "state": state, "value": "1", "seen_at": "2026-03-01T12:00:00Z"}
        for name, state in (
            ("probe:clear", "clear"),
            ("probe:unknown", "unknown"),
            ("probe:firing", "firing"),
            ("probe:new", "a state of a later version"),
            ("probe:pending", "pending"),
        )
    ]
    rule = {
        "kind": "probe",
        "name": "slow",
        "severity": "info",
        "enabled": True,
        "origin": "shipped",
        "fact": "age",
        "condition": "above 5",
        "subjects": [],
        "for_seconds": 0.0,
        "until": "",
        "clear_for_seconds": 0.0,
        "states": states,
    }
    rule_rendering.listed({"now": "2026-03-01T12:00:00Z", "rules": [rule]}, Paper(page))
    shown = [line.split()[0] for line in page.getvalue().splitlines()[3:]]
    assert shown == ["probe:firing", "probe:pending", "probe:unknown", "probe:clear", "probe:new"]
