"""A host with systemd that shuts down, seen from within."""

from __future__ import annotations

import sys

import pytest

from tests.support.commands import REPOSITORY
from tests.support.systemd_host import SystemdHost
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.integration

ASK = "import asyncio; from semsupervisor.systems import host; print(asyncio.run(host.is_shutting_down(5.0)))"
SLOW_TO_STOP = """
[Service]
ExecStart=/bin/sleep 1000
ExecStop=/bin/sleep 20
TimeoutStopSec=30
[Install]
WantedBy=multi-user.target
"""


@pytest.fixture
def stopping_slowly(systemd_host: SystemdHost) -> SystemdHost:
    """Return a host that takes its time to shut down."""
    systemd_host.write("/etc/systemd/system/slow.service", SLOW_TO_STOP)
    systemd_host.systemctl("daemon-reload")
    systemd_host.systemctl("start", "slow")
    return systemd_host


def asked(host: SystemdHost) -> str:
    """Return what a process on that host sees."""
    return host.run("env", f"PYTHONPATH={REPOSITORY}", sys.executable, "-c", ASK)


def test_a_shutdown_is_seen(stopping_slowly: SystemdHost) -> None:
    """A running host does not shut down; once systemd was told to power off, it does."""
    assert asked(stopping_slowly) == "False"
    stopping_slowly.systemctl("poweroff", "--no-block")
    eventually_sync(lambda: asked(stopping_slowly) == "True")
