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
    """Return a line as `docker events` writes it."""
    return {"timeNano": int(at * 1e9), "Action": action, "Actor": {"Attributes": {SERVICE_LABEL: service}}}


def witnessed(folder: Path, told: Told, moods: Sequence[tuple[float, str]] = ()) -> Truth:
    """Return the truth of these events, and moods of the health endpoint."""
    events, health = folder / "events", folder / "health"
    events.write_text("".join(json.dumps(event(at, action)) + "\n" for at, action in told))
    health.write_text("".join(json.dumps({"mood": mood, "at": int(at * 1e9)}) + "\n" for at, mood in moods))
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
        (3, "health_status: unhealthy"),
        (4, "die"),
        (5, "start"),
        (6, "health_status: healthy"),
        (7, "health_status: unhealthy"),
        (8, "kill"),
        (9, "die"),
    ]
    truth = witnessed(tmp_path, told)
    assert truth.periods[PAUSED, NATS] == [Period(1, 2)]
    assert truth.periods[UNHEALTHY, NATS] == [Period(3, 6), Period(7, 9)]
    assert truth.holds(STOPPED, NATS)
    assert not truth.holds(UNHEALTHY, NATS)


def test_moods_have_their_periods(tmp_path: Path) -> None:
    """A status goes on to count while nobody listens, since nothing says that it is over."""
    truth = witnessed(tmp_path, [], [(1, "unhealthy"), (2, "down"), (3, "degraded"), (4, "healthy")])
    assert truth.periods[SICK, SEMSTREAMS] == [Period(1, 3)]
    assert truth.periods[REFUSED, SEMSTREAMS] == [Period(2, 3)]
    assert truth.periods[LIMITED, SEMSTREAMS] == [Period(3, 4)]


def test_three_deaths_in_ten_minutes_are_a_loop(tmp_path: Path) -> None:
    """It holds from the third death until the first lies ten minutes back."""
    truth = witnessed(tmp_path, [(at, action) for n in (0, 100, 200) for at, action in ((n, "die"), (n + 1, "start"))])
    assert not truth.loops(NATS, 199)
    assert truth.loops(NATS, 200)
    assert truth.loops(NATS, 600)
    assert not truth.loops(NATS, 601)


def test_a_half_written_line_is_not_read(tmp_path: Path) -> None:
    """The witness may be in the middle of a line."""
    health = tmp_path / "health"
    health.touch()
    events = tmp_path / "events"
    events.write_text(json.dumps(event(1, "die")) + "\n" + '{"timeNano": 2, "Act')
    assert of_logs(events, health).deaths(NATS) == [1.0]
