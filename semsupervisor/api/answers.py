"""The bodies that the API answers with; their JSON schemas are served at /v1/openapi.json.

Times are RFC 3339 in UTC. Ages are left to the reader: each body carries the time at which it was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import msgspec

from semsupervisor.alerts.lifecycle import AlertState
from semsupervisor.alerts.notification import NotificationKind
from semsupervisor.alerts.rules import Severity
from semsupervisor.api.verdicts import State
from semsupervisor.health.observation import SubjectKind

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The base of every body."""


class ErrorAnswer(Answer, frozen=True, kw_only=True):
    """Why a request was not fulfilled, what to do about it, and every single problem where there are several."""

    error: str
    what_to_do: str = ""
    problems: tuple[str, ...] = ()


class VerdictAnswer(Answer, frozen=True, kw_only=True):
    """How something is, and why it is not healthy."""

    now: Moment
    status: State
    reasons: tuple[str, ...] = ()


class SubjectAnswer(Answer, frozen=True, kw_only=True):
    """What is known of one subject; `unknown` are the facts that were looked at in vain, each with the reason."""

    kind: SubjectKind
    name: str
    seen_at: Moment
    facts: Mapping[str, bool | int | float | str] = {}
    unknown: Mapping[str, str] = {}
    evidence: Mapping[str, str] = {}


class ServiceAnswer(SubjectAnswer, frozen=True, kw_only=True):
    """One service of the compose project: since when it is in its state, and who or what brought it there."""

    since: Moment | None = None
    intent: str = ""


class StreamAnswer(Answer, frozen=True, kw_only=True):
    """The engine's event stream; `connected_since` is null while it is not followed."""

    connected_since: Moment | None
    reconnects_total: int
    last_lag_seconds: float | None


class AlertAnswer(Answer, frozen=True, kw_only=True):
    """One episode of a rule holding for a subject; `known` is false while its fact cannot be seen.

    `told` are the receivers who heard of it, `muted_by` says why nobody did, and `caused_by` is the id of the alert in
    the same answer that it follows from.
    """

    id: str
    rule: str
    title: str
    subject: str
    severity: Severity
    state: AlertState
    summary: str
    value: str
    limit: str
    since: Moment
    seen_at: Moment
    known: bool
    fired_at: Moment | None = None
    resolved_at: Moment | None = None
    resolved_because: str = ""
    told: tuple[str, ...] = ()
    muted_by: str = ""
    caused_by: str | None = None
    consequences: tuple[str, ...] = ()
    evidence: Mapping[str, str] = {}
    diagnosis: str = ""
    next_steps: tuple[str, ...] = ()


class AlertsAnswer(Answer, frozen=True, kw_only=True):
    """The alerts that are pending or firing, or the newest episodes."""

    now: Moment
    alerts: tuple[AlertAnswer, ...]


class TimelineEntryAnswer(Answer, frozen=True, kw_only=True):
    """One thing that was seen, decided or done; `id` gives the order."""

    id: int
    at: Moment
    kind: str
    subject: str
    text: str
    facts: Mapping[str, bool | int | float | str] = {}


class TimelineAnswer(Answer, frozen=True, kw_only=True):
    """Entries of the timeline, newest first; `before` fetches the next page, null when there is none."""

    now: Moment
    entries: tuple[TimelineEntryAnswer, ...]
    before: int | None = None


class WayAnswer(Answer, frozen=True, kw_only=True):
    """How the way to one receiver is; totals count since the daemon started, dead letters are all that lie there."""

    name: str
    queued: int
    oldest_queued_at: Moment | None
    last_error: str
    dead_letters: int
    delivered_total: int
    failed_total: int


class ReceiverAnswer(WayAnswer, frozen=True, kw_only=True):
    """How the ways to one receiver are, together; `addresses` has each of them where mail goes to several."""

    addresses: tuple[WayAnswer, ...] = ()


class MessageAnswer(Answer, frozen=True, kw_only=True):
    """One message that waits, or that was given up (`dead`); `receiver` is its queue, of an address `name/address`."""

    id: int
    receiver: str
    dead: bool
    key: str
    kind: NotificationKind
    alerts: tuple[str, ...]
    queued_at: Moment
    attempts: int
    last_error: str


class OutboxAnswer(Answer, frozen=True, kw_only=True):
    """What waits for the receivers, and the newest dead letters."""

    now: Moment
    receivers: tuple[ReceiverAnswer, ...]
    messages: tuple[MessageAnswer, ...]


class ProbeAnswer(Answer, frozen=True, kw_only=True):
    """How one scheduled check is doing; `outcomes` counts its runs by how they ended."""

    name: str
    interval_seconds: float
    last_ended_at: Moment | None
    last_outcome: str | None
    last_error: str
    outcomes: Mapping[str, int]


class DaemonAnswer(Answer, frozen=True, kw_only=True):
    """The daemon itself; `untold` are those of the reasons that no alert tells."""

    version: str
    started_at: Moment
    status: State
    reasons: tuple[str, ...]
    untold: tuple[str, ...]
    ready: bool
    loop_lag_seconds: float
    store_problem: str
    store_size_bytes: int
    store_set_aside: str | None


class FindingAnswer(Answer, frozen=True, kw_only=True):
    """A weakness of the set-up, and what to do about it."""

    name: str
    text: str
    fix: str


class SettingAnswer(Answer, frozen=True, kw_only=True):
    """One effective setting, secrets masked, and where its value came from."""

    key: str
    value: bool | int | float | str | list[str]
    origin: str


class SettingsAnswer(Answer, frozen=True, kw_only=True):
    """All effective settings, the file that they were read from, and weaknesses that refuse nothing."""

    file: str | None
    settings: tuple[SettingAnswer, ...]
    findings: tuple[str, ...] = ()


class DoneAnswer(Answer, frozen=True, kw_only=True):
    """What an act did, one sentence each."""

    done: tuple[str, ...]
