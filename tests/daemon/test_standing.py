"""The line that `systemctl status` shows."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from semsupervisor.daemon.standing import Standing, line
from semsupervisor.kit.clock import SystemClock
from semsupervisor.kit.systemd import Notifier
from tests.support.api_world import World, alert


def test_what_is_missing_is_said_from_the_start() -> None:
    """Before the first look nothing is claimed; then the worst is named, and what is missing is not left out."""
    world = World()
    world.listed = False
    assert line(world.readings()) == "compose project semstreams: looking at everything for the first time"
    world.listed = True
    assert line(world.readings()) == "compose project semstreams: healthy: no receiver is set"
    world.alerts = [alert()]
    assert line(world.readings()) == (
        "compose project semstreams: unhealthy: nats ended with code 137 (+1 more: semsupervisor status)"
    )
    world.alerts, world.findings = [], []
    assert line(world.readings()) == "compose project semstreams: healthy"


def test_systemd_is_told(tmp_path: Path) -> None:
    """At the end of the start and from then on, on the one line that it shows."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        standing = Standing(World().readings(), Notifier(str(tmp_path / "notify"), None, SystemClock()))
        standing.ready()
        asyncio.run(standing.show())
        status = "STATUS=compose project semstreams: healthy: no receiver is set"
        assert [systemd.recv(4096).decode() for _ in range(2)] == [f"READY=1\n{status}", status]
