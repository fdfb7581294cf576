"""Running a program of somebody else's: without a shell, with an end, and without harm to the rest of the host."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence

import msgspec

from semsupervisor.errors import PermanentError, TemporaryError
from semsupervisor.kit.clock import Clock
from semsupervisor.systems.connecting import TimedOut, reason

MOST_OUTPUT_BYTES = 64 * 1024
NICENESS = 10
# What a child of the program keeps open after the program ended is waited for no longer than this.
LEFT_OPEN_SECONDS = 0.5
# Nothing else of our own environment: it may hold secrets.
HANDED_ON = ("PATH", "HOME", "TZ")


class NotRun(PermanentError):
    """The program could not be started."""


class Ended(msgspec.Struct, frozen=True):
    """How a program ended: its exit code, or the signal that ended it below zero, and the begin of what it said."""

    exit_code: int
    output: bytes
    errors: bytes
    elapsed_seconds: float


class StillThere(TemporaryError):
    """An earlier run was killed and is not gone yet: it hangs in the kernel, as on a network file system."""


class Program:
    """One program with its arguments, run now and then, never twice at a time."""

    def __init__(self, command: Sequence[str], clock: Clock) -> None:
        self._command = command
        self._clock = clock
        self._last: asyncio.SubprocessTransport | None = None

    async def run(self, timeout_seconds: float) -> Ended:
        """Run it in a group of its own, at low priority if that may be set, and kill the whole group after too long.

        Raises: TimedOut, NotRun, StillThere.
        """
        if self._last is not None and self._last.get_returncode() is None:
            raise StillThere(f"{self._command[0]}: an earlier run was killed and has not gone yet")
        began = self._clock.monotonic()
        self._last, watch = await _started(self._command)
        try:
            await asyncio.wait({watch.exited}, timeout=timeout_seconds)
            if not watch.exited.done():
                raise TimedOut(f"{self._command[0]}: not ended within {timeout_seconds:g} s, and killed")
            await asyncio.wait({watch.closed}, timeout=LEFT_OPEN_SECONDS)
        finally:
            await _end(self._last, watch)
        exit_code = self._last.get_returncode() or 0
        return Ended(exit_code, watch.kept[1], watch.kept[2], self._clock.monotonic() - began)


class _Watch(asyncio.SubprocessProtocol):
    """Keeps the begin of what a program says, reads the rest away, and notes its end.

    The standard library's own `wait` ends only when nobody holds the program's output any more.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.kept = {1: b"", 2: b""}

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.kept[fd] += data[: MOST_OUTPUT_BYTES - len(self.kept[fd])]

    def process_exited(self) -> None:
        self.exited.set_result(None)

    def connection_lost(self, _: Exception | None) -> None:
        self.closed.set_result(None)


async def _started(command: Sequence[str]) -> tuple[asyncio.SubprocessTransport, _Watch]:
    try:
        transport, watch = await asyncio.get_running_loop().subprocess_exec(
            _Watch,
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            env={"LANG": "C.UTF-8", **{name: os.environ[name] for name in HANDED_ON if name in os.environ}},
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise NotRun(f"{command[0]}: cannot be started: {reason(error)}") from error
    # Under the unit no priority may be set: the program runs with that of the daemon then.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.setpriority(os.PRIO_PGRP, transport.get_pid(), NICENESS)
    return transport, watch


async def _end(transport: asyncio.SubprocessTransport, watch: _Watch) -> None:
    """Kill a program and what it started, unless all of it has ended.

    Its number is its own still: it, or who holds its output, is there.
    """
    if not watch.closed.done():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(transport.get_pid(), signal.SIGKILL)
        await asyncio.wait({watch.exited}, timeout=LEFT_OPEN_SECONDS)
    transport.close()
