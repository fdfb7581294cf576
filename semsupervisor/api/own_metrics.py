"""What the supervisor tells of itself as metrics: alerts, checks, deliveries, the event stream, its loops and store.

Moments are given as timestamps, never as ages: an age is wrong as soon as it is kept anywhere. Each series costs who
keeps it, so there is none that says only what another one says as well.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

import semsupervisor
from semsupervisor.alerts.lifecycle import Alert, AlertState
from semsupervisor.api import present
from semsupervisor.api.fact_metrics import OWN_KINDS
from semsupervisor.api.families import PREFIX, Family, Series, family
from semsupervisor.api.readings import Readings
from semsupervisor.api.verdicts import State
from semsupervisor.health.probing import BOUNDS_SECONDS, ProbeReport
from semsupervisor.jobs.record import JobState

Sample = tuple[tuple[str, ...], float]

_BOUNDS = (*map(str, BOUNDS_SECONDS), "+Inf")


def families(readings: Readings) -> Iterator[Family]:
    """Yield the families, chapter by chapter."""
    yield from _daemon(readings)
    yield from _stack(readings)
    yield from _alerts(readings)
    yield from _probes(readings)
    yield from _delivery(readings)
    yield from _stream(readings)
    yield from _loops(readings)
    yield from _store(readings)
    yield from _schedules(readings)


def _gauge(name: str, words: str, samples: Iterable[Sample], *labels: str) -> Family:
    return family(name, words, "gauge", labels, samples)


def _counter(name: str, words: str, samples: Iterable[Sample], *labels: str) -> Family:
    return family(name, words, "counter", labels, samples)


def _one(value: float | None) -> list[Sample]:
    return [] if value is None else [((), value)]


def _daemon(readings: Readings) -> Iterator[Family]:
    build = [((semsupervisor.__version__, platform.python_version()), 1.0)]
    yield family("build", "The version of the supervisor that runs.", "info", ("version", "python"), build)
    started = readings.started.wall.timestamp()
    yield _gauge("started_timestamp_seconds", "When the supervisor started.", _one(started))
    well = present.daemon_verdict(readings).good
    yield _gauge("healthy", "Whether the supervisor itself is well, as /healthz says.", _one(well))
    ready = present.readiness_verdict(readings).good
    yield _gauge("ready", "Whether the first look at everything is over, as /readyz says.", _one(ready))
    found = [((finding.name,), 1.0) for finding in readings.findings()]
    yield _gauge("setup_finding", "Weaknesses of the set-up that were found.", found, "finding")


def _stack(readings: Readings) -> Iterator[Family]:
    current = present.stack_verdict(readings).state
    states = [((state.value,), state is current) for state in State]
    yield _gauge("stack_state", "How the stack is, 1 for the state that holds.", states, "state")
    seen = [
        ((subject.kind.value, subject.name, source), observation.at.wall.timestamp())
        for (subject, source), observation in sorted(readings.latest().items(), key=lambda item: item[0])
        if subject.kind not in OWN_KINDS
    ]
    words = "When a source last looked at a subject."
    yield _gauge("observation_timestamp_seconds", words, seen, "kind", "name", "source")


def _alerts(readings: Readings) -> Iterator[Family]:
    none = {(rule.name, rule.severity.value): 0 for rule in readings.rules() if rule.enabled}
    alerts = readings.alerts()

    def family(name: str, words: str, which: Callable[[Alert], bool], known: Mapping[tuple[str, str], int]) -> Family:
        counts = Counter((alert.rule, alert.severity.value) for alert in alerts if which(alert))
        return _gauge(name, words, {**known, **counts}.items(), "rule", "severity")

    words = "Alerts whose condition does not hold for long enough yet; no sample for a rule that has none."
    yield family("alerts_pending", words, _pending, {})
    yield family("alerts_firing", "Alerts that fire, muted ones included.", _firing, none)
    words = "Alerts that fire and that nobody is told of; no sample for a rule that has none."
    yield family("alerts_muted", words, _muted, {})


def _pending(alert: Alert) -> bool:
    return alert.state is AlertState.PENDING


def _firing(alert: Alert) -> bool:
    return alert.state is AlertState.FIRING


def _muted(alert: Alert) -> bool:
    return _firing(alert) and bool(alert.muted_by)


def _probes(readings: Readings) -> Iterator[Family]:
    probes = dict(sorted(readings.probes().items()))
    runs = [((name, outcome), count) for name, probe in probes.items() for outcome, count in probe.outcomes.items()]
    yield _counter("probe_runs", "Runs of a check by how they ended.", runs, "probe", "outcome")
    yield _durations(probes)
    ended = [((name,), probe.last_ended.wall.timestamp()) for name, probe in probes.items() if probe.last_ended]
    yield _gauge("probe_last_run_timestamp_seconds", "When the last run of a check ended.", ended, "probe")
    refused = [((name,), probe.refused_total) for name, probe in probes.items()]
    words = "Runs of a check that were due while one was under way."
    yield _counter("probe_refused_runs", words, refused, "probe")
    intervals = [((name,), probe.interval_seconds) for name, probe in probes.items()]
    yield _gauge("probe_interval_seconds", "How often a check is due.", intervals, "probe")


def _durations(probes: Mapping[str, ProbeReport]) -> Family:
    series: list[Series] = []
    numbers: list[float] = []
    for name, probe in probes.items():
        taken = probe.durations
        series += [("_bucket", (name, bound)) for bound in _BOUNDS]
        series += [("_count", (name,)), ("_sum", (name,))]
        numbers += [*(float(count) for _, count in taken.buckets), *[float(taken.count)] * 2, taken.sum_seconds]
    words = "How long the runs of a check took."
    name = f"{PREFIX}probe_duration_seconds"
    return Family(name, words, "histogram", ("probe", "le"), tuple(series), tuple(numbers))


def _delivery(readings: Readings) -> Iterator[Family]:
    depths = {name: readings.depth(name) for name in readings.receivers()}
    queued = [((name,), depth.queued) for name, depth in depths.items()]
    yield _gauge("outbox_queued", "Messages that wait for a receiver.", queued, "receiver")
    oldest = [((name,), depth.oldest_queued_at.timestamp()) for name, depth in depths.items() if depth.oldest_queued_at]
    words = "When the message that waits longest for a receiver was queued; no sample while none waits."
    yield _gauge("outbox_oldest_queued_timestamp_seconds", words, oldest, "receiver")
    dead = [((name,), depth.dead) for name, depth in depths.items()]
    yield _gauge("outbox_dead_letters", "Messages to a receiver that were given up.", dead, "receiver")
    attempts = [
        sample
        for name, depth in depths.items()
        for sample in (((name, "delivered"), depth.delivered_total), ((name, "failed"), depth.failed_total))
    ]
    yield _counter("deliveries", "Attempts to deliver a message.", attempts, "receiver", "outcome")


def _stream(readings: Readings) -> Iterator[Family]:
    stream = readings.stream()
    connected = stream.connected_since is not None
    yield _gauge("event_stream_connected", "Whether the engine's events are followed.", _one(connected))
    words = "How often the events had to be followed anew."
    yield _counter("event_stream_reconnects", words, _one(stream.reconnects_total))
    yield _gauge(
        "event_stream_lag_seconds", "From the last event's stamp to its arrival.", _one(stream.last_lag_seconds)
    )


def _loops(readings: Readings) -> Iterator[Family]:
    words = "The longest that the event loop was held up in the last minute."
    yield _gauge("loop_lag_seconds", words, _one(readings.loop_lag_seconds()))
    loops = sorted(readings.loops().items())
    failing = [((name,), loop.failures_in_row > 0) for name, loop in loops]
    yield _gauge("loop_failing", "Whether the last turn of a loop failed.", failing, "loop")
    failures = [((name,), loop.failures_total) for name, loop in loops]
    yield _counter("loop_failures", "Turns of a loop that failed.", failures, "loop")


def _store(readings: Readings) -> Iterator[Family]:
    store = readings.store()
    yield _gauge("store_writable", "Whether the state database takes changes.", _one(not store.problem))
    yield _gauge("store_size_bytes", "The size of the state database.", _one(store.size_bytes))
    yield _gauge("store_waiting_changes", "Changes that are in memory only.", _one(store.waiting_changes))
    aside = store.set_aside is not None
    yield _gauge("store_set_aside", "Whether a broken database was moved away since the start.", _one(aside))


def _schedules(readings: Readings) -> Iterator[Family]:
    schedules = readings.jobs.schedules()
    due = [((one.name,), one.next_at.timestamp()) for one in schedules if one.next_at]
    yield _gauge("schedule_next_run_timestamp_seconds", "When a schedule is due next.", due, "schedule")
    waits = [((one.name,), bool(one.waits)) for one in schedules]
    yield _gauge("schedule_waiting", "Whether something keeps a schedule from asking for its job.", waits, "schedule")
    asked = [((one.name,), one.last.created_at.timestamp()) for one in schedules if one.last]
    words = "When a schedule last asked for its job."
    yield _gauge("schedule_last_run_timestamp_seconds", words, asked, "schedule")
    ended = [((one.name,), one.last.state is JobState.DONE) for one in schedules if one.last and not one.last.is_open]
    words = "Whether the last job of a schedule came to its end; no sample while it goes on."
    yield _gauge("schedule_last_run_done", words, ended, "schedule")
