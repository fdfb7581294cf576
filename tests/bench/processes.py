"""What the kernel counts of processes: processor time, memory, bytes written."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

TICKS = os.sysconf("SC_CLK_TCK")


class Memory(msgspec.Struct, frozen=True):
    """A process's memory in MB (10^6 bytes): its peak, what it has now, and its share of what it has with others."""

    peak: float
    resident: float
    proportional: float


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and of its children that have ended; 0 when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    return sum(int(word) for word in stat.rpartition(")")[2].split()[11:15]) / TICKS


def thread_seconds(pid: int) -> float:
    """Return the processor time of a process's present threads, to the nanosecond."""
    nanoseconds = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            nanoseconds += int((task / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def memory(pid: int) -> Memory:
    """Return what a process has of memory."""
    status, rollup = _kilobytes(pid, "status"), _kilobytes(pid, "smaps_rollup")
    return Memory(status["VmHWM"] / 1e6, status["VmRSS"] / 1e6, rollup["Pss"] / 1e6)


def bytes_written(pid: int) -> int:
    """Return what a process has made the kernel write to disks, without what was taken back in time."""
    counts = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(counts["write_bytes"]) - int(counts["cancelled_write_bytes"])


def naming(text: str, commands: tuple[str, ...]) -> list[int]:
    """Return the processes of some commands, by the beginnings of their names, whose command line holds a text."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            name, line = (process / "comm").read_text(), (process / "cmdline").read_bytes()
        except OSError:
            continue
        if name.startswith(commands) and text.encode() in line:
            found.append(int(process.name))
    return found


def _kilobytes(pid: int, file: str) -> dict[str, int]:
    lines = (line.split() for line in Path(f"/proc/{pid}/{file}").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words[-1] == "kB"}
