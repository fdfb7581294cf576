"""The witnesses' logs become the periods in which rules held, by the events alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.faults.truth import (
    DIED,
    LIMITED,
    PAUSED,
    REFUSED,
    SEMSTREAMS,
    SERVICE_LABEL,
    SICK,
    STOPPED,
    UNHEALTHY,
    Period,
    Truth,
    of_logs,
)

NATS = "service:nats"
Told = list[tuple[float, str]]


def event(at: float, action: str, service: str = "nats") -> dict[str, Any]:
    """Return a line as `docker events` writes it; a number behind the action is an exit code."""
    action, _, code = action.partition(" ")
    attributes = {SERVICE_LABEL: service, "exitCode": code}
    return {"timeNano": int(at * 1e9), "Action": action, "Actor": {"Attributes": attributes}}


def witnessed(folder: Path, told: Told, health_told: Sequence[dict[str, Any]] = ()) -> Truth:
    """Return the truth of these events, and lines of the health endpoint."""
    events, health = folder / "events", folder / "health"
    events.write_text("".join(json.dumps(event(at, action)) + "\n" for at, action in told))
    health.write_text("".join(json.dumps(line) + "\n" for line in health_told))
    return of_logs(events, health)


@pytest.mark.parametrize(
    ("told", "died", "stopped"),
    [
        ([(1, "die"), (2, "start")], [Period(1, 2)], []),
        ([(1, "kill"), (2, "die"), (3, "stop"), (4, "start")], [], [Period(2, 4)]),
        ([(1, "kill"), (2, "die"), (3, "destroy"), (4, "create"), (5, "start")], [], [Period(2, 5)]),
        ([(1, "kill"), (2, "die"), (3, "stop"), (4, "start"), (5, "restart")], [], [Period(2, 4)]),
        ([(1, "die"), (2, "stop"), (3, "start")], [Period(1, 2)], [Period(2, 3)]),
        ([(1, "kill"), (2, "die"), (3, "start"), (4, "die")], [Period(4)], [Period(2, 3)]),
        ([(2, "start"), (1, "die")], [Period(1, 2)], []),
    ],
)
def test_deaths_are_told_from_requests(tmp_path: Path, told: Told, died: list[Period], stopped: list[Period]) -> None:
    """A signal through the engine before a death, or a stop after it, was somebody's request; order is by stamp."""
    truth = witnessed(tmp_path, told)
    assert truth.periods.get((DIED, NATS), []) == died
    assert truth.periods.get((STOPPED, NATS), []) == stopped


def test_pauses_and_health_have_their_periods(tmp_path: Path) -> None:
    """What was unhealthy before a death is so until a check succeeds, or somebody ends it."""
    told: Told = [
        (1, "pause"),
        (2, "unpause"),
        (3, "exec_die 1"),
        (4, "die"),
        (5, "start"),
        (6, "exec_die 0"),
        (7, "exec_die 1"),
        (8, "kill"),
        (9, "die"),
    ]
    truth = witnessed(tmp_path, told)
    assert truth.periods[PAUSED, NATS] == [Period(1, 2)]
    assert truth.periods[UNHEALTHY, NATS] == [Period(3, 6), Period(7, 9)]
    assert truth.holds(STOPPED, NATS)
    assert not truth.holds(UNHEALTHY, NATS)


def test_answers_have_their_periods(tmp_path: Path) -> None:
    """A status counts until another one is answered: while nobody listens, and before anybody asks, nobody knows."""
    lines = [
        {"answered": "unhealthy", "at": 1 * 10**9},
        {"mood": "down", "at": 2 * 10**9},
        {"mood": "degraded", "at": 3 * 10**9},
        {"answered": "degraded", "at": 4 * 10**9},
        {"mood": "healthy", "at": 5 * 10**9},
        {"answered": "healthy", "at": 6 * 10**9},
    ]
    truth = witnessed(tmp_path, [], lines)
    assert truth.periods[SICK, SEMSTREAMS] == [Period(1, 4)]
    assert truth.periods[REFUSED, SEMSTREAMS] == [Period(2, 4)]
    assert truth.periods[LIMITED, SEMSTREAMS] == [Period(4, 6)]


def test_an_answer_may_have_died_with_a_daemon(tmp_path: Path) -> None:
    """Until somebody can ask again, what it ended may still be open; what ended well before may not."""
    lines = [
        {"answered": "degraded", "at": 1 * 10**9},
        {"answered": "unhealthy", "at": 2 * 10**9},
        {"answered": "healthy", "at": 9 * 10**9},
        {"mood": "down", "at": 10 * 10**9},
    ]
    truth = witnessed(tmp_path, [], lines)
    assert truth.true_now(SICK, SEMSTREAMS, 20)
    assert not truth.true_now(LIMITED, SEMSTREAMS, 20)
    healed = witnessed(tmp_path, [], [*lines, {"answered": "healthy", "at": 15 * 10**9}])
    assert not healed.true_now(SICK, SEMSTREAMS, 20)


def test_three_deaths_in_ten_minutes_are_a_loop(tmp_path: Path) -> None:
    """It holds from the third death until the first lies ten minutes back."""
    truth = witnessed(tmp_path, [(at, action) for n in (0, 100, 200) for at, action in ((n, "die"), (n + 1, "start"))])
    assert not truth.loops(NATS, 199)
    assert truth.loops(NATS, 200)
    assert truth.loops(NATS, 600)
    assert not truth.loops(NATS, 601)


def test_a_stop_by_hand_ends_a_loop(tmp_path: Path) -> None:
    """What is not clearly before or behind it is judged in the favour that is asked for."""
    deaths: Told = [(at, action) for n in (0, 100, 200) for at, action in ((n, "die"), (n + 1, "start"))]
    truth = witnessed(tmp_path, [*deaths, (300, "kill"), (301, "die"), (302, "start"), (310, "die"), (311, "start")])
    assert truth.loops(NATS, 300)
    assert not truth.loops(NATS, 301)
    assert not truth.loops(NATS, 310)
    assert truth.loops(NATS, 303, 3)
    assert not truth.loops(NATS, 299, -3)


def test_a_half_written_line_is_not_read(tmp_path: Path) -> None:
    """The witness may be in the middle of a line."""
    health = tmp_path / "health"
    health.touch()
    events = tmp_path / "events"
    events.write_text(json.dumps(event(1, "die")) + "\n" + '{"timeNano": 2, "Act')
    assert of_logs(events, health).deaths(NATS) == [1.0]
