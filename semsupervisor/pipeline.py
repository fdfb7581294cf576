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
from semsupervisor.alerts import outbox as alert_outbox
from semsupervisor.alerts.book import Book, TimelineEntry
from semsupervisor.alerts.judging import Key
from semsupervisor.alerts.lifecycle import Alert, AlertState
from semsupervisor.alerts.muting import Ended
from semsupervisor.alerts.notification import Notification, OutboxEntry
from semsupervisor.alerts.outbox import Outbox
from semsupervisor.alerts.turn import Note, Policy, Turn
from semsupervisor.errors import SupervisorError
from semsupervisor.health.observation import FactValue, Observation, Subject, SubjectKind
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.failpoints import reach
from semsupervisor.kit.ids import new_id
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.store.journal import Journal

log = structlog.get_logger(__name__)

GatherEvidence = Callable[[str], Awaitable[Mapping[str, str]]]

EVIDENCE_TIMEOUT_SECONDS = 5.0
_WITH_EVIDENCE = (SubjectKind.SERVICE, SubjectKind.NATS, SubjectKind.SEMSTREAMS)


class Pipeline:
    """Takes every observation of the daemon, one batch at a time, and answers its readers from memory."""

    def __init__(
        self, policy: Policy, journal: Journal, outbox: Outbox, clock: Clock, owner: TaskOwner, gather: GatherEvidence
    ) -> None:
        self.policy = policy
        self.latest: dict[tuple[Subject, str], Observation] = {}
        self.version = 0
        self._journal = journal
        self._outbox = outbox
        self._clock = clock
        self._owner = owner
        self._gather = gather
        self._order = asyncio.Lock()
        self._alerts: dict[Key, Alert] = {}
        self._ended: list[Ended] = []
        self._evidence: dict[str, asyncio.Future[Mapping[str, str]]] = {}
        self._last_entry_id = 0

    async def load(self, book: Book) -> None:
        """Take up the open alerts of the last run; those of rules that are gone end. Raises: StoreError."""
        self._last_entry_id = max(self._last_entry_id, await book.last_timeline_id())
        alerts = await book.open_alerts()
        self._alerts.update({(alert.rule, alert.subject): alert for alert in alerts})
        pending = [alert.id for alert in alerts if alert.state is AlertState.PENDING]
        await self._journal.commit(lambda connection: alert_book.forget_alerts(connection, pending))
        await self.replace(self.policy)

    async def replace(self, policy: Policy) -> None:
        """Go on with other rules, routes and names; alerts of rules that are gone or off end."""
        async with self._order:
            self.policy = policy
            self.version += 1
            turn = self._turn()
            turn.end_orphans()
            await self._finish(turn)

    async def observe(self, observations: Sequence[Observation]) -> None:
        """Judge a batch of observations, commit what follows from it, and wake delivery."""
        if not observations:
            return
        async with self._order:
            turn = self._turn()
            for observation in observations:
                self._remember(observation)
            turn.take(observations, lambda: new_id(turn.at.wall))
            await self._finish(turn)

    async def note(self, kind: str, subject: Subject, text: str, facts: Mapping[str, FactValue]) -> None:
        """Write one entry into the timeline that belongs to no alert."""
        async with self._order:
            turn = self._turn()
            turn.notes.append(Note(kind, subject, text, facts))
            await self._finish(turn)

    async def send_test(self, receiver: str, test: Notification) -> None:
        """Queue a marked test message for one receiver, by the way that alerts go."""
        async with self._order:
            turn = self._turn()
            turn.messages.append((receiver, test))
            await self._finish(turn)

    async def save_all(self) -> None:
        """Write all that is open again: before the daemon ends, and into a database that was begun afresh."""
        async with self._order:
            alerts, queued = list(self._alerts.values()), self._outbox.queued()

            def write(connection: sqlite3.Connection) -> None:
                alert_book.save_alerts(connection, alerts)
                alert_outbox.save_entries(connection, queued)

            await self._journal.commit(write)

    async def trim(self, keep_entries: int) -> None:
        """Keep the newest entries of the timeline, and as many ended alerts and delivered messages."""

        def write(connection: sqlite3.Connection) -> None:
            alert_book.trim(connection, keep_entries)
            alert_outbox.trim(connection, keep_entries)

        await self._journal.commit(write)

    def alerts(self) -> list[Alert]:
        """Return the open alerts, oldest first."""
        return sorted(self._alerts.values(), key=lambda alert: alert.id)

    def evidence_of(self, alert_id: str) -> asyncio.Future[Mapping[str, str]] | None:
        """Return what is being gathered about an alert that has just fired; None when nothing is on its way."""
        return self._evidence.get(alert_id)

    def _turn(self) -> Turn:
        return Turn(self.policy, self._alerts, self._ended, self._clock.instant())

    def _remember(self, observation: Observation) -> None:
        key = (observation.subject, observation.source)
        known = self.latest.get(key)
        if observation.gone:
            self.latest.pop(key, None)
        else:
            self.latest[key] = observation
        if observation.gone or known is None or known.facts != observation.facts:
            self.version += 1

    async def _finish(self, turn: Turn) -> None:
        for alert in turn.told:
            if alert.subject.kind in _WITH_EVIDENCE:
                self._evidence[alert.id] = asyncio.get_running_loop().create_future()
                self._owner.attempt(f"evidence.{alert.id}", self._add_evidence(alert))
        entries = [self._outbox.make(receiver, message) for receiver, message in turn.messages]
        await self._commit(turn, entries, ())

    async def _commit(self, turn: Turn, entries: Sequence[OutboxEntry], enriched: Sequence[OutboxEntry]) -> None:
        """Write a turn and messages that changed, then make the turn true and wake delivery."""
        lines = [self._numbered(note) for note in turn.notes]

        def write(connection: sqlite3.Connection) -> None:
            alert_book.save_alerts(connection, turn.saved.values())
            alert_book.save_timeline(connection, lines)
            alert_outbox.save_entries(connection, [*entries, *enriched])

        if not turn.empty or enriched:
            reach("pipeline.before_commit")
            await self._journal.commit(write)
            reach("pipeline.after_commit")
            self.version += 1
        self._alerts = turn.alerts
        self._ended = turn.ended
        self._outbox.accept(entries)

    async def _add_evidence(self, alert: Alert) -> None:
        """Gather evidence beside the commit; what the first message could not wait for follows as an update."""
        try:
            async with asyncio.timeout(EVIDENCE_TIMEOUT_SECONDS):
                evidence = await self._gather(alert.subject.name)
        except TimeoutError:
            evidence = {"evidence": f"could not be gathered within {EVIDENCE_TIMEOUT_SECONDS:g} s"}
        except SupervisorError as error:
            evidence = {"evidence": f"could not be gathered: {error}"}
        self._evidence[alert.id].set_result(evidence)
        async with self._order:
            del self._evidence[alert.id]
            turn = self._turn()
            enriched = self._outbox.enrich(alert.id, evidence)
            key = (alert.rule, alert.subject)
            if key in turn.alerts and turn.alerts[key].id == alert.id:
                turn.update(key, evidence, enriched.knowing)
            entries = [self._outbox.make(receiver, message) for receiver, message in turn.messages]
            await self._commit(turn, entries, enriched.changed)

    def _numbered(self, note: Note) -> TimelineEntry:
        self._last_entry_id += 1
        return TimelineEntry(
            id=self._last_entry_id,
            at=self._clock.now(),
            kind=note.kind,
            subject=str(note.subject),
            text=note.text,
            facts=note.facts,
        )
