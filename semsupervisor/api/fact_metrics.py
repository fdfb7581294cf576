"""Every fact as a metric: `semsupervisor_<kind>_<fact>`, with the subject's name as the one label. Pure.

Numbers and yes/no are gauges (1 = yes). A text that is one of a few known states has a series for each of them, 1 for
the one it is in; a time is a gauge of its timestamp; any other text is the label of an `_info` series. What could not
be read has no sample: `semsupervisor_fact_unknown` lists it, so that no alert is built on a number that nobody saw.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from semsupervisor.alerts.facts import FACTS
from semsupervisor.api.families import Family, family
from semsupervisor.api.knowledge import Known, merged
from semsupervisor.api.readings import Readings
from semsupervisor.health.observation import FactValue, SubjectKind, Unknown

OTHER_STATE = "other"
LONGEST_LABEL = 100
# Free text of others: each new wording would be another series.
FREE_TEXTS = frozenset({"flows"})

# Those of the supervisor itself have metrics of their own, by the names that its parts go by.
OWN_KINDS = frozenset({SubjectKind.SUPERVISOR, SubjectKind.PROBE, SubjectKind.RECEIVER})

_LABELS = {
    SubjectKind.SERVICE: "service",
    SubjectKind.SEMSTREAMS: "service",
    SubjectKind.NATS: "service",
    SubjectKind.STREAM: "stream",
    SubjectKind.CONSUMER: "consumer",
    SubjectKind.CERTIFICATE: "endpoint",
    SubjectKind.CHECK: "check",
    SubjectKind.FILESYSTEM: "mountpoint",
    SubjectKind.ENGINE: "engine",
    SubjectKind.HOST: "host",
}
_WORDS = {
    "ack_pending": "Messages that are delivered and not acknowledged.",
    "ack_pending_ratio": "Share of the messages that may be delivered and not acknowledged, 0 to 1.",
    "at_ceiling": "Whether its next message does not fit below its own limit.",
    "boot_id": "What the kernel drew by lot at its boot.",
    "buffered_messages": "Messages that it keeps back until NATS takes them.",
    "certificate_expires_timestamp_seconds": "When its TLS certificate ends.",
    "clock_jump_seconds": "By how much its wall clock was set, either way, since the look before.",
    "clock_synchronised": "Whether something keeps its wall clock right.",
    "config_loaded_timestamp_seconds": "When it read its configuration.",
    "connections": "Client connections that are open.",
    "connections_total": "Client connections since it started.",
    "connections_used_ratio": "Share of the connections that it allows, 0 to 1.",
    "consumers": "Consumers that it has.",
    "cpu_limit_processors": "How many processors it may use.",
    "cpu_throttled_ratio": "Share of two minutes' periods in which it was held back at its processor limit, 0 to 1.",
    "cpu_throttled_seconds_total": "How long it was held back at its processor limit since its start.",
    "cpu_used_processors": "How many processors it keeps busy.",
    "cpu_used_ratio": "Share of the processors that it may use and used over the last two minutes, 0 to 1.",
    "cpu_used_seconds_total": "Time of processors that it has used since its start.",
    "deaths_recent": "How often it died in the last 10 minutes.",
    "deleted_messages": "Messages that are missing between its first and its last.",
    "deliveries_total": "Messages that it delivered, repeated ones as well.",
    "died": "Whether it is not running although nobody asked for that.",
    "discard": "What happens at its own limit, 1 for the one that holds: old ones are evicted or new ones refused.",
    "disk_read_bytes_total": "What it has read from disks since its start.",
    "disk_written_bytes_total": "What it has written to disks since its start.",
    "error_ratio": "Share of its messages that failed in the last 5 minutes (of at least 20), 0 to 1.",
    "errors_total": "Errors that it counted since it started.",
    "exit_code": "Exit code of the last end of its main process.",
    "first_sequence": "The number of the oldest message that it holds.",
    "flows_active": "Flows that run.",
    "flows_expected": "Flows that should run.",
    "flows_missing": "Flows that should run and do not.",
    "flows_slow": "Flows that run and do not keep up.",
    "free_bytes": "Space that is free for the supervisor's user.",
    "health": "What its own health check says, 1 for what holds.",
    "healthy": "Whether it says that it is healthy.",
    "image": "The image that it runs.",
    "image_id": "The content of the image that it runs.",
    "in_bytes_total": "Bytes of messages that it took since it started.",
    "in_messages_total": "Messages that it took since it started.",
    "inodes_used_ratio": "Share of the inodes that is used, 0 to 1.",
    "jetstream_account_memory_used_ratio": "Share of its own memory limit that the fullest account uses, 0 to 1.",
    "jetstream_account_storage_used_ratio": "Share of its own storage limit that the fullest account uses, 0 to 1.",
    "jetstream_api_error_ratio": "Share of JetStream's calls that failed in 5 minutes, 0 to 1; 0 while fewer than 20.",
    "jetstream_api_errors_total": "Calls of JetStream that failed since it started.",
    "jetstream_api_requests_total": "Calls of JetStream since it started.",
    "jetstream_consumers": "Consumers of all its streams.",
    "jetstream_consumers_left_out": "Durable consumers that are too many to have facts of their own.",
    "jetstream_enabled": "Whether JetStream is on.",
    "jetstream_memory_limit_bytes": "The most that JetStream may hold in memory.",
    "jetstream_memory_reserved_bytes": "What the limits of streams in memory add up to.",
    "jetstream_memory_used_bytes": "What JetStream holds in memory.",
    "jetstream_memory_used_ratio": "Share of its memory limit that JetStream uses, 0 to 1.",
    "jetstream_messages": "Messages in all its streams.",
    "jetstream_storage_limit_bytes": "The most that JetStream may hold on disk.",
    "jetstream_storage_reserved_bytes": "What the limits of streams on disk add up to.",
    "jetstream_storage_used_bytes": "What JetStream holds on disk.",
    "jetstream_storage_used_ratio": "Share of its storage limit that JetStream uses, 0 to 1.",
    "jetstream_streams": "Streams of all its accounts.",
    "jetstream_streams_left_out": "Streams that are too many to have facts of their own.",
    "lag_messages": "How many messages it is behind what it is a copy of.",
    "last_sequence": "The number of the newest message that it took.",
    "latency_seconds": "How long its last answer took.",
    "load_per_processor": "Programs that ran or waited for a processor or a disk in the last minute, per processor.",
    "log_errors_total": "Errors that it logged since it started.",
    "lost_messages": "Messages that the server found missing in its files.",
    "max_ack_pending": "The most messages that may be delivered and not acknowledged.",
    "max_bytes": "The most that it may hold.",
    "max_messages": "The most messages that it may hold.",
    "memory_available_bytes": "Memory that programs can get without swapping.",
    "memory_available_ratio": "Share of the memory that programs can get without swapping, 0 to 1.",
    "memory_limit_bytes": "The most memory that it may use.",
    "memory_size_bytes": "All of its memory.",
    "memory_used_bytes": "Memory that it uses and that cannot be taken back without harm.",
    "memory_used_ratio": "Share of its memory limit that it uses, 0 to 1.",
    "messages": "Messages that it holds.",
    "messages_idle_seconds": "For how long it has processed no message.",
    "messages_pending": "Messages that wait to be processed.",
    "messages_per_second": "Messages that it processes, of the last minutes.",
    "messages_total": "Messages that it says it processed since it started.",
    "messages_used_ratio": "Share of the messages that it may hold, 0 to 1.",
    "metrics_offered": "Whether it still offers its metrics.",
    "missing": "Whether there is no container of it although nobody asked for that.",
    "nats_connected": "Whether it says that it is connected to NATS.",
    "nats_connected_by_metrics": "Whether its metrics say that it is connected to NATS.",
    "nats_monitor_reachable_inside": "Whether the monitoring port of NATS is reached from its network.",
    "nats_reachable_inside": "Whether NATS takes clients that connect from its network.",
    "nats_reconnects_total": "How often it connected to NATS since it started.",
    "nats_resolvable_inside": "Whether its network knows the name of NATS.",
    "nats_rtt_seconds": "How long a round trip from it to NATS takes, as it says.",
    "network_received_bytes_total": "What it has received over the network since its start.",
    "network_sent_bytes_total": "What it has sent over the network since its start.",
    "offered": "Whether it offers the endpoint that was asked.",
    "oom_killed": "Whether the kernel killed it, or a child of it, for want of memory since the look before.",
    "out_bytes_total": "Bytes of messages that it gave since it started.",
    "out_messages_total": "Messages that it gave since it started.",
    "parts_unwell": "Parts of it that it does not call healthy.",
    "paused": "Whether it is paused.",
    "pending": "Messages that it has not delivered yet.",
    "pids": "Processes and threads in it.",
    "pressure_cpu_ratio": "Share of the last minute in which some program waited for a processor, 0 to 1.",
    "pressure_io_full_ratio": "Share of the last minute in which all programs waited for a disk, 0 to 1.",
    "pressure_io_ratio": "Share of the last minute in which some program waited for a disk, 0 to 1.",
    "pressure_memory_full_ratio": "Share of the last minute in which all programs waited for memory, 0 to 1.",
    "pressure_memory_ratio": "Share of the last minute in which some program waited for memory, 0 to 1.",
    "processors": "How many processors it has.",
    "reachable": "Whether it answered.",
    "read_only": "Whether nothing can be written to it.",
    "read_only_unexpected": "Whether nothing can be written to it although something there has to.",
    "redelivered": "Messages not acknowledged that were delivered more than once.",
    "redeliveries_total": "Repeated deliveries that were seen, at the least.",
    "refuses_writes": "Whether it is at its own limit and refuses new messages.",
    "resident_memory_bytes": "Memory that it says it holds.",
    "restarted": "Whether it is another one, or was started anew, since the look before.",
    "restarting": "Whether it restarts again and again.",
    "restarts": "How often its restart policy started it since it was created.",
    "server_id": "The name that its server gave itself at its start.",
    "services_failed": "Its services that failed.",
    "size_bytes": "How large it is.",
    "slow_consumers_total": "Clients that were cut off for being slow since the server started.",
    "stalled_clients_total": "How often it made a client wait for others since it started.",
    "started_timestamp_seconds": "When it says that it started.",
    "state": "The state of its container, 1 for the one it is in.",
    "status": "How it says that it is, 1 for the one that holds.",
    "still_seconds": "How long it has had something to do and got nothing done.",
    "stopped_on_request": "Whether it is not running because somebody asked for that.",
    "storage_pressure": "How hard its storage is pressed: 0 normal to 3 critical.",
    "storage_report_age_seconds": "For how long it has made no new report on its storage.",
    "stuck": "Whether it has had something to do for long and got nothing done.",
    "subscriptions": "Subscriptions of its clients and its own.",
    "swap_read_bytes_total": "What was read back from swap space since the boot.",
    "swap_size_bytes": "All of its swap space.",
    "swap_used_ratio": "Share of the swap space that is used, 0 to 1.",
    "temperature_celsius": "Temperature of the processor that is nearest to its limit.",
    "temperature_margin_celsius": "Degrees that are left until the processor slows itself down.",
    "undecided": "Whether it ended and it is still open who asked for that.",
    "unhealthy": "Whether its own health check fails.",
    "uptime_seconds": "How long it says that it has been running, at the time of the look.",
    "used_bytes": "What it holds.",
    "used_ratio": "Share of the space that is used, 0 to 1.",
    "version": "The version that it says it is.",
    "waiting_pulls": "Requests for messages that wait for some.",
}


def families(readings: Readings) -> Iterator[Family]:
    """Yield a family for each fact, sorted by kind and fact."""
    subjects = [one for one in merged(readings.latest().values()).values() if _is_shown(one)]
    for (kind, fact), values in sorted(_by_fact(subjects).items()):
        yield _of_fact(kind, fact, values)
    yield _unknown(subjects)


def _is_shown(one: Known) -> bool:
    return one.subject.kind not in OWN_KINDS


def _by_fact(subjects: Iterable[Known]) -> dict[tuple[SubjectKind, str], dict[str, FactValue]]:
    """Return for each kind and fact the values by the subject's name."""
    found: dict[tuple[SubjectKind, str], dict[str, FactValue]] = {}
    for one in subjects:
        for fact, value in one.facts.items():
            if fact in FREE_TEXTS:
                continue
            found.setdefault((one.subject.kind, fact), {})[one.subject.name] = value
    return found


def _of_fact(kind: SubjectKind, fact: str, values: Mapping[str, FactValue]) -> Family:
    numbers = {name: float(value) for name, value in values.items() if isinstance(value, (bool, int, float))}
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    form = FACTS[kind].get(fact)
    if isinstance(form, tuple):
        return _of_states(kind, fact, texts, (*form, OTHER_STATE))
    if fact.endswith("_at"):
        stamps = {name: stamp for name, text in texts.items() if (stamp := _timestamp(text)) is not None}
        return _of_numbers(kind, f"{fact.removesuffix('_at')}_timestamp_seconds", stamps)
    if texts or form is str:
        return _of_texts(kind, fact, texts)
    return _of_numbers(kind, fact, numbers)


def _timestamp(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None


def _of_numbers(kind: SubjectKind, fact: str, numbers: Mapping[str, float]) -> Family:
    form = "counter" if fact.endswith("_total") else "gauge"
    samples = (((subject,), number) for subject, number in numbers.items())
    return family(_name(kind, fact.removesuffix("_total")), _words(kind, fact), form, (_LABELS[kind],), samples)


def _of_states(kind: SubjectKind, fact: str, texts: Mapping[str, str], states: tuple[str, ...]) -> Family:
    samples = [
        ((subject, state), float(state == (text if text in states else OTHER_STATE)))
        for subject, text in texts.items()
        for state in states
    ]
    return family(_name(kind, fact), _words(kind, fact), "gauge", (_LABELS[kind], fact), samples)


def _of_texts(kind: SubjectKind, fact: str, texts: Mapping[str, str]) -> Family:
    samples = (((subject, text[:LONGEST_LABEL]), 1.0) for subject, text in texts.items())
    return family(_name(kind, fact), _words(kind, fact), "info", (_LABELS[kind], _clean(fact)), samples)


def _unknown(subjects: Iterable[Known]) -> Family:
    samples = (
        ((one.subject.kind.value, one.subject.name, fact), 1.0)
        for one in subjects
        for fact, value in one.facts.items()
        if isinstance(value, Unknown)
    )
    words = "Facts that were looked at in vain: they have no sample of their own."
    return family("fact_unknown", words, "gauge", ("kind", "name", "fact"), samples)


def _name(kind: SubjectKind, fact: str) -> str:
    return f"{kind.value}_{_clean(fact)}"


def _clean(fact: str) -> str:
    return re.sub(r"[^a-z0-9_]", "_", fact.lower())


def _words(kind: SubjectKind, fact: str) -> str:
    return f"{kind.value}: {_WORDS.get(fact, f'the fact {fact}.')}"
