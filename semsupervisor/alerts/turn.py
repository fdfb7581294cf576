"""All that one batch of observations changes: alerts, messages and notes, decided before any of it counts.

Pure but for collecting: no clock, no disk; the pipeline commits what a turn holds and then makes it true.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import force_setattr

from semsupervisor.alerts.histories import Histories
from semsupervisor.alerts.judging import Change, Key, index, judge
from semsupervisor.alerts.lifecycle import Alert, AlertState, resolve
from semsupervisor.alerts.muting import SETTLE_SECONDS, Ended, Hold, Mute, Topology, expected, held, leads_back, mute
from semsupervisor.alerts.notification import Notification, NotificationKind
from semsupervisor.alerts.routing import Route, names, receivers
from semsupervisor.alerts.rules import Rule, Severity, Verdict
from semsupervisor.alerts.telling import notification
from semsupervisor.health.observation import FactValue, Observation, Subject, SubjectKind, encodable_facts
from semsupervisor.kit.clock import Instant
from semsupervisor.kit.text import encodable


class Policy:
    """What the settings say of judging and telling; replaced as a whole at a reload."""

    def __init__(self, host: str, rules: Iterable[Rule], routes: Iterable[Route], topology: Topology) -> None:
        self.host = host
        self.rules = tuple(rules)
        self.routes = tuple(routes)
        self.topology = topology
        self.by_name = {rule.name: rule for rule in self.rules}
        self.by_kind = index(self.rules)


class Note(msgspec.Struct, frozen=True):
    """One entry for the timeline, not yet numbered; its texts are made encodable."""

    kind: str
    subject: Subject
    text: str
    facts: Mapping[str, FactValue] = {}

    def __post_init__(self) -> None:
        force_setattr(self, "text", encodable(self.text))
        force_setattr(self, "facts", encodable_facts(self.facts))


class Turn:
    """What changes at one instant, on top of the alerts that were open before it.

    `histories` hold the courses of the facts with what is to be judged; without them no rule sees a course. `hold` is
    what a job has stopped.
    """

    def __init__(
        self,
        policy: Policy,
        alerts: Mapping[Key, Alert],
        ended: Iterable[Ended],
        at: Instant,
        histories: Histories | None = None,
        hold: Hold | None = None,
    ) -> None:
        self.at = at
        self.alerts = dict(alerts)
        self.ended = [past for past in ended if 0.0 <= at.monotonic - past.monotonic < SETTLE_SECONDS]
        self.saved: dict[str, Alert] = {}
        self.forgotten: list[str] = []
        self.notes: list[Note] = []
        self.messages: list[tuple[str, Notification]] = []
        self.told: list[Alert] = []
        self._policy = policy
        self._hold = hold
        self._histories = Histories() if histories is None else histories

    @property
    def empty(self) -> bool:
        """Tell whether there is nothing that must reach the disk now."""
        return not (self.saved or self.forgotten or self.notes or self.messages)

    def take(self, observations: Iterable[Observation], new_id: Callable[[], str]) -> None:
        """Judge a batch, and then decide who hears of what: so a cause mutes its consequences whichever comes first.

        What fires and ends within the batch is told in between.
        """
        for observation in observations:
            changes = judge(self._policy.by_kind, self.alerts, observation, new_id, self._histories)
            if any(change.resolved and change.before and _undecided(change.before) for change in changes):
                self.tell()
                changes = judge(self._policy.by_kind, self.alerts, observation, new_id, self._histories)
            for change in changes:
                self._apply(change)
        self.tell()

    def take_up(self, earlier: Sequence[Alert]) -> None:
        """Go on with the open alerts of an earlier run, oldest first; the last episode of the same goes on.

        The rows of those that are only pending go: they are written again when the run ends.
        """
        last = {(alert.rule, alert.subject): alert for alert in earlier}
        for alert in earlier:
            key = (alert.rule, alert.subject)
            if alert.state is AlertState.PENDING:
                self.forgotten.append(alert.id)
            else:
                self.saved[alert.id] = alert
            if self.alerts.setdefault(key, last[key]).id != alert.id:
                self._end(alert, f"{alert.title}: a later episode of it goes on.")

    def tell(self) -> None:
        """Decide for each firing alert that somebody did not hear of who hears of it now, or why not.

        A cause speaks for its consequences only to those who hear of the cause. The exception is what somebody asked
        for: its alert is information, and what follows from it is as intended as the act itself.
        """
        firing = {key: alert for key, alert in self.alerts.items() if alert.state is AlertState.FIRING}
        unheard = {key: self._unheard(alert) for key, alert in firing.items()}
        open_ones = [key for key, alert in firing.items() if unheard[key] or not alert.told]
        mutes = {firing[key].id: self._mute_of(firing[key]) for key in open_ones}
        for key in open_ones:
            muted = mutes[firing[key].id]
            if muted is None and _is_ending(firing[key]):
                continue
            if muted is None or leads_back(mutes, firing[key].id):
                self._tell_one(key, self.alerts[key], unheard[key], muted=None)
                continue
            self._mute(key, self.alerts[key], muted)
            if deaf := self._deaf(muted, unheard[key]):
                self._tell_one(key, self.alerts[key], deaf, muted)

    def end_orphans(self) -> None:
        """End the alerts of rules that are gone, switched off, or no longer about their subject."""
        for key, alert in list(self.alerts.items()):
            rule = self._policy.by_name.get(alert.rule)
            if rule is None or not rule.enabled or not rule.concerns(alert.subject):
                del self.alerts[key]
                self._end(alert, f"The rule {alert.rule} is no longer in the settings.")

    def end_unseen(self, unnamed: Container[Subject], hidden: Container[SubjectKind] = ()) -> None:
        """End the alerts of an earlier run whose subject is `unnamed` by any observation in this one: it is not there.

        Those of a kind that is `hidden` go on: what would name them cannot be seen itself.
        """
        for key, alert in list(self.alerts.items()):
            if alert.seen_monotonic is None and alert.subject in unnamed and alert.subject.kind not in hidden:
                del self.alerts[key]
                self._end(alert, f"{alert.subject.name} was not there any more after the supervisor was started again.")

    def update(self, alert: Alert, evidence: Mapping[str, str], knowing: frozenset[str]) -> None:
        """Add evidence to an alert, ended or not, and tell those who were told of it without and want to know."""
        alert = msgspec.structs.replace(alert, evidence={**alert.evidence, **evidence})
        self.saved[alert.id] = alert
        if alert.open:
            self.alerts[(alert.rule, alert.subject)] = alert
        for route in self._policy.routes:
            if route.wants_updates and route.receiver in alert.told and route.receiver not in knowing:
                self._message(NotificationKind.UPDATE, alert, route.receiver, ())

    def _apply(self, change: Change) -> None:
        match change.after:
            case None:
                del self.alerts[change.key]
            case after if change.resolved:
                del self.alerts[change.key]
                if change.rule.cause or change.rule.inhibits:
                    self.ended.append(Ended(after, self.at.monotonic))
                self._resolve(after)
            case after if change.began_firing:
                self._put(change.key, after)
                self._note("alert.firing", after, after.summary)
            case after if change.recurred:
                self._put(change.key, after)
                self._note("alert.again", after, f"{after.summary} It is number {after.times} of this episode.")
                if after.told:
                    self.told.append(after)
            case after:
                self.alerts[change.key] = after

    def _put(self, key: Key, alert: Alert) -> None:
        self.alerts[key] = alert
        if alert.state is not AlertState.PENDING:
            self.saved[alert.id] = alert

    def _end(self, alert: Alert, because: str) -> None:
        if alert.state is AlertState.FIRING:
            self._resolve(resolve(alert, self.at, because))

    def _resolve(self, alert: Alert) -> None:
        self.saved[alert.id] = alert
        untold = "" if alert.told else f" Nobody was told: {alert.muted_by or 'it ended first'}."
        self._note("alert.resolved", alert, f"{alert.title}: {alert.resolved_because.rstrip('.')}.{untold}")
        known = {route.receiver for route in self._policy.routes}
        for receiver in alert.told:
            if receiver in known:
                self._message(NotificationKind.RESOLVED, alert, receiver, alert.consequences)

    def _unheard(self, alert: Alert) -> tuple[str, ...]:
        """Return who wants alerts of this severity and was not told of this one."""
        wanted = receivers(self._policy.routes, alert.severity)
        return tuple(receiver for receiver in wanted if receiver not in alert.told)

    def _deaf(self, muted: Mute, unheard: Iterable[str]) -> tuple[str, ...]:
        """Return those of `unheard` to whom the firing cause of a mute says nothing, as it is not severe enough."""
        cause = next((other for other in self.alerts.values() if other.id == muted.cause_id), None)
        if cause is None or cause.state is not AlertState.FIRING or cause.severity is Severity.INFO:
            return ()
        hearing = receivers(self._policy.routes, cause.severity)
        return tuple(receiver for receiver in unheard if receiver not in hearing)

    def _mute_of(self, alert: Alert) -> Mute | None:
        policy = self._policy
        job = held(alert, policy.by_name[alert.rule], self._hold, policy.topology) if self._hold else None
        return job or mute(alert, policy.by_name, self.alerts.values(), self.ended, policy.topology, self.at.monotonic)

    def _mute(self, key: Key, alert: Alert, muted: Mute) -> None:
        if (alert.muted_by, alert.caused_by) == (muted.reason, muted.cause_id):
            return
        self._put(key, msgspec.structs.replace(alert, muted_by=muted.reason, caused_by=muted.cause_id))
        if alert.muted_by != muted.reason:
            self._note("alert.muted", alert, f"{alert.title}: {muted.reason}")
        for other_key, cause in self.alerts.items():
            if cause.id == muted.cause_id and alert.title not in cause.consequences:
                self._put(other_key, msgspec.structs.replace(cause, consequences=(*cause.consequences, alert.title)))
                return

    def _tell_one(self, key: Key, alert: Alert, told: tuple[str, ...], muted: Mute | None) -> None:
        if not told:
            self._tell_nobody(key, alert)
            return
        first = not alert.told
        alert = msgspec.structs.replace(alert, told=(*alert.told, *told))
        if muted is None:
            alert = msgspec.structs.replace(alert, muted_by="", caused_by="")
        self._put(key, alert)
        if first:
            self.told.append(alert)
        self._note("alert.told", alert, f"{alert.title}: told {', '.join(names(told))}")
        awaited = expected(alert, self._policy.rules, self._policy.topology)
        for receiver in told:
            self._message(NotificationKind.FIRING, alert, receiver, awaited)

    def _tell_nobody(self, key: Key, alert: Alert) -> None:
        reason = f"no receiver takes alerts of severity {alert.severity.value}"
        if alert.muted_by != reason:
            self._put(key, msgspec.structs.replace(alert, muted_by=reason, caused_by=""))
            self._note("alert.muted", alert, f"{alert.title}: {reason}")

    def _message(self, kind: NotificationKind, alert: Alert, receiver: str, consequences: tuple[str, ...]) -> None:
        rule = self._policy.by_name.get(alert.rule)
        message = notification(kind, alert, rule, host=self._policy.host, at=self.at.wall, consequences=consequences)
        self.messages.append((receiver, message))

    def _note(self, kind: str, alert: Alert, text: str) -> None:
        self.notes.append(Note(kind, alert.subject, text, {"rule": alert.rule, "severity": alert.severity.value}))


def _is_ending(alert: Alert) -> bool:
    """Tell whether an alert that its cause has said so far does not hold any more: it is only not sure yet.

    Told now it would be news of what is over; should it hold again, it is told then.
    """
    return not alert.told and bool(alert.caused_by) and alert.last_verdict is Verdict.CLEAR


def _undecided(alert: Alert) -> bool:
    """Tell whether an alert fired so lately that nobody has been told of it, nor why nobody is."""
    return not alert.told and not alert.muted_by
