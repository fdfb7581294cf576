"""Puts the stand-in together and runs it until SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

from semstreams_standin.environment import Environment
from semstreams_standin.faults import FaultBook
from semstreams_standin.http_server import listen
from semstreams_standin.logs import Log
from semstreams_standin.metrics import Figures
from semstreams_standin.misdeeds import Misdeeds, crash
from semstreams_standin.routes import Routes
from semstreams_standin.traffic import Traffic

STATISTICS_SECONDS = 10.0
PERSISTENT_ACTS = ("oom", "oom_child", "leak", "log_spam")


def main() -> None:
    """Run until a signal says to stop; the process then ends with code 0."""
    asyncio.run(_run(Environment.read()))


async def _run(environment: Environment) -> None:
    stopping = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stopping.set)
    log = Log(environment.log_level)
    faults = FaultBook(environment.data, environment.version)
    log.write("info", "main", "SemStreams starting", version=environment.version, dialect=environment.dialect)
    owed = faults.take_crash()
    if owed is not None and owed["after_seconds"] == 0:
        crash(log, owed["exit_code"])
    figures = Figures(log_entries=log.counts)
    traffic = Traffic(environment, faults, figures, log)
    async with asyncio.TaskGroup() as group:
        running: set[asyncio.Task[None]] = set()

        def spawn(work: Coroutine[Any, Any, None]) -> None:
            task = group.create_task(work)
            running.add(task)
            task.add_done_callback(running.discard)

        misdeeds = Misdeeds(faults, log, spawn)
        routes = Routes(environment, faults, figures, traffic, misdeeds, log)
        spawn(traffic.keep())
        spawn(_statistics(log, figures))
        if owed is not None:
            spawn(misdeeds.run(owed))
        servers = [await listen(routes.handle, port) for port in (environment.http_port, environment.metrics_port)]
        for name in PERSISTENT_ACTS:
            if (fault := faults.get(name)) is not None:
                spawn(misdeeds.run(fault))
        log.write("info", "main", "HTTP server listening", port=environment.http_port)
        await stopping.wait()
        log.write("info", "main", "Shutting down")
        for server in servers:
            server.close()
        for task in running:
            task.cancel()
    log.write("info", "main", "Stopped")


async def _statistics(log: Log, figures: Figures) -> None:
    """Say every ten seconds how the messages flow."""
    while True:
        await asyncio.sleep(STATISTICS_SECONDS)
        facts = {"published": figures.published, "processed": figures.processed, "errors": figures.errors}
        log.write("info", "flow-engine", "Flow statistics", **facts)
