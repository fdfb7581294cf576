"""From what the daemon knows to the bodies of the API's answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import semsupervisor
from semsupervisor.alerts import routing
from semsupervisor.alerts.book import TimelineEntry
from semsupervisor.alerts.lifecycle import Alert
from semsupervisor.alerts.rules import Rule, Verdict, measured_text, value_text
from semsupervisor.api import answers, jobs, outgoing, verdicts
from semsupervisor.api.knowledge import Known, merged, of_kind
from semsupervisor.api.readings import Readings
from semsupervisor.api.status_answers import StatusAnswer
from semsupervisor.health.observation import FactValue, Subject, SubjectKind, Unknown
from semsupervisor.health.setup import SetupFinding
from semsupervisor.settings import show
from semsupervisor.settings.load import Loaded


def daemon_verdict(readings: Readings) -> verdicts.Verdict:
    """Judge the daemon itself."""
    return verdicts.daemon(readings.loops().values(), readings.loop_lag_seconds(), readings.store(), readings.alerts())


def readiness_verdict(readings: Readings) -> verdicts.Verdict:
    """Judge whether the first look at everything is over."""
    return verdicts.readiness(readings.listed(), readings.probes())


def stack_verdict(readings: Readings) -> verdicts.Verdict:
    """Judge the stack."""
    return _stack_verdict(readings, merged(readings.latest().values()))


def _stack_verdict(readings: Readings, known: Mapping[Subject, Known]) -> verdicts.Verdict:
    return verdicts.stack(
        known,
        readiness_verdict(readings).reasons,
        readings.alerts(),
        readings.rules(),
        readings.clock.monotonic(),
        verdicts.stale_after_seconds(readings.probes().values()),
    )


def verdict(readings: Readings, judged: verdicts.Verdict) -> answers.VerdictAnswer:
    """Return a verdict as an answer."""
    return answers.VerdictAnswer(now=readings.clock.now(), status=judged.state, reasons=judged.reasons)


def status(readings: Readings) -> StatusAnswer:
    """Return everything that fits on one screen."""
    known = merged(readings.latest().values())
    judged = _stack_verdict(readings, known)
    named = readings.stack()
    newest = readings.backups.newest_good()
    engines, hosts = of_kind(known, SubjectKind.ENGINE), of_kind(known, SubjectKind.HOST)
    return StatusAnswer(
        now=readings.clock.now(),
        host=named.host,
        project=named.project,
        directory=named.directory,
        status=judged.state,
        reasons=judged.reasons,
        untold=judged.untold,
        daemon=_daemon(readings),
        engine=_subject(engines[0]) if engines else None,
        stream=_stream(readings),
        services=tuple(_service(readings, one) for one in of_kind(known, SubjectKind.SERVICE)),
        semstreams=_subjects(of_kind(known, SubjectKind.SEMSTREAMS)),
        nats=_subjects(of_kind(known, SubjectKind.NATS)),
        filesystems=_subjects(of_kind(known, SubjectKind.FILESYSTEM)),
        host_seen=_subject(hosts[0]) if hosts else None,
        alerts=open_alerts(readings).alerts,
        receivers=outgoing.receivers(readings),
        probes=_probes(readings),
        findings=tuple(_finding(one) for one in readings.findings()),
        jobs=tuple(jobs.job(readings, one) for one in readings.jobs.shown()),
        schedules=jobs.schedules(readings),
        newest_snapshot=newest.id if newest else "",
        newest_snapshot_at=newest.taken_at if newest else None,
    )


def open_alerts(readings: Readings) -> answers.AlertsAnswer:
    """Return the alerts that are pending or firing, the most important first."""
    return alerts(readings, verdicts.by_importance(one for one in readings.alerts() if one.open))


def alerts(readings: Readings, episodes: Iterable[Alert]) -> answers.AlertsAnswer:
    """Return episodes with what their rules say about them."""
    rules = {rule.name: rule for rule in readings.rules()}
    found = list(episodes)
    root_of = verdicts.roots(found)
    shown = tuple(_alert(one, rules.get(one.rule), root_of.get(one.id)) for one in found)
    return answers.AlertsAnswer(now=readings.clock.now(), alerts=shown)


def timeline(readings: Readings, entries: Sequence[TimelineEntry], before: int | None) -> answers.TimelineAnswer:
    """Return entries of the timeline; `before` is the number that asks for the next page."""
    shown = tuple(_entry(one) for one in entries)
    return answers.TimelineAnswer(now=readings.clock.now(), entries=shown, before=before)


def settings(loaded: Loaded) -> answers.SettingsAnswer:
    """Return the effective settings."""
    return answers.SettingsAnswer(
        file=str(loaded.path) if loaded.path else None,
        settings=tuple(
            answers.SettingAnswer(key=one.key, value=one.value, origin=one.origin) for one in show.entries(loaded)
        ),
        findings=loaded.findings,
    )


def _daemon(readings: Readings) -> answers.DaemonAnswer:
    judged = daemon_verdict(readings)
    store = readings.store()
    return answers.DaemonAnswer(
        version=semsupervisor.__version__,
        started_at=readings.started.wall,
        status=judged.state,
        reasons=judged.reasons,
        untold=judged.untold,
        ready=readiness_verdict(readings).good,
        loop_lag_seconds=round(readings.loop_lag_seconds(), 4),
        store_problem=store.problem,
        store_size_bytes=store.size_bytes,
        store_set_aside=store.set_aside,
    )


def _stream(readings: Readings) -> answers.StreamAnswer:
    stream = readings.stream()
    return answers.StreamAnswer(
        connected_since=stream.connected_since.wall if stream.connected_since else None,
        reconnects_total=stream.reconnects_total,
        last_lag_seconds=stream.last_lag_seconds,
    )


def _subjects(known: Iterable[Known]) -> tuple[answers.SubjectAnswer, ...]:
    return tuple(_subject(one) for one in known)


def _subject(one: Known) -> answers.SubjectAnswer:
    return answers.SubjectAnswer(
        kind=one.subject.kind,
        name=one.subject.name,
        seen_at=one.at.wall,
        facts=_facts(one.facts),
        unknown=_unknown(one.facts),
        evidence=one.evidence,
    )


def _service(readings: Readings, one: Known) -> answers.ServiceAnswer:
    view = readings.services().get(one.subject.name)
    return answers.ServiceAnswer(
        kind=one.subject.kind,
        name=one.subject.name,
        seen_at=one.at.wall,
        facts=_facts(one.facts),
        unknown=_unknown(one.facts),
        evidence=one.evidence,
        since=view.since if view else None,
        intent=view.intent if view else "",
    )


def _facts(facts: Mapping[str, FactValue]) -> dict[str, bool | int | float | str]:
    return {fact: value for fact, value in facts.items() if not isinstance(value, Unknown)}


def _unknown(facts: Mapping[str, FactValue]) -> dict[str, str]:
    return {fact: value.reason for fact, value in facts.items() if isinstance(value, Unknown)}


def _alert(one: Alert, rule: Rule | None, caused_by: str | None) -> answers.AlertAnswer:
    steps = rule.fix if rule else ()
    return answers.AlertAnswer(
        id=one.id,
        rule=one.rule,
        title=one.title,
        subject=str(one.subject),
        severity=one.severity,
        state=one.state,
        summary=one.summary,
        value=measured_text(rule, one.value) if rule else value_text("", one.value),
        limit=one.limit,
        since=one.since,
        seen_at=one.seen_at,
        known=one.last_verdict is not Verdict.UNKNOWN,
        fired_at=one.fired_at,
        resolved_at=one.resolved_at,
        resolved_because=one.resolved_because,
        told=routing.names(one.told),
        muted_by=one.muted_by,
        caused_by=caused_by,
        consequences=one.consequences,
        evidence=one.evidence,
        diagnosis=rule.diagnosis if rule else "",
        next_steps=tuple(step.replace("{name}", one.subject.name) for step in steps),
    )


def _entry(one: TimelineEntry) -> answers.TimelineEntryAnswer:
    return answers.TimelineEntryAnswer(
        id=one.id, at=one.at, kind=one.kind, subject=one.subject, text=one.text, facts=_facts(one.facts)
    )


def _probes(readings: Readings) -> tuple[answers.ProbeAnswer, ...]:
    return tuple(
        answers.ProbeAnswer(
            name=name,
            interval_seconds=float(probe.interval_seconds),
            last_ended_at=probe.last_ended.wall if probe.last_ended else None,
            last_outcome=probe.last_outcome,
            last_error=probe.last_error,
            outcomes=dict(probe.outcomes),
        )
        for name, probe in sorted(readings.probes().items())
    )


def _finding(one: SetupFinding) -> answers.FindingAnswer:
    return answers.FindingAnswer(name=one.name, text=one.text, fix=one.fix)
