"""The daemon: the one place where all parts are put together."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import structlog

from semsupervisor.daemon.configuration import configure
from semsupervisor.daemon.root import Daemon
from semsupervisor.errors import PermanentError, SettingsError
from semsupervisor.kit import memory
from semsupervisor.kit.clock import SystemClock
from semsupervisor.kit.logging import configure as configure_logging
from semsupervisor.kit.systemd import Notifier

log = structlog.get_logger(__name__)

FINE, FAILED, USAGE = 0, 1, 2
# By then each check has looked once, and has what it needs.
SETTLED_SECONDS = 60.0


def run(settings_path: Path | None) -> int:
    """Run the daemon to its end: 0 when it was asked to end, 1 when it cannot run, 2 when its settings are refused."""
    clock = SystemClock()
    notifier = Notifier.take_from(os.environ, clock)
    try:
        configuration = configure(settings_path)
    except SettingsError as error:
        sys.stderr.write("".join(f"{problem}\n" for problem in error.problems))
        return USAGE
    configure_logging(configuration.settings.log.level, configuration.settings.log.format)
    try:
        asyncio.run(_run(Daemon(configuration, settings_path, clock, notifier)))
    except ExceptionGroup as group:
        expected, others = group.split(PermanentError)
        if others or expected is None:
            raise
        for reason in expected.exceptions:
            log.error("daemon.cannot_run", error=str(reason))
        return FAILED
    return FINE


async def _run(daemon: Daemon) -> None:
    memory.give_back()
    asyncio.get_running_loop().call_later(SETTLED_SECONDS, memory.give_back)
    await daemon.run()
