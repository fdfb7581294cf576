"""The heart: observations in, rules, alerts, notifications, one transaction, and only then the acts.

All that is decided for a batch of observations is committed together: alerts, timeline and outbox. What is known in
memory changes after the commit, and delivery is woken last.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from semsupervisor.alerts import book as alert_book
from semsupervisor.alerts import outbox_rows
from semsupervisor.alerts.book import Book, TimelineLine
from semsupervisor.alerts.histories import Histories
from semsupervisor.alerts.judging import Key
from semsupervisor.alerts.lifecycle import Alert, AlertState
from semsupervisor.alerts.muting import Ended, Hold
from semsupervisor.alerts.notification import Notification, OutboxEntry
from semsupervisor.alerts.outbox import Outbox
from semsupervisor.alerts.retelling import retold
from semsupervisor.alerts.turn import Note, Policy, Turn
from semsupervisor.errors import SupervisorError
from semsupervisor.health.observation import ENDED_AT, FactValue, Observation, Subject, SubjectKind, Unknown
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.failpoints import reach
from semsupervisor.kit.ids import new_id
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.kit.text import encodable_texts
from semsupervisor.store.journal import Change, Companion, Journal

log = structlog.get_logger(__name__)

GatherEvidence = Callable[[str, str], Awaitable[Mapping[str, str]]]
"""Gathers what is known of a service, by its name and by the end, if any, that it is to be about."""

EVIDENCE_TIMEOUT_SECONDS = 5.0
UNSEEN_SECONDS = 600.0
_IN_JETSTREAM = (SubjectKind.STREAM, SubjectKind.CONSUMER)
_WITH_EVIDENCE = (SubjectKind.SERVICE, SubjectKind.NATS, SubjectKind.SEMSTREAMS)


class Pipeline:
    """Takes every observation of the daemon, one batch at a time, and answers its readers from memory."""

    def __init__(
        self,
        policy: Policy,
        journal: Journal,
        outbox: Outbox,
        clock: Clock,
        owner: TaskOwner,
        gather: GatherEvidence,
        *,
        boot_id: str = "",
    ) -> None:
        self.policy = policy
        self.latest: dict[tuple[Subject, str], Observation] = {}
        self.version = 0
        self.histories = Histories(policy.rules)
        self._journal = journal
        self._outbox = outbox
        self._clock = clock
        self._owner = owner
        self._gather = gather
        self._boot_id = boot_id
        self._order = asyncio.Lock()
        self._alerts: dict[Key, Alert] = {}
        self._ended: list[Ended] = []
        self._evidence: dict[str, asyncio.Future[Mapping[str, str]]] = {}
        self._ended_without: dict[str, Alert] = {}
        self._loaded = False
        self._began = clock.monotonic()
        self.hold: Callable[[], Hold | None] = lambda: None
        self._unnamed: set[Subject] = set()
        journal.keeps(self._whole)

    async def load(self, book: Book) -> None:
        """Take up, once, the open alerts and the queued messages of the last run; alerts of rules that are gone end.

        Raises: StoreError; then this run goes on with its own, and a later call may succeed.
        """
        async with self._order:
            await self._outbox.load()
            if self._loaded:
                return
            earlier = await book.open_alerts()
            self._ended = [*await book.ended_causes(self._boot_id), *self._ended]
            self._loaded = True
            self._unnamed = {alert.subject for alert in earlier} - {subject for subject, _ in self.latest}
            turn = self._turn()
            turn.take_up(earlier)
            turn.end_orphans()
            await self._finish(turn)

    async def end_unseen(self) -> None:
        """End what an earlier run left firing about subjects that no probe and no event has mentioned since.

        To be called now and then; it does nothing before everything has had time to be looked at.
        """
        if self._clock.monotonic() - self._began < UNSEEN_SECONDS or not self._knows(SubjectKind.ENGINE, "reachable"):
            return
        async with self._order:
            turn = self._turn()
            turn.end_unseen(self._unnamed, () if self._knows(SubjectKind.NATS, "jetstream_streams") else _IN_JETSTREAM)
            await self._finish(turn)

    async def replace(self, policy: Policy) -> None:
        """Go on with other rules, routes and names; alerts of rules that are gone or off end."""
        async with self._order:
            self.policy = policy
            self.histories.keep_for(policy.rules)
            self.version += 1
            turn = self._turn()
            turn.end_orphans()
            await self._finish(turn)

    async def observe(self, observations: Sequence[Observation], companion: Companion | None = None) -> None:
        """Judge a batch of observations, commit what follows from it, and wake delivery.

        `companion` is what may reach the disk only together with that; if nothing follows, it is left to the caller.
        """
        if not observations:
            return
        async with self._order:
            turn = self._turn()
            for observation in observations:
                self._remember(observation)
            turn.take(observations, lambda: new_id(turn.at.wall))
            await self._finish(turn, companion)

    async def note(self, kind: str, subject: Subject, text: str, facts: Mapping[str, FactValue]) -> None:
        """Write one entry into the timeline that belongs to no alert."""
        async with self._order:
            turn = self._turn()
            turn.notes.append(Note(kind, subject, text, facts))
            await self._finish(turn)

    async def retry(self, entry_id: int, book: Book) -> str | None:
        """Queue what is to be told now instead of a dead letter; return who is to hear it, None if there is none.

        Raises: StoreError; PermanentError when it would say something wrong by now.
        """
        asked: list[str] = []

        async def renew(dead: OutboxEntry) -> Notification | None:
            asked.append(dead.receiver)
            ids = [alert.id for alert in dead.notification.alerts]
            past = {alert_id: alert for alert_id in ids for alert in await book.history(1, alert_id)}
            return retold(dead, self._alerts.values(), past, self._outbox.queued())

        async with self._order:
            return asked[0] if await self._outbox.retry(entry_id, renew) else None

    async def save_all(self) -> None:
        """Write all that is open at the end of a run, what is only pending as well: the next run goes on with it."""
        async with self._order:
            alerts = list(self._alerts.values())
            await self._journal.commit(lambda connection: alert_book.save_alerts(connection, alerts))

    def _whole(self, others_end: bool) -> Change:
        """Return what writes all that fires; what does not, as far as ever read, has ended."""
        others_end = others_end and self._loaded
        firing = [alert for alert in self._alerts.values() if alert.state is AlertState.FIRING]
        known, at = {alert.id for alert in self._alerts.values()}, self._clock.instant()

        def write(connection: sqlite3.Connection) -> None:
            if others_end:
                alert_book.end_others(connection, known, at)
            alert_book.save_alerts(connection, firing)

        return write

    async def trim(self, keep_entries: int) -> None:
        """Keep the newest entries of the timeline, and as many ended alerts and delivered messages."""

        def write(connection: sqlite3.Connection) -> None:
            alert_book.trim(connection, keep_entries)
            outbox_rows.trim(connection, keep_entries)

        await self._journal.commit(write)

    def alerts(self) -> list[Alert]:
        """Return the open alerts, oldest first."""
        return list(self._alerts.values())

    def evidence_of(self, alert_id: str) -> asyncio.Future[Mapping[str, str]] | None:
        """Return what is being gathered about an alert that has just fired; None when nothing is on its way."""
        return self._evidence.get(alert_id)

    def _knows(self, kind: SubjectKind, fact: str) -> bool:
        """Tell whether a fact of that kind of subject is known, and not false."""
        facts = (seen.facts.get(fact, False) for (subject, _), seen in self.latest.items() if subject.kind is kind)
        return any(value is not False and not isinstance(value, Unknown) for value in facts)

    def _turn(self) -> Turn:
        return Turn(self.policy, self._alerts, self._ended, self._clock.instant(), self.histories, self.hold())

    def _remember(self, observation: Observation) -> None:
        key = (observation.subject, observation.source)
        self._unnamed.discard(observation.subject)
        self.histories.take(observation)
        known = self.latest.get(key)
        if observation.gone:
            self.latest = {place: seen for place, seen in self.latest.items() if seen.subject != observation.subject}
        else:
            self.latest[key] = observation
        if observation.gone or known is None or known.facts != observation.facts:
            self.version += 1

    async def _finish(self, turn: Turn, companion: Companion | None = None) -> None:
        for alert in turn.told:
            if alert.subject.kind in _WITH_EVIDENCE and alert.id not in self._evidence:
                self._evidence[alert.id] = asyncio.get_running_loop().create_future()
                self._owner.attempt(f"evidence.{alert.id}", self._add_evidence(alert))
        entries = [self._outbox.make(receiver, message) for receiver, message in turn.messages]
        await self._commit(turn, entries, (), companion)

    async def _commit(
        self,
        turn: Turn,
        entries: Sequence[OutboxEntry],
        enriched: Sequence[OutboxEntry],
        companion: Companion | None = None,
    ) -> None:
        """Write a turn and messages that changed, then make the turn true and wake delivery."""
        lines = [self._line(note) for note in turn.notes]

        def write(connection: sqlite3.Connection) -> None:
            alert_book.save_alerts(connection, turn.saved.values())
            alert_book.forget_alerts(connection, turn.forgotten)
            alert_book.save_timeline(connection, lines)
            if turn.ended:
                alert_book.save_ended_causes(connection, turn.ended, self._boot_id)
            outbox_rows.save(connection, [*entries, *enriched])
            if companion is not None:
                companion.change(connection)

        def make_true() -> None:
            if not turn.empty or turn.alerts.keys() != self._alerts.keys():
                self.version += 1
            self._alerts = turn.alerts
            self._ended = turn.ended
            ended = (alert for alert in turn.saved.values() if not alert.open and alert.id in self._evidence)
            self._ended_without.update({alert.id: alert for alert in ended})
            self._outbox.accept(entries)

        if turn.empty and not enriched:
            make_true()
            return

        def make_all_true() -> None:
            make_true()
            if companion is not None:
                companion.then()

        reach("pipeline.before_commit")
        await self._journal.commit(write, make_all_true)
        reach("pipeline.after_commit")

    async def _add_evidence(self, alert: Alert) -> None:
        """Gather evidence beside the commit; what the first message could not wait for follows as an update."""
        gathered = self._evidence[alert.id]
        try:
            gathered.set_result(encodable_texts(await self._gathered(alert)))
            async with self._order:
                del self._evidence[alert.id]
                await self._enrich(alert.id, gathered.result())
        finally:
            self._evidence.pop(alert.id, None)
            self._ended_without.pop(alert.id, None)
            gathered.cancel()

    async def _gathered(self, alert: Alert) -> Mapping[str, str]:
        try:
            async with asyncio.timeout(EVIDENCE_TIMEOUT_SECONDS):
                return await self._gather(alert.subject.name, alert.evidence.get(ENDED_AT, ""))
        except TimeoutError:
            return {"evidence": f"could not be gathered within {EVIDENCE_TIMEOUT_SECONDS:g} s"}
        except SupervisorError as error:
            return {"evidence": f"could not be gathered: {error}"}

    async def _enrich(self, alert_id: str, evidence: Mapping[str, str]) -> None:
        turn = self._turn()
        enriched = self._outbox.enrich(alert_id, evidence)
        for alert in (*self._alerts.values(), *self._ended_without.values()):
            if alert.id == alert_id:
                turn.update(alert, evidence, enriched.knowing)
        entries = [self._outbox.make(receiver, message) for receiver, message in turn.messages]
        await self._commit(turn, entries, enriched.changed)

    def _line(self, note: Note) -> TimelineLine:
        now = self._clock.now()
        return TimelineLine(
            key=new_id(now), at=now, kind=note.kind, subject=str(note.subject), text=note.text, facts=note.facts
        )
