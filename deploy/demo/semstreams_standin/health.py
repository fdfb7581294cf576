"""The bodies of the health endpoints in each dialect: facts in, status code and JSON value out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Flow:
    """One flow of the configuration and how it runs: running, slow or stopped."""

    name: str
    status: str


@dataclass(frozen=True)
class Condition:
    """All that the health bodies are made of, at one moment; `flows_word` stands for the flows in the runbook's."""

    version: str
    timestamp: str
    uptime_seconds: float
    nats_connected: bool
    nats_failures: int
    nats_rtt_seconds: float
    buffered: int
    processed: int
    errors: int
    flows: tuple[Flow, ...]
    flows_expected: int
    forced: str = ""
    flows_word: str = ""

    @property
    def status(self) -> str:
        """The aggregate: unhealthy if any part is, else degraded if any part is."""
        parts = {self.nats_status, self.flows_status, self.forced or "healthy"}
        return next(status for status in ("unhealthy", "degraded", "healthy") if status in parts)

    @property
    def nats_status(self) -> str:
        """How the NATS connection stands."""
        return "healthy" if self.nats_connected else "unhealthy"

    @property
    def flows_status(self) -> str:
        """How the flows stand: degraded when one is slow or gone."""
        well = sum(flow.status == "running" for flow in self.flows)
        return "healthy" if well == self.flows_expected else "degraded"


def body(dialect: str, condition: Condition) -> tuple[int, dict[str, Any]]:
    """The answer of /health: its HTTP status and its JSON value."""
    if dialect == "runbook":
        return (503 if condition.forced == "unhealthy" else 200), runbook(condition)
    if dialect == "offline":
        return (503 if condition.forced == "unhealthy" else 200), offline(condition)
    return (503 if condition.status == "unhealthy" else 200), shipped(condition)


def runbook(condition: Condition) -> dict[str, Any]:
    """The dialect of the operators' runbook."""
    return {
        "status": condition.status,
        "version": condition.version,
        "uptime": go_duration(condition.uptime_seconds),
        "components": {
            "nats": "connected" if condition.nats_connected else "disconnected",
            "flows": condition.flows_word or ("running" if condition.flows_status == "healthy" else "degraded"),
        },
    }


def offline(condition: Condition) -> dict[str, Any]:
    """The short variant that hosts without uplink show."""
    return {
        "status": "degraded" if condition.status == "unhealthy" else condition.status,
        "nats_connected": condition.nats_connected,
        "buffered_messages": condition.buffered,
    }


def shipped(condition: Condition) -> dict[str, Any]:
    """The dialect of the shipped software: a tree of components."""
    flows = [
        _part(flow.name, "healthy" if flow.status == "running" else "degraded", f"Flow is {flow.status}", condition)
        for flow in condition.flows
    ]
    if condition.nats_connected:
        nats_message = f"Connected (RTT: {round(condition.nats_rtt_seconds * 1e6)}µs)"
    else:
        nats_message = f"Disconnected: reconnecting (failures: {condition.nats_failures})"
    engine = _part(
        "flow-engine", condition.flows_status, f"{len(flows)} of {condition.flows_expected} flows", condition
    )
    parts = [_part("nats", condition.nats_status, nats_message, condition), {**engine, "sub_statuses": flows}]
    if condition.forced:
        parts.append(_part("graph-processor", condition.forced, f"Made {condition.forced} on request", condition))
    message = {
        "healthy": "All sub-components are healthy",
        "degraded": "One or more sub-components are degraded",
        "unhealthy": "One or more sub-components are unhealthy",
    }[condition.status]
    whole = _part("system", condition.status, message, condition)
    metrics = {
        "uptime": round(condition.uptime_seconds * 1e9),
        "error_count": condition.errors,
        "messages_processed": condition.processed,
        "last_activity": condition.timestamp,
    }
    return {**whole, "metrics": metrics, "sub_statuses": parts}


def go_duration(seconds: float) -> str:
    """A duration as Go prints it to the second: 24h30m15s, 4m2s, 7s."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _part(component: str, status: str, message: str, condition: Condition) -> dict[str, Any]:
    return {
        "component": component,
        "healthy": status == "healthy",
        "status": status,
        "message": message,
        "timestamp": condition.timestamp,
    }
