"""The host's figures: the machine's own against what it says elsewhere, and sensors and pressures that it may lack."""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from semsupervisor.systems import host_figures
from semsupervisor.systems.host_figures import Stalled, Warmth, clock_is_kept, read_pressures, warmth

PRESSURE = "some avg10=1.00 avg60=2.50 avg300=3.00 total=4\nfull avg10=0.00 avg60=1.25 avg300=0.00 total=2\n"


class Degrees(NamedTuple):
    """A sensor as psutil shows it."""

    label: str
    current: float
    high: float | None = None
    critical: float | None = None


def kilobytes(name: str) -> int:
    """Return a line of /proc/meminfo in bytes."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def test_the_machines_own() -> None:
    """Memory, processors and uptime are what /proc says."""
    seen = host_figures.read()
    assert seen.memory.size_bytes == kilobytes("MemTotal")
    assert seen.memory.available_bytes == pytest.approx(kilobytes("MemAvailable"), rel=0.2)
    assert (seen.swap.size_bytes if seen.swap else 0) == kilobytes("SwapTotal")
    assert seen.processors.count == Path("/proc/cpuinfo").read_text().count("processor\t:")
    assert 0 < seen.processors.busy_seconds < seen.processors.all_seconds
    assert 0 < seen.uptime_seconds <= float(Path("/proc/uptime").read_text().split()[0])


def test_a_host_without_swap_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """No swap space is no share of it; otherwise all that was read back since the boot counts."""
    swap = psutil.swap_memory()
    monkeypatch.setattr(psutil, "swap_memory", lambda: swap._replace(total=0))
    assert host_figures.read().swap is None
    monkeypatch.setattr(psutil, "swap_memory", lambda: swap._replace(total=100, used=25, sin=4096))
    assert host_figures.read().swap == host_figures.Swap(100, 25, 4096)


def test_pressures(tmp_path: Path) -> None:
    """Shares of the last minute are read; a kernel before 5.13 tells no `full` of the processors."""
    for resource in ("memory", "io"):
        (tmp_path / resource).write_text(PRESSURE)
    (tmp_path / "cpu").write_text(PRESSURE.splitlines()[0])
    assert read_pressures(tmp_path) == {
        "cpu": Stalled(0.025, 0.0),
        "memory": Stalled(0.025, 0.0125),
        "io": Stalled(0.025, 0.0125),
    }


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EOPNOTSUPP])
def test_a_kernel_without_pressures_tells_none(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Whether it was built without them or told to leave them at boot."""
    fail_reading(monkeypatch, number)
    assert read_pressures() == {}


def test_pressures_that_cannot_be_read_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing file is not taken for a kernel without."""
    fail_reading(monkeypatch, errno.EIO)
    with pytest.raises(OSError, match="reading"):
        read_pressures()


def fail_reading(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let no file be read."""

    def fail(path: Path, *rest: Any) -> str:
        raise OSError(number, "reading failed")

    monkeypatch.setattr(Path, "read_text", fail)


@pytest.mark.parametrize(
    ("sensors", "expected"),
    [
        ({}, None),
        ({"nvme": [Degrees("Composite", 84.0, 83.0, 84.0)], "iwlwifi_1": [Degrees("", 60.0)]}, None),
        ({"acpitz": [Degrees("", 27.8, None, 119.0)]}, None),
        ({"cpu_thermal": [Degrees("", 61.3)]}, Warmth(61.3, 85.0)),
        ({"cpu_thermal": [Degrees("", 61.3, None, 110.0)]}, Warmth(61.3, 85.0)),
        ({"soc-thermal": [Degrees("", 50.0, None, 80.0)]}, Warmth(50.0, 80.0)),
        ({"coretemp": [Degrees("Core 0", 91.0, 80.0, 100.0), Degrees("Core 1", 70.0, 80.0, 100.0)]}, Warmth(91.0, 100)),
        ({"k10temp": [Degrees("Tctl", 81.0)], "x86_pkg_temp": [Degrees("", 82.0)]}, Warmth(82.0, 95.0)),
    ],
)
def test_the_processor_that_is_nearest_to_its_limit(
    sensors: dict[str, Sequence[Degrees]], expected: Warmth | None
) -> None:
    """Only processors count, each against the temperature at which it slows down."""
    assert warmth(sensors) == expected


def test_no_margin_is_left_above_the_limit() -> None:
    """The margin ends at 0."""
    assert Warmth(80.0, 85.0).margin_celsius == 5.0
    assert Warmth(90.0, 85.0).margin_celsius == 0.0


class Kernel:
    """Answers adjtimex with an error that it allows for, or refuses it."""

    def __init__(self, largest_error_microseconds: int, code: int = 0) -> None:
        self._error = largest_error_microseconds
        self._code = code

    def adjtimex(self, answer: ctypes.Array[ctypes.c_char]) -> int:
        """Fill in the answer: the third long after a word of modes."""
        longs = (ctypes.c_long * 4).from_buffer(answer)
        longs[3] = self._error
        return self._code


@pytest.mark.parametrize(
    ("kernel", "kept"),
    [(Kernel(2000), True), (Kernel(15_999_999, 5), True), (Kernel(16_000_000, 5), False), (Kernel(0, -1), None)],
)
def test_a_clock_is_kept_while_its_error_is_bounded(
    monkeypatch: pytest.MonkeyPatch, kernel: Kernel, kept: bool | None
) -> None:
    """As timedatectl says: less than 16 s of possible error; unknown where a sandbox forbids to ask."""
    monkeypatch.setattr(host_figures, "_LIBC", kernel)
    assert clock_is_kept() is kept


def test_the_machines_own_clock_can_be_asked() -> None:
    """The real call answers yes or no."""
    assert clock_is_kept() in (True, False)
