"""The life of one alert as a pure function: what it was, what was just found, and what it is now.

pending -> firing -> resolved as in Prometheus, except that `for` counts observed time only: time in which
nothing was seen, or the fact was unknown, brings an alert neither closer to firing nor to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from semsupervisor.alerts.rules import Finding, Rule, Severity, Verdict, limit_text
from semsupervisor.health.observation import ENDED_AT, FactValue, Subject
from semsupervisor.kit.clock import Instant

UNKNOWN_LOOKS_UNTIL_INACTIVE = 3
# Both: one look may leave a figure out, and after a start some take a while to be worked out.
LOOKS_WITHOUT_UNTIL_OVER = 3
SECONDS_WITHOUT_UNTIL_OVER = 300.0


class AlertState(StrEnum):
    """Where an alert is in its life; an inactive one does not exist."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One episode of a rule holding for a subject, from the first sight to the resolution.

    `held_seconds` and `clear_seconds` are observed monotonic time. `told` names the receivers for whom the
    firing went into the outbox; only they hear of the resolution. `muted_by` says why nobody was told, `caused_by` is
    the id of the alert that says it already, if that is why.
    `times` is how often it was found anew in this episode, the first included: what is about to end may come again.
    `consequences` are the rules expected to follow while it fires, and those observed once it is resolved.
    `since_monotonic` and `seen_monotonic` are the first and the last look on this boot's monotonic clock; they are not
    kept across a restart. `source` gave the fact last, `answered` whether it had an answer then, `looks_without` is how
    often in a row it has looked and did not give it any more, and `without_since` when first, by that clock. `apart` is
    what the last observation said of its subject.
    `lasted_seconds` is by that clock, too, None where it did not see the whole of it.
    """

    id: str
    rule: str
    title: str
    subject: Subject
    severity: Severity
    state: AlertState
    since: datetime
    seen_at: datetime
    value: FactValue
    summary: str
    limit: str
    evidence: Mapping[str, str] = {}
    fired_at: datetime | None = None
    resolved_at: datetime | None = None
    resolved_because: str = ""
    lasted_seconds: float | None = None
    held_seconds: float = 0.0
    clear_seconds: float = 0.0
    unknown_in_row: int = 0
    last_verdict: Verdict = Verdict.HOLDS
    since_monotonic: float | None = None
    seen_monotonic: float | None = None
    source: str = ""
    answered: bool = False
    apart: bool = False
    looks_without: int = 0
    without_since: float | None = None
    told: tuple[str, ...] = ()
    muted_by: str = ""
    caused_by: str = ""
    consequences: tuple[str, ...] = ()
    times: int = 1

    @property
    def open(self) -> bool:
        """Tell whether the episode goes on."""
        return self.state is not AlertState.RESOLVED


def begin(
    rule: Rule,
    subject: Subject,
    finding: Finding,
    evidence: Mapping[str, str],
    at: Instant,
    new_id: Callable[[], str],
) -> Alert | None:
    """Return the episode that a finding begins, pending or (with no `for`) firing at once; None if it begins none."""
    if finding.verdict is not Verdict.HOLDS:
        return None
    alert = Alert(
        id=new_id(),
        rule=rule.name,
        title=rule.title,
        subject=subject,
        severity=rule.severity,
        state=AlertState.PENDING,
        since=at.wall,
        seen_at=at.wall,
        value=finding.value,
        summary=finding.summary,
        limit=limit_text(rule),
        evidence=evidence,
        since_monotonic=at.monotonic,
        seen_monotonic=at.monotonic,
    )
    return _fire_if_due(rule, alert, at)


def step(rule: Rule, alert: Alert, finding: Finding, evidence: Mapping[str, str], at: Instant) -> Alert | None:
    """Return what an open alert is after one more finding; None means that it went back to inactive untold."""
    match alert.state:
        case AlertState.PENDING:
            return _step_pending(rule, alert, finding, evidence, at)
        case AlertState.FIRING:
            return _step_firing(rule, alert, finding, evidence, at)
        case AlertState.RESOLVED:
            return alert


def _step_pending(rule: Rule, alert: Alert, finding: Finding, evidence: Mapping[str, str], at: Instant) -> Alert | None:
    match finding.verdict:
        case Verdict.CLEAR | Verdict.GONE:
            return None
        case Verdict.UNKNOWN:
            unknown = alert.unknown_in_row + 1
            if unknown >= UNKNOWN_LOOKS_UNTIL_INACTIVE:
                return None
            return _seen(alert, at, finding.verdict, unknown_in_row=unknown)
        case Verdict.HOLDS:
            held = alert.held_seconds + _observed_seconds(rule, alert, at, Verdict.HOLDS)
            looked = _looked(alert, finding, evidence, at)
            return _fire_if_due(rule, msgspec.structs.replace(looked, held_seconds=held), at)


def _step_firing(rule: Rule, alert: Alert, finding: Finding, evidence: Mapping[str, str], at: Instant) -> Alert:
    match finding.verdict:
        case Verdict.GONE:
            return resolve(alert, at, finding.summary)
        case Verdict.UNKNOWN:
            return _seen(alert, at, finding.verdict, unknown_in_row=alert.unknown_in_row + 1, keep_seen_at=True)
        case Verdict.HOLDS:
            return msgspec.structs.replace(_looked(alert, finding, evidence, at), clear_seconds=0.0)
        case Verdict.CLEAR:
            clear = alert.clear_seconds + _observed_seconds(rule, alert, at, Verdict.CLEAR)
            seen = msgspec.structs.replace(_seen(alert, at, Verdict.CLEAR), clear_seconds=clear)
            return resolve(seen, at, finding.summary) if clear >= rule.clear_for_seconds else seen


def go_without(alert: Alert, because: str, at: Instant) -> Alert | None:
    """Return what an open alert is after a good look of its source that does not give the fact of its rule any more.

    What is over as it is not measured for long ends for the reason given; a pending one goes back to inactive.
    """
    since = at.monotonic if alert.without_since is None else alert.without_since
    looks = 1 if alert.without_since is None else alert.looks_without + 1
    if looks < LOOKS_WITHOUT_UNTIL_OVER or at.monotonic - since < SECONDS_WITHOUT_UNTIL_OVER:
        return msgspec.structs.replace(alert, looks_without=looks, without_since=since)
    return resolve(alert, at, because) if alert.state is AlertState.FIRING else None


def resolve(alert: Alert, at: Instant, because: str) -> Alert:
    """End an episode and say why."""
    return msgspec.structs.replace(
        alert,
        state=AlertState.RESOLVED,
        resolved_at=at.wall,
        resolved_because=because,
        lasted_seconds=None if alert.since_monotonic is None else at.monotonic - alert.since_monotonic,
        seen_monotonic=at.monotonic,
    )


def _fire_if_due(rule: Rule, alert: Alert, at: Instant) -> Alert:
    if alert.held_seconds < rule.for_seconds:
        return alert
    return msgspec.structs.replace(alert, state=AlertState.FIRING, fired_at=at.wall)


def _looked(alert: Alert, finding: Finding, evidence: Mapping[str, str], at: Instant) -> Alert:
    seen = _seen(alert, at, Verdict.HOLDS)
    again = alert.state is AlertState.FIRING and alert.last_verdict is Verdict.CLEAR
    return msgspec.structs.replace(
        seen,
        value=finding.value,
        summary=finding.summary,
        evidence=evidence if again else _with_evidence(alert.evidence, evidence),
        times=alert.times + again,
    )


def _with_evidence(known: Mapping[str, str], more: Mapping[str, str]) -> Mapping[str, str]:
    """Return evidence with more of it, but for what is of another end than the one it was told with."""
    if ENDED_AT in known and more.get(ENDED_AT) != known[ENDED_AT]:
        return known
    return {**known, **more}


def _seen(alert: Alert, at: Instant, verdict: Verdict, *, unknown_in_row: int = 0, keep_seen_at: bool = False) -> Alert:
    return msgspec.structs.replace(
        alert,
        last_verdict=verdict,
        unknown_in_row=unknown_in_row,
        looks_without=0,
        without_since=None,
        # Two sources may hand in their looks in the other order: no second counts twice.
        seen_monotonic=max(at.monotonic, at.monotonic if alert.seen_monotonic is None else alert.seen_monotonic),
        seen_at=alert.seen_at if keep_seen_at else at.wall,
    )


def _observed_seconds(rule: Rule, alert: Alert, at: Instant, verdict: Verdict) -> float:
    """Return the time between two looks that said the same; a first look, or a long silence, counts nothing."""
    if alert.last_verdict is not verdict or alert.seen_monotonic is None:
        return 0.0
    gap = at.monotonic - alert.seen_monotonic
    return gap if 0.0 <= gap <= rule.counted_gap_seconds else 0.0
