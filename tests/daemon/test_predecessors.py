"""The look for the runbook's scripts, beside the loop."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from semsupervisor.daemon import predecessors
from semsupervisor.daemon.predecessors import MOST_IN_VAIN, Predecessors
from semsupervisor.health.predecessors import ActiveScript
from semsupervisor.systems.schedules import Scheduled

LINE = Scheduled("/etc/crontab", "/opt/semstreams/backup.sh")
FOUND = (ActiveScript("/opt/semstreams/backup.sh", "/etc/crontab"),)


async def test_an_active_script_is_found_and_its_removal_too() -> None:
    """Each look says what holds then."""
    lines = [LINE]
    looking = Predecessors("/opt/semstreams", lambda: tuple(lines))
    assert not looking.known
    for found in (FOUND, ()):
        await looking.look()
        assert looking.active == found
        lines.clear()
    assert looking.known


async def test_a_look_that_hangs_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was known stays, and nobody waits."""
    monkeypatch.setattr(predecessors, "TIMEOUT_SECONDS", 0.05)
    gate = threading.Event()
    gate.set()

    def read() -> Sequence[Scheduled]:
        gate.wait(30)
        return (LINE,)

    looking = Predecessors("/opt/semstreams", read)
    await looking.look()
    gate.clear()
    await looking.look()
    gate.set()
    assert looking.active == FOUND
    assert looking.known


async def test_what_hangs_is_waited_for_with_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many looks in vain nothing is expected of the host any more."""
    monkeypatch.setattr(predecessors, "TIMEOUT_SECONDS", 0.01)
    gate = threading.Event()

    def read() -> Sequence[Scheduled]:
        gate.wait(30)
        return ()

    looking = Predecessors("/opt/semstreams", read)
    try:
        for _ in range(MOST_IN_VAIN):
            assert not looking.known
            await looking.look()
        assert looking.known
    finally:
        gate.set()
