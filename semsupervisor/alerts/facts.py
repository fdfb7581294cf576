"""The facts that a rule may ask about, by the kind of subject: the public vocabulary, which settings are held against.

A rule on a fact that nobody ever sees would be silent for ever, so a name that does not stand here is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

from semsupervisor.health.observation import SubjectKind

FactForm = type[bool] | type[float] | type[str] | tuple[str, ...]
"""What the values of a fact are: yes or no, numbers of 0 or more, any text, or one of the texts given."""

_STATES = ("created", "running", "paused", "restarting", "exited", "missing")

FACTS: Mapping[SubjectKind, Mapping[str, FactForm]] = {
    SubjectKind.HOST: {
        "memory_size_bytes": float,
        "memory_available_bytes": float,
        "memory_available_ratio": float,
        "swap_size_bytes": float,
        "swap_used_ratio": float,
        "swap_read_bytes_total": float,
        "processors": float,
        "cpu_used_ratio": float,
        "load_per_processor": float,
        "pressure_cpu_ratio": float,
        "pressure_memory_ratio": float,
        "pressure_memory_full_ratio": float,
        "pressure_io_ratio": float,
        "pressure_io_full_ratio": float,
        "temperature_celsius": float,
        "temperature_margin_celsius": float,
        "clock_jump_seconds": float,
        "clock_synchronised": bool,
        "uptime_seconds": float,
        "boot_id": str,
    },
    SubjectKind.ENGINE: {"reachable": bool, "version": str},
    SubjectKind.SERVICE: {
        "state": _STATES,
        "died": bool,
        "undecided": bool,
        "stopped_on_request": bool,
        "paused": bool,
        "missing": bool,
        "unhealthy": bool,
        "oom_killed": bool,
        "deaths_recent": float,
        "restarting": bool,
        "exit_code": float,
        "restarts": float,
        "image": str,
        "image_id": str,
        "health": ("none", "starting", "healthy", "unhealthy"),
        "memory_used_bytes": float,
        "memory_limit_bytes": float,
        "memory_used_ratio": float,
        "cpu_used_ratio": float,
        "cpu_limit_processors": float,
        "cpu_used_seconds_total": float,
        "cpu_throttled_ratio": float,
        "cpu_throttled_seconds_total": float,
        "pids": float,
        "disk_read_bytes_total": float,
        "disk_written_bytes_total": float,
        "network_received_bytes_total": float,
        "network_sent_bytes_total": float,
    },
    SubjectKind.FILESYSTEM: {
        "used_ratio": float,
        "free_bytes": float,
        "size_bytes": float,
        "inodes_used_ratio": float,
    },
    SubjectKind.SEMSTREAMS: {
        "reachable": bool,
        "status": ("healthy", "degraded", "unhealthy"),
        "offered": bool,
        "nats_connected": bool,
        "flows": str,
        "version": str,
        "uptime_seconds": float,
        "latency_seconds": float,
    },
    SubjectKind.NATS: {
        "reachable": bool,
        "healthy": bool,
        "version": str,
        "server_id": str,
        "started_at": str,
        "restarted": bool,
        "memory_used_bytes": float,
        "cpu_cores": float,
        "connections": float,
        "connections_total": float,
        "connections_used_ratio": float,
        "subscriptions": float,
        "slow_consumers_total": float,
        "stalled_clients_total": float,
        "in_messages_total": float,
        "out_messages_total": float,
        "in_bytes_total": float,
        "out_bytes_total": float,
        "config_loaded_at": str,
        "certificate_expires_at": str,
    },
    SubjectKind.STREAM: {},
    SubjectKind.CONSUMER: {},
    SubjectKind.CERTIFICATE: {},
    SubjectKind.CHECK: {},
    SubjectKind.PROBE: {"stale_intervals": float},
    SubjectKind.SUPERVISOR: {
        "failing_loops": float,
        "loop_lag_seconds": float,
        "writable": bool,
        "set_aside": bool,
        "removed": bool,
        "refused": bool,
    },
    SubjectKind.RECEIVER: {"dead_letters": float, "oldest_waiting_seconds": float, "failing": bool, "resting": bool},
}
