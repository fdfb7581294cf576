"""Every fact of the vocabulary on a real stack: what we say, and what docker, df, /proc, curl and nats-py say."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from semsupervisor.alerts.facts import FACTS
from semsupervisor.health.observation import SubjectKind
from tests.support.daemon_process import IMPATIENT
from tests.support.demo_stack import DemoStack
from tests.support.independent import Around, age, amount, df, meminfo, pressure, proc
from tests.support.nats_acts import nats, remove
from tests.support.nats_faults import fill_stream
from tests.support.scene import Scene, begun
from tests.support.waiting import eventually_sync

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

WITHIN_SECONDS = 120.0
KIB = 1024.0


class Theirs(NamedTuple):
    """An independent reading of a fact: by what, how far ours may lie from it, and the way to it.

    `near` and `share` are what may lie between two looks at something that moves, as an amount and in proportion.
    """

    take: Callable[[Around, str], Any]
    near: float = 0.0
    share: float = 0.0


class Reason(str):
    """Why a fact has no independent reading here."""

    __slots__ = ()


CHANGE = Reason("tells of a change that a healthy stack does not have; it is made for real in test_told_*.py")
RATE = Reason("reckoned over a window that is longer than this test; held on known numbers in its probe's tests")
NOT_HERE = Reason("needs what this stack does not have; held on a server made for it in its probe's tests")
OWN = Reason("about the supervisor itself: nobody else knows it; held in tests/daemon and tests/alerts")


def varz(name: str, **tolerance: float) -> Theirs:
    """Return the reading of a number of /varz by curl's way."""
    return Theirs(lambda around, _: around.varz()[name], **tolerance)


def jsz(*path: str, **tolerance: float) -> Theirs:
    """Return the reading of a number of /jsz."""

    def take(around: Around, _: str) -> Any:
        found = around.jsz()
        for name in path:
            found = found.get(name, 0)
        return found

    return Theirs(take, **tolerance)


def metric(*names: str, **tolerance: float) -> Theirs:
    """Return the reading of the first metric of those names."""
    return Theirs(
        lambda around, _: next(around.metrics()[name] for name in names if name in around.metrics()), **tolerance
    )


def state(*path: str) -> Theirs:
    """Return what docker inspect says at a path."""

    def take(around: Around, service: str) -> Any:
        found = around.inspected(service)
        for name in path:
            found = found[name]
        return found

    return Theirs(take)


def fill_ratio(around: Around, _: str) -> Any:
    """Return what the streams without a limit use of what the limits of the others leave."""
    held = [(info.config.max_bytes or -1, info.state.bytes) for info in around.streams().values()]
    limits = sum(most for most, _ in held if most > 0)
    others = sum(used for most, used in held if most < 0)
    return others / (around.jsz()["config"]["max_storage"] - limits)


def most(limit: Any) -> Any:
    """Return a limit as we tell it: Docker writes none as 0, NATS as -1, nats-py as None."""
    return limit if limit and limit > 0 else "unlimited"


def stream(take: Callable[[Any], Any], **tolerance: float) -> Theirs:
    """Return what nats-py says of a stream."""
    return Theirs(lambda around, name: take(around.streams()[name]), **tolerance)


def consumer(take: Callable[[Any], Any], **tolerance: float) -> Theirs:
    """Return what nats-py says of a consumer."""
    return Theirs(lambda around, name: take(around.consumers()[name]), **tolerance)


def cgroup(first: str, second: str, take: Callable[[str], float], **tolerance: float) -> Theirs:
    """Return what the control group says in a file of version 1 or 2."""
    return Theirs(lambda around, service: take(around.cgroup(service)(first, second)), **tolerance)


def net(column: int) -> Theirs:
    """Return a column of the interfaces in a container's own network, loopback left out."""

    def take(around: Around, service: str) -> float:
        lines = proc(f"{around.inspected(service)['State']['Pid']}/net/dev").splitlines()[2:]
        return sum(float(line.split(":")[1].split()[column]) for line in lines if not line.strip().startswith("lo:"))

    return Theirs(take, near=100_000, share=0.1)


def swapped(around: Around, _: str) -> float:
    """Return the share of the swap space that is used."""
    return 1 - meminfo("SwapFree") / meminfo("SwapTotal")


def is_(value: object) -> Theirs:
    """Return what a healthy stack is by definition, as its own health check and its log say."""
    return Theirs(lambda _around, _name: value)


MOVES = {"near": 400, "share": 0.2}
MEMORY = {"share": 0.15, "near": 8 * 2**20}

READINGS: Mapping[SubjectKind, Mapping[str, Theirs | Reason]] = {
    SubjectKind.HOST: {
        "memory_size_bytes": Theirs(lambda *_: meminfo("MemTotal")),
        "memory_available_bytes": Theirs(lambda *_: meminfo("MemAvailable"), share=0.1),
        "memory_available_ratio": Theirs(lambda *_: meminfo("MemAvailable") / meminfo("MemTotal"), share=0.1),
        "swap_size_bytes": Theirs(lambda *_: meminfo("SwapTotal")),
        "swap_used_ratio": Theirs(swapped, near=0.02),
        "swap_read_bytes_total": Theirs(
            lambda *_: float(proc("vmstat").split("pswpin ")[1].split()[0]) * 4 * KIB, share=0.1
        ),
        "processors": Theirs(lambda *_: os.sysconf("SC_NPROCESSORS_ONLN")),
        "cpu_used_ratio": RATE,
        "load_per_processor": Theirs(
            lambda *_: float(proc("loadavg").split()[0]) / os.sysconf("SC_NPROCESSORS_ONLN"), share=0.3, near=0.3
        ),
        "pressure_cpu_ratio": Theirs(lambda *_: pressure("cpu", "some"), near=0.1, share=0.2),
        "pressure_memory_ratio": Theirs(lambda *_: pressure("memory", "some"), near=0.1),
        "pressure_memory_full_ratio": Theirs(lambda *_: pressure("memory", "full"), near=0.1),
        "pressure_io_ratio": Theirs(lambda *_: pressure("io", "some"), near=0.1, share=0.2),
        "pressure_io_full_ratio": Theirs(lambda *_: pressure("io", "full"), near=0.1, share=0.2),
        "temperature_celsius": NOT_HERE,
        "temperature_margin_celsius": NOT_HERE,
        "clock_jump_seconds": Theirs(lambda *_: 0.0),
        "clock_synchronised": Reason("what timedatectl shows is the same call to the kernel, and it needs systemd"),
        "uptime_seconds": Theirs(lambda *_: float(proc("uptime").split()[0]), near=10),
        "boot_id": Theirs(lambda *_: proc("sys/kernel/random/boot_id").strip()),
    },
    SubjectKind.ENGINE: {
        "reachable": is_(True),
        "allowed": is_(True),
        "version": Theirs(lambda around, _: around.engine_version()),
    },
    SubjectKind.SERVICE: {
        "state": state("State", "Status"),
        "died": is_(False),
        "undecided": is_(False),
        "start_failed": is_(False),
        "stopped_on_request": is_(False),
        "paused": state("State", "Paused"),
        "missing": is_(False),
        "unhealthy": Theirs(
            lambda around, service: around.inspected(service)["State"]["Health"]["Status"] == "unhealthy"
        ),
        "oom_killed": state("State", "OOMKilled"),
        "deaths_recent": is_(0),
        "restarting": state("State", "Restarting"),
        "exit_code": CHANGE,
        "restarts": state("RestartCount"),
        "image": state("Config", "Image"),
        "image_id": state("Image"),
        "health": state("State", "Health", "Status"),
        "memory_used_bytes": Theirs(
            lambda around, service: amount(around.stats(service)["MemUsage"].split("/")[0]), **MEMORY
        ),
        "memory_limit_bytes": Theirs(lambda around, service: most(around.inspected(service)["HostConfig"]["Memory"])),
        "memory_used_ratio": Theirs(
            lambda around, service: float(around.stats(service)["MemPerc"].rstrip("%")) / 100, near=0.06, share=0.15
        ),
        "cpu_used_ratio": RATE,
        "cpu_limit_processors": Theirs(
            lambda around, service: most(around.inspected(service)["HostConfig"]["NanoCpus"] / 1e9)
        ),
        "cpu_used_seconds_total": cgroup(
            "cpuacct.usage",
            "cpu.stat",
            lambda text: float(text) / 1e9 if text.strip().isdigit() else float(text.split()[1]) / 1e6,
            near=2.0,
            share=0.1,
        ),
        "cpu_throttled_ratio": RATE,
        "cpu_throttled_seconds_total": cgroup(
            "cpu.stat",
            "cpu.stat",
            lambda text: (
                float(text.partition("throttled_time ")[2].split()[0]) / 1e9
                if "throttled_time" in text
                else float(text.partition("throttled_usec ")[2].split()[0]) / 1e6
            ),
            near=1.0,
            share=0.1,
        ),
        "pids": Theirs(lambda around, service: int(around.stats(service)["PIDs"]), near=2),
        "disk_read_bytes_total": Theirs(
            lambda around, service: amount(around.stats(service)["BlockIO"].split("/")[0]), share=0.1, near=2**20
        ),
        "disk_written_bytes_total": Theirs(
            lambda around, service: amount(around.stats(service)["BlockIO"].split("/")[1]), share=0.1, near=2**20
        ),
        "network_received_bytes_total": net(0),
        "network_sent_bytes_total": net(8),
    },
    SubjectKind.FILESYSTEM: {
        "used_ratio": Theirs(lambda _, point: float(df(point, "pcent").rstrip("%")) / 100, near=0.015),
        "free_bytes": Theirs(lambda _, point: float(df(point, "avail")), share=0.02),
        "size_bytes": Theirs(lambda _, point: float(df(point, "size"))),
        "inodes_used_ratio": Theirs(lambda _, point: float(df(point, "ipcent").rstrip("%")) / 100, near=0.015),
        "read_only": Theirs(lambda _, point: bool(os.statvfs(point).f_flag & os.ST_RDONLY)),
        "read_only_unexpected": is_(False),
    },
    SubjectKind.SEMSTREAMS: {
        "reachable": is_(True),
        "status": Theirs(lambda around, _: around.health()["status"]),
        "status_understood": is_(True),
        "offered": is_(True),
        "health_failing": is_(False),
        "nats_connected": Theirs(lambda around, _: around.part("nats")["healthy"]),
        "flows": Reason("free text of the runbook's dialect; held on its recorded answers in tests/systems"),
        "flows_stopped": is_(False),
        "flows_active": Theirs(lambda around, _: sum(flow["status"] == "running" for flow in around.flows())),
        "flows_expected": Theirs(lambda around, _: len(around.flows())),
        "flows_missing": is_(0),
        "flows_slow": Theirs(lambda around, _: sum(flow["status"] == "slow" for flow in around.flows())),
        "version": Theirs(lambda around, _: around.in_container("semstreams", "cat", "/etc/semstreams/VERSION")),
        "uptime_seconds": Theirs(lambda around, service: age(around.inspected(service)["State"]["StartedAt"]), near=10),
        "restarted": is_(False),
        "buffered_messages": NOT_HERE,
        "parts_unwell": Theirs(lambda around, _: sum(not part["healthy"] for part in around.health()["sub_statuses"])),
        "latency_seconds": Reason(
            "the time that our own question took; it is there and small, held in its probe's tests"
        ),
        "metrics_offered": is_(True),
        "messages_total": metric("semstreams_messages_total", **MOVES),
        "messages_per_second": RATE,
        "messages_idle_seconds": Theirs(lambda *_: 0.0, near=10),
        "errors_total": metric("semstreams_messages_errors_total", near=1),
        "error_ratio": RATE,
        "log_errors_total": metric("semstreams_log_entries_total", near=5),
        "messages_pending": metric("semstreams_messages_pending", near=20),
        "resident_memory_bytes": metric("process_resident_memory_bytes", **MEMORY),
        "storage_pressure": metric("semstreams_storage_resource_pressure"),
        "storage_report_age_seconds": Theirs(lambda *_: 0.0, near=15),
        "services_failed": is_(0),
        "nats_connected_by_metrics": is_(True),
        "nats_rtt_seconds": Theirs(
            lambda around, _: around.metrics()["semstreams_nats_rtt_milliseconds"] / 1e3, near=0.05
        ),
        "nats_reconnects_total": metric("semstreams_nats_reconnects_total"),
        "nats_resolvable_inside": Theirs(
            lambda around, _: "Address" in around.in_container("semstreams", "nslookup", "nats")
        ),
        "nats_reachable_inside": is_(True),
        "nats_monitor_reachable_inside": Theirs(
            lambda around, _: (
                "ok" in around.in_container("semstreams", "wget", "-q", "-O", "-", "http://nats:8222/healthz")
            )
        ),
    },
    SubjectKind.NATS: {
        "reachable": is_(True),
        "healthy": is_(True),
        "full_check_passed": is_(True),
        "version": varz("version"),
        "server_id": varz("server_id"),
        "started_at": Theirs(lambda around, _: around.varz()["start"][:19]),
        "restarted": is_(False),
        "memory_used_bytes": varz("mem", **MEMORY),
        "cpu_used_processors": Theirs(lambda around, _: around.varz()["cpu"] / 100, near=0.3),
        "connections": varz("connections", near=1),
        "connections_total": varz("total_connections", near=5),
        "reconnections_total": CHANGE,
        "max_connections": varz("max_connections"),
        "connections_used_ratio": Theirs(
            lambda around, _: around.varz()["connections"] / around.varz()["max_connections"], near=0.0001
        ),
        "subscriptions": varz("subscriptions", near=10),
        "slow_consumers_total": varz("slow_consumers"),
        "stalled_clients_total": varz("stalled_clients"),
        "in_messages_total": varz("in_msgs", **MOVES),
        "out_messages_total": varz("out_msgs", **MOVES),
        "in_bytes_total": varz("in_bytes", near=200_000, share=0.2),
        "out_bytes_total": varz("out_bytes", near=200_000, share=0.2),
        "config_loaded_at": Theirs(lambda around, _: around.varz()["config_load_time"][:19]),
        "certificate_expires_at": NOT_HERE,
        "client_connected": is_(True),
        "client_rtt_seconds": Theirs(lambda *_: 0.0, near=0.5),
        "account_memory_used_bytes": Theirs(lambda around, _: around.account().memory),
        "account_memory_limit_bytes": Theirs(lambda around, _: most(around.account().limits.max_memory)),
        "account_memory_used_ratio": NOT_HERE,
        "account_storage_used_bytes": Theirs(lambda around, _: around.account().storage, near=200_000, share=0.2),
        "account_storage_limit_bytes": Theirs(lambda around, _: most(around.account().limits.max_storage)),
        "account_storage_used_ratio": NOT_HERE,
        "account_streams": Theirs(lambda around, _: around.account().streams),
        "account_max_streams": Theirs(lambda around, _: most(around.account().limits.max_streams)),
        "account_streams_used_ratio": NOT_HERE,
        "account_consumers": Theirs(lambda around, _: around.account().consumers, near=2),
        "account_max_consumers": Theirs(lambda around, _: most(around.account().limits.max_consumers)),
        "account_consumers_used_ratio": NOT_HERE,
        "client_pending_bytes": Theirs(lambda *_: 0.0, near=100_000),
        "expected_clients_missing": is_(0),
        "jetstream_enabled": is_(True),
        "jetstream_memory_used_bytes": jsz("memory"),
        "jetstream_memory_reserved_bytes": jsz("reserved_memory"),
        "jetstream_memory_limit_bytes": jsz("config", "max_memory"),
        "jetstream_memory_used_ratio": Theirs(
            lambda around, _: around.jsz()["memory"] / around.jsz()["config"]["max_memory"], near=0.001
        ),
        "jetstream_memory_fill_ratio": is_(0.0),
        "jetstream_storage_used_bytes": jsz("storage", near=200_000, share=0.2),
        "jetstream_storage_reserved_bytes": jsz("reserved_storage"),
        "jetstream_storage_limit_bytes": jsz("config", "max_storage"),
        "jetstream_storage_used_ratio": Theirs(
            lambda around, _: around.jsz()["storage"] / around.jsz()["config"]["max_storage"], near=0.01
        ),
        "jetstream_storage_fill_ratio": Theirs(fill_ratio, near=0.01),
        "jetstream_account_memory_used_ratio": NOT_HERE,
        "jetstream_account_memory_fill_ratio": NOT_HERE,
        "jetstream_account_storage_used_ratio": NOT_HERE,
        "jetstream_account_storage_fill_ratio": NOT_HERE,
        "jetstream_streams": Theirs(lambda around, _: len(around.streams())),
        "jetstream_streams_left_out": is_(0),
        "jetstream_consumers": Theirs(lambda around, _: len(around.consumers()), near=2),
        "jetstream_consumers_left_out": is_(0),
        "jetstream_messages": Theirs(
            lambda around, _: sum(info.state.messages for info in around.streams().values()), **MOVES
        ),
        "jetstream_api_requests_total": jsz("api", "total", near=100, share=0.2),
        "jetstream_api_errors_total": jsz("api", "errors", near=10, share=0.2),
        "jetstream_api_error_ratio": RATE,
    },
    SubjectKind.STREAM: {
        "messages": stream(lambda info: info.state.messages, **MOVES),
        "used_bytes": stream(lambda info: info.state.bytes, near=100_000, share=0.2),
        "max_bytes": stream(lambda info: most(info.config.max_bytes)),
        "used_ratio": stream(lambda info: info.state.bytes / info.config.max_bytes, near=0.01),
        "max_messages": stream(lambda info: most(info.config.max_msgs)),
        "messages_used_ratio": NOT_HERE,
        "at_ceiling": stream(lambda info: info.config.name == "LEDGER"),
        "refuses_writes": stream(lambda info: info.config.name == "LEDGER"),
        "refusal_ratio": stream(lambda info: info.state.bytes / info.config.max_bytes, near=0.01),
        "discard": stream(lambda info: str(getattr(info.config.discard, "value", info.config.discard))),
        "first_sequence": stream(lambda info: info.state.first_seq, **MOVES),
        "last_sequence": stream(lambda info: info.state.last_seq, **MOVES),
        "consumers": stream(lambda info: info.state.consumer_count, near=1),
        "deleted_messages": stream(lambda info: info.state.num_deleted or 0, near=5),
        "damage_told": NOT_HERE,
        "went_back": is_(False),
        "lost_messages": NOT_HERE,
        "lost_bytes": NOT_HERE,
        "lag_messages": NOT_HERE,
    },
    SubjectKind.CONSUMER: {
        "pending": consumer(lambda info: info.num_pending, near=50),
        "ack_pending": consumer(lambda info: info.num_ack_pending, near=50),
        "max_ack_pending": consumer(lambda info: most(info.config.max_ack_pending)),
        "ack_pending_ratio": consumer(lambda info: info.num_ack_pending / info.config.max_ack_pending, near=0.05),
        "redelivered": consumer(lambda info: info.num_redelivered, near=1),
        "deliveries_total": consumer(lambda info: info.delivered.consumer_seq, **MOVES),
        "redeliveries_total": is_(0),
        "redelivering_seconds": is_(0.0),
        "waiting_pulls": consumer(lambda info: info.num_waiting, near=2),
        "paused": is_(False),
        "still_seconds": Theirs(lambda *_: 0.0, near=30),
        "stuck": is_(False),
        "stuck_seconds": Theirs(lambda *_: 0.0, near=30),
    },
    SubjectKind.CERTIFICATE: dict.fromkeys(FACTS[SubjectKind.CERTIFICATE], NOT_HERE),
    SubjectKind.CHECK: dict.fromkeys(FACTS[SubjectKind.CHECK], NOT_HERE),
    SubjectKind.BACKUP: dict.fromkeys(FACTS[SubjectKind.BACKUP], NOT_HERE),
    SubjectKind.PROBE: {"stale_intervals": Theirs(lambda *_: 0.0, near=4)},
    SubjectKind.SUPERVISOR: dict.fromkeys(FACTS[SubjectKind.SUPERVISOR], OWN),
    SubjectKind.RECEIVER: dict.fromkeys(FACTS[SubjectKind.RECEIVER], OWN),
}


# What a host's kernel, a deployment or a quiet stack may not have.
MAY_LACK: Mapping[SubjectKind, tuple[str, ...]] = {
    SubjectKind.HOST: tuple(fact for fact in FACTS[SubjectKind.HOST] if fact.startswith(("swap_", "pressure_"))),
    SubjectKind.SERVICE: ("disk_read_bytes_total", "disk_written_bytes_total", "cpu_throttled_seconds_total"),
    SubjectKind.FILESYSTEM: ("inodes_used_ratio",),
    SubjectKind.SEMSTREAMS: ("log_errors_total",),
    SubjectKind.NATS: ("expected_clients_missing",),
}


def test_every_fact_has_an_independent_reading_or_a_reason() -> None:
    """A fact that comes into the vocabulary is held against somebody else's word, or says why it cannot be."""
    told = {(kind, fact) for kind, facts in READINGS.items() for fact in facts}
    assert told == {(kind, fact) for kind, facts in FACTS.items() for fact in facts}


@pytest.fixture
def filled(healthy_stack: DemoStack, tmp_path: Path) -> Iterator[Scene]:
    """Return the shared stack, made anew, with a stream that is full, watched by a daemon."""
    healthy_stack.down()
    healthy_stack.up()
    nats(fill_stream, "LEDGER", max_bytes=1_000_000, discard="new", most=2000)(healthy_stack)
    with begun(healthy_stack, tmp_path, IMPATIENT) as scene:
        yield scene
    remove("LEDGER")(healthy_stack)


def test_ours_are_theirs(filled: Scene, healthy_stack: DemoStack) -> None:
    """Each fact that the stack has comes to be what an independent reading says, within what moves between the two."""
    held: set[tuple[str, str]] = set()
    seen: dict[tuple[str, str], tuple[Any, Any]] = {}

    def all_hold() -> bool:
        around = Around(healthy_stack)
        for one in filled.daemon.get("/v1/facts")["facts"]:
            key = (one["subject"], one["fact"])
            if key not in held and (pair := compared(around, one)) is not None:
                seen[key] = pair[:2]
                held.update([key] if pair[2] else [])
        return bool(seen) and seen.keys() <= held

    filled.await_looks()
    try:
        eventually_sync(all_hold, WITHIN_SECONDS, pause_seconds=1.0)
    finally:
        for (subject, fact), (ours, theirs) in sorted(seen.items()):
            sign = "=" if (subject, fact) in held else "≠"
            print(f"{subject:32} {fact:40} {ours!s:28} {sign} {theirs}")
    shown = {(SubjectKind(subject.partition(":")[0]), fact) for subject, fact in seen}
    readable = {
        (kind, fact) for kind, facts in READINGS.items() for fact, one in facts.items() if isinstance(one, Theirs)
    }
    assert readable - shown <= {(kind, fact) for kind, facts in MAY_LACK.items() for fact in facts}


def compared(around: Around, one: Mapping[str, Any]) -> tuple[Any, Any, bool] | None:
    """Return ours, theirs, and whether they are the same; None where there is no independent reading."""
    kind, _, name = one["subject"].partition(":")
    reading = READINGS[SubjectKind(kind)][one["fact"]]
    if isinstance(reading, Reason):
        return None
    ours, theirs = one["value"], reading.take(around, name)
    if isinstance(theirs, str) and one["fact"].endswith("_at"):
        ours = str(ours)[:19]
    if isinstance(ours, bool) or not isinstance(ours, (int, float)):
        return ours, theirs, ours == theirs
    allowed = max(reading.near, reading.share * abs(theirs), 1e-9)
    return ours, theirs, abs(ours - theirs) <= allowed
