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
CHUNK_BYTES = 16 * 1024
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
        self._last: asyncio.subprocess.Process | None = None

    async def run(self, timeout_seconds: float) -> Ended:
        """Run it in a group of its own, at low priority, and kill the whole group when it takes too long.

        Raises: TimedOut, NotRun, StillThere.
        """
        if self._last is not None and self._last.returncode is None:
            raise StillThere(f"{self._command[0]}: an earlier run was killed and has not gone yet")
        began = self._clock.monotonic()
        output, errors = await _Kept.opened(), await _Kept.opened()
        try:
            self._last = process = await _started(self._command, output.end, errors.end)
        except BaseException:
            output.close()
            errors.close()
            raise
        reading = asyncio.gather(output.read(), errors.read())
        try:
            async with asyncio.timeout(timeout_seconds):
                exit_code = await process.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEFT_OPEN_SECONDS):
                    await asyncio.shield(reading)
        except TimeoutError as error:
            raise TimedOut(f"{self._command[0]}: not ended within {timeout_seconds:g} s, and killed") from error
        finally:
            if process.returncode is None or not reading.done():
                await _end_group(process)
            reading.cancel()
            output.close()
            errors.close()
        return Ended(exit_code, output.text, errors.text, self._clock.monotonic() - began)


class _Kept:
    """The begin of what comes through a pipe, which is read to its end so that the writer is never held up.

    The pipe is our own: asyncio takes a program with pipes of its own for ended only when all of them are closed, and a
    child that outlives the program keeps them open. `end` is where the program writes.
    """

    def __init__(self, transport: asyncio.ReadTransport, stream: asyncio.StreamReader, end: int) -> None:
        self.text = b""
        self.end = end
        self._transport = transport
        self._stream = stream

    @classmethod
    async def opened(cls) -> _Kept:
        """Return a new pipe, to be closed."""
        begin, end = os.pipe()
        stream = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(begin, "rb", buffering=0)
        )
        return cls(transport, stream, end)

    async def read(self) -> None:
        """Read until nobody can write any more."""
        self._close_end()
        while chunk := await self._stream.read(CHUNK_BYTES):
            self.text += chunk[: MOST_OUTPUT_BYTES - len(self.text)]

    def close(self) -> None:
        """Give the pipe up, whoever may still write into it."""
        self._close_end()
        self._transport.close()

    def _close_end(self) -> None:
        end, self.end = self.end, -1
        if end >= 0:
            os.close(end)


async def _started(command: Sequence[str], output: int, errors: int) -> asyncio.subprocess.Process:
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env={"LANG": "C.UTF-8", **{name: os.environ[name] for name in HANDED_ON if name in os.environ}},
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise NotRun(f"{command[0]}: cannot be started: {reason(error)}") from error
    with contextlib.suppress(ProcessLookupError):
        os.setpriority(os.PRIO_PGRP, process.pid, NICENESS)
    return process


async def _end_group(process: asyncio.subprocess.Process) -> None:
    """Kill a program and what it started. Its number is its own still: it, or who holds its output, is there."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LEFT_OPEN_SECONDS):
            await process.wait()
