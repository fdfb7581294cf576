"""The probe of the host, on the machine itself and on hosts that have what it lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from semsupervisor.errors import TemporaryError
from semsupervisor.health.observation import HOST, Observation, Unknown
from semsupervisor.health.probes import host as module
from semsupervisor.health.probes.host import HostProbe, facts_of
from semsupervisor.systems import host_figures
from semsupervisor.systems.host_figures import Figures, Memory, Processors, Stalled, Swap, Warmth
from tests.support.clock import ManualClock

GIB = 2**30
FULL = Figures(
    memory=Memory(4 * GIB, GIB),
    swap=Swap(GIB, GIB // 2, 4096),
    processors=Processors(4, 2.0, 100.0, 1000.0),
    pressures={"cpu": Stalled(0.5, 0.0), "memory": Stalled(0.25, 0.125), "io": Stalled(0.2, 0.1)},
    warmth=Warmth(60.0, 85.0),
    clock_is_kept=True,
    uptime_seconds=3600.0,
)
BARE = Figures(
    memory=Memory(4 * GIB, GIB),
    swap=None,
    processors=Processors(1, 0.5, 100.0, 1000.0),
    pressures={},
    warmth=None,
    clock_is_kept=None,
    uptime_seconds=3600.0,
)


def test_all_that_a_host_may_have() -> None:
    """Each figure is a fact in base units."""
    assert facts_of(FULL) == {
        "memory_size_bytes": 4 * GIB,
        "memory_available_bytes": GIB,
        "memory_available_ratio": 0.25,
        "swap_size_bytes": GIB,
        "swap_used_ratio": 0.5,
        "swap_read_bytes_total": 4096,
        "processors": 4,
        "load_per_processor": 0.5,
        "pressure_cpu_ratio": 0.5,
        "pressure_memory_ratio": 0.25,
        "pressure_memory_full_ratio": 0.125,
        "pressure_io_ratio": 0.2,
        "pressure_io_full_ratio": 0.1,
        "temperature_celsius": 60.0,
        "temperature_margin_celsius": 25.0,
        "clock_synchronised": True,
        "uptime_seconds": 3600.0,
    }


def test_what_a_host_lacks_is_left_out() -> None:
    """No swap, pressure and sensor give no facts; a clock that may not be asked for is unknown."""
    facts = facts_of(BARE)
    assert not [name for name in facts if name.startswith(("swap", "pressure", "temperature"))]
    assert facts["clock_synchronised"] == Unknown(module.NOT_ASKED)


async def test_the_machine_is_seen() -> None:
    """One look tells of the host, and of this boot, but of no load before there are looks to compare."""
    (seen,) = await HostProbe(ManualClock(), 5.0).observe()
    assert (seen.source, seen.subject) == ("host", HOST)
    assert seen.facts["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert 0 < float(str(seen.facts["memory_available_ratio"])) < 1
    assert "cpu_used_ratio" not in seen.facts


async def test_the_processors_are_used_over_two_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The share is that of the growth over the window: 30 of 40 s, then 10 of 40 s, are 0.5 together."""
    counters = iter([(0.0, 0.0), (30.0, 40.0), (40.0, 80.0)])
    clock = ManualClock()
    probe = HostProbe(clock, 5.0)
    seen: list[Observation] = []
    for busy, all_ in counters:
        figures = Figures(
            memory=FULL.memory,
            swap=None,
            processors=Processors(1, 0.0, busy, all_),
            pressures={},
            warmth=None,
            clock_is_kept=True,
            uptime_seconds=1.0,
        )
        monkeypatch.setattr(host_figures, "read", lambda figures=figures: figures)
        seen += await probe.observe()
        clock.advance(40.0)
    assert [one.facts.get("cpu_used_ratio") for one in seen] == [None, None, 0.5]


async def test_figures_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is temporary and says what failed."""

    def fail() -> Figures:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(host_figures, "read", fail)
    with pytest.raises(TemporaryError, match=r"cannot read the host's figures: .*Input/output error"):
        await HostProbe(ManualClock(), 5.0).observe()
