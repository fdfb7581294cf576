"""The metrics page: the runbook's names and the shipped software's names, from one set of figures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Figures:
    """What the stand-in counts while it runs."""

    received: int = 0
    processed: int = 0
    published: int = 0
    errors: int = 0
    pending: int = 0
    reconnects: int = 0
    failures: int = 0
    rtt_seconds: float = 0.0
    log_entries: Mapping[tuple[str, str], int] = field(default_factory=dict)


def resident_bytes() -> int:
    """The memory that this process really holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def page(figures: Figures, connected: bool, flows: int, now_seconds: float, replaced: Mapping[str, float]) -> str:
    """The text exposition; `replaced` overrides the value of every sample whose name it holds."""
    lines = []
    for name, kind, samples in _families(figures, connected, flows, now_seconds):
        lines.append(f"# TYPE {name} {kind}")
        for labels, value in samples:
            lines.append(f"{name}{labels} {replaced.get(name, value)}")
    return "\n".join(lines) + "\n"


def _families(
    figures: Figures, connected: bool, flows: int, now_seconds: float
) -> Iterable[tuple[str, str, list[tuple[str, float]]]]:
    runbook = [
        ("semstreams_messages_total", "counter", figures.processed),
        ("semstreams_messages_errors_total", "counter", figures.errors),
        ("semstreams_messages_pending", "gauge", figures.pending),
        ("semstreams_flow_active", "gauge", flows),
        ("semstreams_nats_connection_status", "gauge", int(connected)),
        ("process_resident_memory_bytes", "gauge", resident_bytes()),
    ]
    shipped = [
        ("semstreams_messages_received_total", "counter", figures.received),
        ("semstreams_messages_published_total", "counter", figures.published),
        ("semstreams_errors_total", "counter", figures.errors),
        ("semstreams_flow_active_flows", "gauge", flows),
        ("semstreams_nats_connected", "gauge", int(connected)),
        ("semstreams_nats_rtt_milliseconds", "gauge", round(figures.rtt_seconds * 1e3, 3)),
        ("semstreams_nats_reconnects_total", "counter", figures.reconnects),
        ("semstreams_storage_resource_pressure", "gauge", 0),
        ("semstreams_storage_report_collected_timestamp_seconds", "gauge", round(now_seconds, 3)),
    ]
    for name, kind, value in runbook + shipped:
        yield name, kind, [("", value)]
    processed: list[tuple[str, float]] = [
        ('{status="success"}', figures.processed),
        ('{status="error"}', figures.errors),
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
