"""How one alert looks on a terminal."""

from __future__ import annotations

import io
from typing import Any

from semsupervisor.cli import alert_rendering
from semsupervisor.cli.rendering import Paper

NOW = "2026-03-01T12:00:00Z"


def alert(**changes: Any) -> dict[str, Any]:
    """Return an alert of the daemon's answer."""
    return {
        "id": "1",
        "rule": "container_died",
        "title": "Container died",
        "subject": "service:nats",
        "severity": "critical",
        "state": "firing",
        "summary": "nats ended with exit code 137.",
        "value": "yes",
        "limit": "equals yes",
        "since": "2026-03-01T11:55:00Z",
        "seen_at": "2026-03-01T11:59:56Z",
        "known": True,
        "fired_at": "2026-03-01T11:55:00Z",
        "resolved_at": None,
        "resolved_because": "",
        "told": ["ops"],
        "muted_by": "",
        "caused_by": None,
        "evidence": {},
        "diagnosis": "",
        "next_steps": [],
        **changes,
    }


def listed(**changes: Any) -> list[str]:
    """Return the lines of an alert in a list."""
    out = io.StringIO()
    alert_rendering.listed(alert(**changes), [], NOW, Paper(out))
    return out.getvalue().splitlines()


def test_the_end_of_the_log_is_enough_in_a_list() -> None:
    """The last five lines stand there, with how many more there are and what shows them; none is too long."""
    log = "\n".join(f"{number} {'x' * 300}" for number in range(50))
    lines = listed(evidence={"last_log_lines": log})
    assert lines[3:5] == ["  last log lines:", "    (45 lines more: semsupervisor alerts show container_died)"]
    assert [line.split()[0] for line in lines[5::2]] == ["45", "46", "47", "48", "49"]
    assert lines[-1].endswith("x…")
    assert max(map(len, lines)) <= 80
    assert "more" not in " ".join(listed(evidence={"last_log_lines": "a\nb"}))


def test_a_list_tells_what_happened_and_no_more() -> None:
    """What describes the container, and what the summary says already, is left to `alerts show`."""
    evidence = {
        "image": "nats:2.14",
        "restarts": "3",
        "signal": "9 (SIGKILL)",
        "error": "nats ended with exit code 137",
    }
    assert listed(evidence=evidence)[2] == "  told ops; last seen 4 s ago; signal: 9 (SIGKILL)"


def test_a_measured_value_stands_beside_its_limit() -> None:
    """A yes or no is said by the summary, a number is not."""
    assert listed(value="91 %", limit="above 90 %")[2] == "  91 % (alert: above 90 %); told ops; last seen 4 s ago"


def test_why_nobody_was_told_is_said() -> None:
    """A muted alert names what muted it, one that cannot be seen says so."""
    assert listed(told=[], muted_by="its cause fires", known=False)[2] == (
        "  told nobody: its cause fires; cannot be seen now, last seen 4 s ago"
    )
    assert "told nobody: not yet" in listed(told=[])[2]


def test_a_sentence_names_its_subject() -> None:
    """A rule of one's own may leave it out."""
    assert alert_rendering.sentence(alert(summary="It is slow.")) == "service:nats: It is slow."


def test_all_of_an_alert_is_shown() -> None:
    """Times, value, rule and number, every piece of evidence, and of a log every line to its end."""
    out = io.StringIO()
    log = "\n".join(["x" * 200] * 10)
    full = alert(
        evidence={"image": "nats:2.14", "last_log_lines": log}, diagnosis="Mean.", next_steps=["docker logs nats"]
    )
    alert_rendering.shown(full, [alert(title="NATS unreachable")], NOW, Paper(out))
    lines = out.getvalue().splitlines()
    assert lines[:5] == [
        "critical  Container died  service:nats  firing, for 5 min",
        "  nats ended with exit code 137.",
        "  Mean.",
        "  $ docker logs nats",
        "  since    2026-03-01 11:55:00Z, 5 min ago",
    ]
    assert "  image    nats:2.14" in lines
    assert "".join(line.strip() for line in lines if "xx" in line) == "x" * 2000
    assert max(map(len, lines)) <= 80
