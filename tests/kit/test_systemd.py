"""Speaking to systemd, over a real datagram socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from semsupervisor.kit.systemd import Notifier
from tests.support.clock import ManualClock


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    """Return the socket that systemd would listen on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(5)
        yield listening


def told(listening: socket.socket) -> list[str]:
    """Return the lines of the next message."""
    return listening.recv(4096).decode().split("\n")


def speaking_to(listening: socket.socket) -> Notifier:
    """Return what speaks to that socket."""
    return Notifier(str(listening.getsockname()), None, ManualClock())


async def test_each_state_has_its_words(heard: socket.socket) -> None:
    """Ready, reloading, stopping, status and the sign of life are as sd_notify wants them."""
    notifier = speaking_to(heard)
    notifier.ready("watching\n2  services")
    notifier.reloading("loading the settings")
    notifier.stopping("ending")
    notifier.status("1 alert")
    notifier.alive()
    assert [told(heard) for _ in range(5)] == [
        ["READY=1", "STATUS=watching 2 services"],
        ["RELOADING=1", "MONOTONIC_USEC=1000000000", "STATUS=loading the settings"],
        ["STOPPING=1", "STATUS=ending"],
        ["STATUS=1 alert"],
        ["WATCHDOG=1"],
    ]


def test_an_abstract_socket_is_understood() -> None:
    """An address that begins with @ is in the abstract namespace."""
    name = f"semsupervisor-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        listening.settimeout(5)
        Notifier(f"@{name}", None, ManualClock()).alive()
        assert told(listening) == ["WATCHDOG=1"]


@pytest.mark.parametrize(
    ("environment", "watchdog_seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_watchdog_counts_only_for_us(environment: dict[str, str], watchdog_seconds: float | None) -> None:
    """The interval is read in seconds if it is one and meant for this process."""
    notifier = Notifier.take_from(environment, ManualClock())
    assert notifier.watchdog_seconds == watchdog_seconds
    assert environment == {}


def test_children_do_not_inherit_the_socket(heard: socket.socket) -> None:
    """The socket's address is taken out of the environment, and still used."""
    environment = {"NOTIFY_SOCKET": str(heard.getsockname()), "PATH": "/bin"}
    Notifier.take_from(environment, ManualClock()).alive()
    assert told(heard) == ["WATCHDOG=1"]
    assert environment == {"PATH": "/bin"}


def test_without_systemd_nothing_is_said() -> None:
    """Outside systemd every call does nothing, and says nothing of it."""
    with capture_logs() as logs:
        Notifier("", None, ManualClock()).ready("fine")
    assert logs == []


def test_a_socket_that_does_not_answer_is_told_once(tmp_path: Path) -> None:
    """A message that cannot be sent raises nothing; it is logged once until one gets through again."""
    path = tmp_path / "notify"
    notifier = Notifier(str(path), None, ManualClock())
    with capture_logs() as logs:
        notifier.alive()
        notifier.alive()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
            listening.bind(str(path))
            notifier.alive()
        notifier.alive()
    assert [entry["event"] for entry in logs] == ["systemd.unreachable", "systemd.unreachable"]


def test_a_full_socket_does_not_block(heard: socket.socket) -> None:
    """When systemd reads nothing any more, messages are lost and the loop goes on."""
    notifier = speaking_to(heard)
    with capture_logs() as logs:
        for _ in range(10_000):
            notifier.alive()
            if logs:
                break
    assert logs[0]["event"] == "systemd.unreachable"
