"""The probe of the host: memory, swap, processors, pressure, warmth, clock, and since when it runs."""

from __future__ import annotations

from collections.abc import Sequence

from semsupervisor.errors import TemporaryError
from semsupervisor.health.observation import HOST, FactValue, Observation, Unknown
from semsupervisor.health.series import Series
from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.kit.clock import Clock, Instant
from semsupervisor.systems import host, host_figures
from semsupervisor.systems.host_figures import Figures, Swap, Warmth

# What a single look catches says more of the moment than of the load; three looks at the longest interval fit in here.
WINDOW_SECONDS = 120.0
NOT_ASKED = "the kernel may not be asked whether the clock is kept (adjtimex)"


class HostProbe:
    """Sees how the host itself is doing."""

    name = "host"

    def __init__(self, clock: Clock, timeout_seconds: float) -> None:
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._calls = BlockingCalls()
        self._busy, self._all = Series(WINDOW_SECONDS), Series(WINDOW_SECONDS)

    async def observe(self) -> Sequence[Observation]:
        """Look once. Raises: TemporaryError."""
        try:
            figures, boot_id = await self._calls.run("the host", _read, self._timeout_seconds)
        except OSError as error:
            raise TemporaryError(f"cannot read the host's figures: {error}") from error
        at = self._clock.instant()
        self._busy.add(at.monotonic, figures.processors.busy_seconds)
        self._all.add(at.monotonic, figures.processors.all_seconds)
        facts = {**facts_of(figures), **self._used(at), "boot_id": boot_id}
        return [Observation(source=self.name, subject=HOST, at=at, facts=facts)]

    def _used(self, at: Instant) -> dict[str, FactValue]:
        busy, all_ = (series.increase(WINDOW_SECONDS, at.monotonic) for series in (self._busy, self._all))
        return {"cpu_used_ratio": busy / all_} if busy is not None and all_ else {}


def facts_of(figures: Figures) -> dict[str, FactValue]:
    """Return the facts of one reading; what the host does not have is left out."""
    memory, processors = figures.memory, figures.processors
    kept = figures.clock_is_kept
    return {
        "memory_size_bytes": memory.size_bytes,
        "memory_available_bytes": memory.available_bytes,
        "memory_available_ratio": memory.available_bytes / memory.size_bytes,
        **_swap(figures.swap),
        "processors": processors.count,
        "load_per_processor": processors.load / processors.count,
        **_pressures(figures),
        **_warmth(figures.warmth),
        "clock_synchronised": Unknown(NOT_ASKED) if kept is None else kept,
        "uptime_seconds": figures.uptime_seconds,
    }


def _swap(swap: Swap | None) -> dict[str, FactValue]:
    if swap is None:
        return {}
    return {
        "swap_size_bytes": swap.size_bytes,
        "swap_used_ratio": swap.used_bytes / swap.size_bytes,
        "swap_read_bytes_total": swap.read_bytes_total,
    }


def _pressures(figures: Figures) -> dict[str, FactValue]:
    """Of the processor only `some` is told: that all who have work wait for one cannot be."""
    facts: dict[str, FactValue] = {}
    for resource, stalled in figures.pressures.items():
        facts[f"pressure_{resource}_ratio"] = stalled.some_ratio
        if resource != "cpu":
            facts[f"pressure_{resource}_full_ratio"] = stalled.full_ratio
    return facts


def _warmth(warmth: Warmth | None) -> dict[str, FactValue]:
    if warmth is None:
        return {}
    return {"temperature_celsius": warmth.celsius, "temperature_margin_celsius": warmth.margin_celsius}


def _read() -> tuple[Figures, str]:
    return host_figures.read(), host.boot_id()
