"""The faults that are acts: crashing, eating memory, letting a child eat it, flooding the log."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from semstreams_standin.faults import Fault, FaultBook
from semstreams_standin.logs import Log
from semstreams_standin.metrics import resident_bytes

MIB = 1024 * 1024
CHILD = """
import pathlib
pathlib.Path("/proc/self/oom_score_adj").write_text("1000")
eaten = []
while True:
    eaten.append(b"x" * 8388608)
"""


def crash(log: Log, exit_code: int) -> NoReturn:
    """End this process as a crash does: a last line, no cleaning up. With code 0 it is a silent end."""
    if exit_code != 0:
        log.write("error", "main", "panic: runtime error: made to crash on request", exit_code=exit_code)
    os._exit(exit_code)


class Misdeeds:
    """Carries out the faults that need something to run beside the server."""

    def __init__(self, faults: FaultBook, log: Log, spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self._faults = faults
        self._log = log
        self._spawn = spawn
        self._eaten: list[bytes] = []

    def after_answer(self, fault: Fault) -> Callable[[], None] | None:
        """What has to happen once the request that asked for the fault is answered."""
        if fault["only_version"] and self._faults.get(fault.name) is None:
            return None
        if fault.name in ("crash", "crash_loop"):
            return lambda: crash(self._log, fault["exit_code"])
        if fault.name in ("oom", "oom_child", "leak", "log_spam"):
            return lambda: self._spawn(self.run(fault))
        return None

    async def run(self, fault: Fault) -> None:
        """Do what the fault says until it is over or cleared."""
        match fault.name:
            case "crash_loop":
                await asyncio.sleep(fault["after_seconds"])
                if self._faults.get(fault.name) is not None:
                    crash(self._log, fault["exit_code"])
            case "oom":
                await self._eat(float("inf"), 0.0)
            case "leak":
                await self._eat(fault["mib_per_second"], fault["until_mib"])
            case "oom_child":
                await self._child()
            case "log_spam":
                await self._spam(fault)
            case name:
                raise ValueError(f"{name} is not an act")

    async def _eat(self, mib_per_second: float, until_mib: float) -> None:
        name = "oom" if mib_per_second == float("inf") else "leak"
        step_mib = 16 if name == "oom" else max(1, round(mib_per_second / 10))
        while self._faults.get(name) is not None:
            room_bytes = step_mib * MIB if until_mib == 0 else int(until_mib * MIB) - resident_bytes()
            if room_bytes > 0:
                self._eaten.append(b"x" * min(step_mib * MIB, room_bytes))
            await asyncio.sleep(step_mib / mib_per_second)
        self._eaten.clear()

    async def _child(self) -> None:
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD)
        self._log.write("info", "main", "Child process started", pid=child.pid)
        code = await child.wait()
        self._faults.clear("oom_child")
        self._log.write("error", "main", "Child process ended", pid=child.pid, exit_code=code)

    async def _spam(self, fault: Fault) -> None:
        lines = max(1, round(fault["lines_per_second"] / 10))
        for _ in range(round(fault["seconds"] * 10)):
            if self._faults.get("log_spam") is None:
                return
            for _ in range(lines):
                self._log.write(fault["level"], "graph-processor", fault["message"])
            await asyncio.sleep(0.1)
        self._faults.clear("log_spam")
