"""The metrics page: the runbook's names and the shipped software's names, from one set of figures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

NAMES = ("both", "runbook", "shipped")


@dataclass
class Figures:
    """What the stand-in counts while it runs."""

    received: int = 0
    processed: int = 0
    failed: int = 0
    published: int = 0
    errors: int = 0
    pending: int = 0
    reconnects: int = 0
    failures: int = 0
    rtt_seconds: float = 0.0
    log_entries: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def begin_anew(self) -> None:
        """Count from 0 again, as a process that was restarted does."""
        self.received = self.processed = self.failed = self.published = self.errors = self.reconnects = 0


def resident_bytes() -> int:
    """The memory that this process really holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Show:
    """How the page is written: the set of names, the form, and values in place of the real ones, by sample name."""

    names: str = "both"
    openmetrics: bool = False
    values: Mapping[str, float] = field(default_factory=dict)

    @property
    def content_type(self) -> str:
        """What the page is called in the answer's head."""
        if self.openmetrics:
            return "application/openmetrics-text; version=1.0.0; charset=utf-8"
        return "text/plain; version=0.0.4; charset=utf-8"


def page(figures: Figures, connected: bool, flows: int, now_seconds: float, show: Show) -> str:
    """The text exposition."""
    lines = []
    for names, (name, kind, samples) in _families(figures, connected, flows, now_seconds):
        if show.names not in ("both", names) and names != "common":
            continue
        family = name.removesuffix("_total") if show.openmetrics and kind == "counter" else name
        lines.append(f"# TYPE {family} {kind}")
        for labels, value in samples:
            lines.append(f"{name}{labels} {show.values.get(name, value)}")
    return "\n".join([*lines, "# EOF"] if show.openmetrics else lines) + "\n"


Family = tuple[str, str, list[tuple[str, float]]]


def _families(figures: Figures, connected: bool, flows: int, now_seconds: float) -> Iterable[tuple[str, Family]]:
    """Every family with the set of names that it belongs to."""
    yield from (("runbook", (name, kind, [("", value)])) for name, kind, value in _runbook(figures, connected, flows))
    shipped = _shipped(figures, connected, flows, now_seconds)
    yield from (("shipped", (name, kind, [("", value)])) for name, kind, value in shipped)
    yield from (("shipped", family) for family in _labelled(figures, connected))
    yield "common", ("process_resident_memory_bytes", "gauge", [("", resident_bytes())])


def _runbook(figures: Figures, connected: bool, flows: int) -> Iterable[tuple[str, str, float]]:
    return (
        ("semstreams_messages_total", "counter", figures.processed),
        ("semstreams_messages_errors_total", "counter", figures.failed),
        ("semstreams_messages_pending", "gauge", figures.pending),
        ("semstreams_flow_active", "gauge", flows),
        ("semstreams_nats_connection_status", "gauge", int(connected)),
    )


def _shipped(figures: Figures, connected: bool, flows: int, now_seconds: float) -> Iterable[tuple[str, str, float]]:
    return (
        ("semstreams_messages_received_total", "counter", figures.received),
        ("semstreams_messages_published_total", "counter", figures.published),
        ("semstreams_errors_total", "counter", figures.errors),
        ("semstreams_flow_active_flows", "gauge", flows),
        ("semstreams_nats_connected", "gauge", int(connected)),
        ("semstreams_nats_rtt_milliseconds", "gauge", round(figures.rtt_seconds * 1e3, 3)),
        ("semstreams_nats_reconnects_total", "counter", figures.reconnects),
        ("semstreams_storage_resource_pressure", "gauge", 0),
        ("semstreams_storage_report_collected_timestamp_seconds", "gauge", round(now_seconds, 3)),
    )


def _labelled(figures: Figures, connected: bool) -> Iterable[Family]:
    processed: list[tuple[str, float]] = [
        ('{status="success"}', figures.processed - figures.failed),
        ('{status="error"}', figures.failed),
    ]
    yield "semstreams_messages_processed_total", "counter", processed
    yield "semstreams_health_status", "gauge", [('{service="flow-engine"}', 1), ('{service="nats"}', int(connected))]
    yield "semstreams_service_status", "gauge", [('{service="flow-engine"}', 2), ('{service="metrics"}', 2)]
    entries: list[tuple[str, float]] = [
        (f'{{component="{component}",level="{level}"}}', count)
        for (component, level), count in sorted(figures.log_entries.items())
        if level in ("warn", "error")
    ]
    yield "semstreams_log_entries_total", "counter", entries
