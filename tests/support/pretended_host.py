"""A host that is only said to be in trouble, by files that a daemon reads in place of the kernel's."""

from __future__ import annotations

import os
import re
import shlex
import time
from pathlib import Path

from tests.support.beside import Beside
from tests.support.commands import run

PRESSURES = Path("/proc/pressure")
SENSORS = (Path("/sys/class/hwmon"), Path("/sys/class/thermal"))
FILES = ("meminfo", "vmstat")
LINE = "{word} avg10=0.00 avg60={share:.2f} avg300=0.00 total=0\n"
SWAP_KIB = 2**20
PAGE_BYTES = 4096
TICK_SECONDS = 0.1


class PretendedHost(Beside):
    """All that the daemon reads of a host's memory, stalls and warmth; use it as a context manager.

    At first it is well. Files of /proc are written over in place and in one go, always as long as they were: what is
    mounted over a file is that very file.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        for name in ("pressure", "hwmon/hwmon0", "thermal/thermal_zone0"):
            (folder / name).mkdir(parents=True)
        self._memory = Path("/proc/meminfo").read_text()
        self._swapped_bytes_per_second = 0
        self._swapped_bytes = 0.0
        self.has_left(0.5)
        self.is_warm(40.0)
        self._count(0.0)
        for resource in ("cpu", "io", "memory"):
            self.waits(resource, 0.0)

    @property
    def enter(self) -> tuple[str, ...]:
        """Return what a command has to be begun with to read of this host."""
        places = {self._folder / name: Path("/proc", name) for name in FILES}
        places |= {self._folder / "pressure": PRESSURES} if PRESSURES.is_dir() else {}
        places |= {self._folder / sensors.name: sensors for sensors in SENSORS if sensors.is_dir()}
        mounts = "".join(f"mount --bind {shlex.quote(str(own))} {place} && " for own, place in places.items())
        return ("unshare", "--mount", "--propagation", "private", "sh", "-c", f'{mounts}exec "$0" "$@"')

    @property
    def impossible(self) -> str:
        """Return why this cannot be done here, nothing if it can."""
        if run([*self.enter, "true"], check=False).returncode:
            return "nothing may be mounted over another here"
        return ""

    def waits(self, resource: str, percent: float) -> None:
        """Have all programs wait for a resource (cpu, io, memory) for so much of the time."""
        text = "".join(LINE.format(word=word, share=percent) for word in ("some", "full"))
        self._put(f"pressure/{resource}", text)

    def has_left(self, share: float) -> None:
        """Have so much of the memory available, with some swap space that is empty."""
        (size,) = _lines(self._memory, "MemTotal:")
        figures = {"MemAvailable": int(int(size.split()[1]) * share), "SwapTotal": SWAP_KIB, "SwapFree": SWAP_KIB}
        text = re.sub(rf"(?m)^({'|'.join(figures)}):.*\n", "", self._memory)
        self._write_over("meminfo", text + "".join(f"{name}: {kib:20d} kB\n" for name, kib in figures.items()))

    def is_warm(self, celsius: float) -> None:
        """Have a sensor of the processor show so many degrees."""
        for folder, name in (("hwmon/hwmon0/name", "cpu_thermal"), ("thermal/thermal_zone0/type", "cpu-thermal")):
            self._put(folder, f"{name}\n")
        for file in ("hwmon/hwmon0/temp1_input", "thermal/thermal_zone0/temp"):
            self._put(file, f"{int(celsius * 1000)}\n")

    def swaps(self, bytes_per_second: int) -> None:
        """Have so much read back from the swap space from now on."""
        self._swapped_bytes_per_second = bytes_per_second

    def _work(self) -> None:
        last = time.monotonic()
        while not self._ended.wait(TICK_SECONDS):
            now = time.monotonic()
            self._count(now - last)
            last = now

    def _count(self, seconds: float) -> None:
        """Let the kernel's counters go on by so much time."""
        self._swapped_bytes += seconds * self._swapped_bytes_per_second
        pages = int(self._swapped_bytes / PAGE_BYTES)
        self._write_over("vmstat", f"pswpin {pages:020d}\npswpout {0:020d}\n")

    def _put(self, name: str, text: str) -> None:
        file = self._folder / name
        fresh = file.with_name(f".{file.name}")
        fresh.write_text(text)
        fresh.rename(file)

    def _write_over(self, name: str, text: str) -> None:
        descriptor = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(descriptor, text.encode(), 0)
        finally:
            os.close(descriptor)


def _lines(text: str, beginning: str) -> list[str]:
    """Return the lines whose beginning matches, with their ends."""
    return [line for line in text.splitlines(keepends=True) if re.match(beginning, line)]
