"""What the kernel counts of the whole host: memory, processors, pressure, warmth, and whether its clock is kept.

Everything is read from files and by calls of a few microseconds; none starts a program.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import psutil

PRESSURES = Path("/proc/pressure")
UPTIME = Path("/proc/uptime")

# As timedatectl judges: the error that the kernel allows for grows by 500 ppm since the clock was last set right, so
# that it takes some nine hours without a time server to come this far.
LARGEST_ERROR_MICROSECONDS = 16_000_000

# Sensors of processors as their drivers call them; what discs, radios and boards measure has limits of other kinds.
_PROCESSORS = ("coretemp", "k10temp", "zenpower", "cpu", "pkg", "soc")
_OF_PC = ("coretemp", "k10temp", "x86_pkg_temp", "zenpower")
# Boards without a limit of their own, or with one that is meant for a shutdown, slow down from about here on: a
# Raspberry Pi at 85 degrees.
USUAL_LIMIT_CELSIUS = 85.0
# AMD's drivers seldom tell a limit; most of its processors have this one.
PC_LIMIT_CELSIUS = 95.0

# A kernel without, and one that was told at boot to leave it.
_NO_PRESSURES = (errno.ENOENT, errno.EOPNOTSUPP)

# The beginning of the kernel's `struct timex`, up to maxerror, and more than enough room for its rest: adjtimex(2).
_TIMEX = "@Illl"
_ROOM_FOR_TIMEX = 1024


class Memory(msgspec.Struct, frozen=True):
    """The host's memory in bytes; `available` is what programs can still get without any swapping."""

    size_bytes: int
    available_bytes: int


class Swap(msgspec.Struct, frozen=True):
    """The host's swap space in bytes, and what was read back from it since the boot."""

    size_bytes: int
    used_bytes: int
    read_bytes_total: int


class Processors(msgspec.Struct, frozen=True):
    """How many processors there are, the load of the last minute, and their seconds since the boot, busy and all."""

    count: int
    load: float
    busy_seconds: float
    all_seconds: float


class Stalled(msgspec.Struct, frozen=True):
    """Share of the last minute in which at least one program, or all that had work, waited for something; 0 to 1."""

    some_ratio: float
    full_ratio: float


class Sensor(Protocol):
    """One sensor as psutil shows it: degrees Celsius now, and the limit that its driver tells."""

    @property
    def current(self) -> float:
        """Return the temperature."""
        ...

    @property
    def critical(self) -> float | None:
        """Return the limit, None if there is none."""
        ...


class Warmth(msgspec.Struct, frozen=True):
    """The warmest processor and at what temperature it slows itself down, in degrees Celsius."""

    celsius: float
    limit_celsius: float

    @property
    def margin_celsius(self) -> float:
        """Return how many degrees are left."""
        return max(0.0, self.limit_celsius - self.celsius)


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What was read at one moment. `pressures` are by resource (cpu, memory, io), without those the kernel lacks.

    None where the host has no swap, no sensor, or where its kernel may not be asked for the state of the clock.
    """

    memory: Memory
    swap: Swap | None
    processors: Processors
    pressures: Mapping[str, Stalled]
    warmth: Warmth | None
    clock_is_kept: bool | None
    uptime_seconds: float


_LIBC = ctypes.CDLL(None, use_errno=True)


def read(pressures: Path = PRESSURES) -> Figures:
    """Return the figures of this moment. Raises: OSError."""
    return Figures(
        memory=memory(),
        swap=_swap(),
        processors=_processors(),
        pressures=read_pressures(pressures),
        warmth=warmth(psutil.sensors_temperatures()),
        clock_is_kept=clock_is_kept(),
        uptime_seconds=float(UPTIME.read_text().split()[0]),
    )


def read_pressures(folder: Path = PRESSURES) -> dict[str, Stalled]:
    """Return the pressure stall information by resource; what the kernel does not have is left out. Raises: OSError."""
    found = {}
    for resource in ("cpu", "memory", "io"):
        try:
            shares = dict(_shares((folder / resource).read_text()))
        except OSError as error:
            if error.errno in _NO_PRESSURES:
                continue
            raise
        found[resource] = Stalled(shares["some"], shares.get("full", 0.0))
    return found


def warmth(sensors: Mapping[str, Sequence[Sensor]]) -> Warmth | None:
    """Return the processor that is nearest to slowing itself down; None where no sensor of one is known."""
    found = [
        Warmth(sensor.current, _limit(driver, sensor.critical))
        for driver, several in sensors.items()
        if any(word in driver.lower() for word in _PROCESSORS)
        for sensor in several
    ]
    return min(found, key=lambda one: one.limit_celsius - one.celsius, default=None)


def clock_is_kept() -> bool | None:
    """Tell whether something keeps the wall clock right; None where the kernel may not be asked.

    Asked of the kernel itself, so that it does not matter who does it: timesyncd, chrony, ntpd, a GPS receiver.
    """
    answer = ctypes.create_string_buffer(_ROOM_FOR_TIMEX)
    if _LIBC.adjtimex(answer) < 0:
        return None
    largest_error: int = struct.unpack_from(_TIMEX, answer)[-1]
    return largest_error < LARGEST_ERROR_MICROSECONDS


def memory() -> Memory:
    """Return what memory the host has now. Raises: OSError."""
    seen = psutil.virtual_memory()
    return Memory(seen.total, seen.available)


def _swap() -> Swap | None:
    seen = psutil.swap_memory()
    return Swap(seen.total, seen.used, seen.sin) if seen.total else None


def _processors() -> Processors:
    seen = psutil.cpu_times()
    # What guests of this host used is counted in the users' as well.
    all_seconds = sum(seen) - seen.guest - seen.guest_nice
    count = os.cpu_count() or 1
    return Processors(count, os.getloadavg()[0], all_seconds - seen.idle - seen.iowait, all_seconds)


def _shares(text: str) -> Iterator[tuple[str, float]]:
    """Yield (some or full, its share of the last minute) of a file of /proc/pressure."""
    for line in text.splitlines():
        word, *averages = line.split()
        percent = dict(average.split("=") for average in averages)["avg60"]
        yield word, float(percent) / 100


def _limit(driver: str, critical: float | None) -> float:
    """The drivers of PC processors tell the temperature at which these slow down; others tell when the board ends."""
    if driver.lower() in _OF_PC:
        return critical or PC_LIMIT_CELSIUS
    return min(critical or USUAL_LIMIT_CELSIUS, USUAL_LIMIT_CELSIUS)
