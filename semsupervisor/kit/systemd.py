"""What a service tells systemd over its notification socket, and how often the watchdog wants to hear of it.

The protocol is that of sd_notify(3): datagrams of `NAME=value` lines to the socket named by NOTIFY_SOCKET.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

import structlog

from semsupervisor.kit.clock import Clock

log = structlog.get_logger(__name__)


class Notifier:
    """Tells systemd how the service stands. Without a socket to tell it to, every call does nothing.

    No call blocks or raises: a message that systemd does not take is logged and lost, which for a watchdog's sign
    of life is what should happen.
    """

    def __init__(self, address: str, watchdog_seconds: float | None, clock: Clock) -> None:
        self._address = address.replace("@", "\0", 1) if address.startswith("@") else address
        self._clock = clock
        self._silenced = False
        self.watchdog_seconds = watchdog_seconds

    @classmethod
    def take_from(cls, environment: MutableMapping[str, str], clock: Clock) -> Notifier:
        """Build it from what systemd set, and take that out so that no child speaks in the service's name."""
        address = environment.pop("NOTIFY_SOCKET", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        pid = environment.pop("WATCHDOG_PID", "")
        ours = not pid or pid == str(os.getpid())
        watchdog = int(microseconds) / 1e6 if ours and microseconds.isdecimal() and int(microseconds) > 0 else None
        return cls(address, watchdog, clock)

    def ready(self, status: str) -> None:
        """Say that starting, or loading the settings again, is done; `status` is the line `systemctl status` shows."""
        self._send("READY=1", f"STATUS={_one_line(status)}")

    def reloading(self, status: str) -> None:
        """Say that the settings are being loaded again; `ready` must follow."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={int(self._clock.monotonic() * 1e6)}", f"STATUS={_one_line(status)}")

    def stopping(self, status: str) -> None:
        """Say that the service is about to end."""
        self._send("STOPPING=1", f"STATUS={_one_line(status)}")

    def status(self, text: str) -> None:
        """Set the line that `systemctl status` shows."""
        self._send(f"STATUS={_one_line(text)}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as way:
                way.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._silenced:
                log.warning("systemd.unreachable", socket=self._address, error=str(error))
            self._silenced = True
        else:
            self._silenced = False


def _one_line(text: str) -> str:
    return " ".join(text.split())
