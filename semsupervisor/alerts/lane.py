"""The way of one queue to its receiver: the oldest message first, the next one only when that is done with.

At least once: an entry is marked after its receiver took it, so a kill or a cancellation in between sends it again
under the same key. Nothing is kept here that a restart would miss: what waits, and how often it was tried, is in the
outbox.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping
from datetime import timedelta

import msgspec
import structlog

from semsupervisor.alerts.attempts import Failure, next_pause
from semsupervisor.alerts.notification import Notification, NotificationKind, OutboxEntry
from semsupervisor.alerts.outbox import Outbox
from semsupervisor.alerts.sending import Fanout, RetryLater, Sender
from semsupervisor.errors import SupervisorError, TemporaryError
from semsupervisor.kit.clock import Clock, Instant
from semsupervisor.kit.failpoints import reach
from semsupervisor.kit.text import encodable
from semsupervisor.settings.model import DeliverySettings

log = structlog.get_logger(__name__)

MADE_AT_ONCE = timedelta(minutes=1)

PendingEvidence = Callable[[str], asyncio.Future[Mapping[str, str]] | None]


class LaneReport(msgspec.Struct, frozen=True, kw_only=True):
    """How the way to a receiver is; counts and moments are of this run of the daemon."""

    queue: str
    failures_in_row: int
    last_error: str
    last_success: Instant | None


class Lane:
    """Delivers one queue. `sender` and `settings` may be replaced at any time; without a sender the queue waits."""

    def __init__(  # noqa: PLR0917 - each is a part of its own, and there is one caller
        self,
        queue: str,
        outbox: Outbox,
        settings: DeliverySettings,
        clock: Clock,
        evidence: PendingEvidence,
        chance: Callable[[], float],
        recovered: Callable[[], None],
    ) -> None:
        self.queue = queue
        self.sender: Sender | None = None
        self.settings = settings
        self._outbox = outbox
        self._clock = clock
        self._evidence = evidence
        self._chance = chance
        self._recovered = recovered
        self._wake = asyncio.Event()
        self._in_row = 0
        self._refused_last = False
        self._last_error = ""
        self._last_success: Instant | None = None
        self._entry_id = 0
        self._refusals = 0
        self._first_refused = 0.0
        self._since = 0.0

    @property
    def report(self) -> LaneReport:
        """Return how the way to the receiver is now."""
        return LaneReport(
            queue=self.queue,
            failures_in_row=self._in_row,
            last_error=self._last_error,
            last_success=self._last_success,
        )

    def wake(self) -> None:
        """End a pause between two attempts now."""
        self._wake.set()

    def wake_if_cut_off(self) -> None:
        """End the pause if the receiver was last out of reach; one that refuses is not asked more often."""
        if self._in_row and not self._refused_last:
            self._wake.set()

    async def turn(self) -> None:
        """Wait for a message, try it once, mark what came of it; after a failure wait for the next attempt."""
        while (entry := self._outbox.head(self.queue)) is None:
            await self._outbox.wait(self.queue)
        self._wake.clear()
        sender = self.sender
        if sender is None:
            await self._wake.wait()
        elif isinstance(sender, Fanout):
            await self._outbox.split(entry, [part.name for part in sender.parts])
        else:
            await self._attempt(sender, entry)

    async def _attempt(self, sender: Sender, entry: OutboxEntry) -> None:
        while True:
            evidence = await self._evidence_for(sender, entry)
            head = self._outbox.head(self.queue) or entry
            if head.id == entry.id:
                break
            entry = head
        entry = self._outbox.begin(head, evidence)
        if entry.id != self._entry_id:
            self._entry_id, self._refusals, self._since = entry.id, 0, self._clock.monotonic()
        reach("delivery.before_send")
        try:
            await sender.send(self._dated(entry))
        except SupervisorError as error:
            await self._failed(entry, error, str(error))
        except Exception as error:
            log.exception("delivery.defective", receiver=self.queue, key=entry.notification.key)
            await self._failed(entry, error, f"{type(error).__name__}: {error}")
        else:
            reach("delivery.after_send")
            await self._outbox.delivered(entry)
            reach("delivery.after_mark")
            self._succeeded(entry)

    def _dated(self, entry: OutboxEntry) -> Notification:
        """Return the message with its age, if this run made it, and not again of an older one."""
        waited, message = self._outbox.queued_for_seconds(entry), entry.notification
        is_first = math.isfinite(waited) and abs(entry.queued_at - message.at) < MADE_AT_ONCE
        return msgspec.structs.replace(message, waited_seconds=waited if is_first else None)

    async def _evidence_for(self, sender: Sender, entry: OutboxEntry) -> Mapping[str, str]:
        """Return the evidence that has come about a new alert, or comes while the sender's patience lasts."""
        notification = entry.notification
        if notification.kind is not NotificationKind.FIRING or entry.attempts or not notification.alerts:
            return {}
        pending = self._evidence(notification.alerts[0].id)
        if pending is None:
            return {}
        left = sender.patience_seconds - self._outbox.queued_for_seconds(entry)
        if left > 0 and not pending.done():
            await asyncio.wait([pending], timeout=left)
        return pending.result() if pending.done() and not pending.cancelled() else {}

    def _succeeded(self, entry: OutboxEntry) -> None:
        failures, self._in_row = self._in_row, 0
        self._last_success = self._clock.instant()
        if failures:
            log.info("delivery.recovered", receiver=self.queue, failures=failures, key=entry.notification.key)
            self._recovered()

    async def _failed(self, entry: OutboxEntry, error: Exception, words: str) -> None:
        now = self._clock.monotonic()
        spent, self._since = now - self._since, now
        self._refused_last = not isinstance(error, TemporaryError)
        if self._refused_last and not self._refusals:
            self._first_refused = now
        self._refusals += self._refused_last
        self._in_row += 1
        self._last_error = encodable(words)
        failure = Failure(
            refused=self._refused_last,
            in_row=self._in_row,
            refusals=self._refusals,
            spent_seconds=spent,
            refused_seconds=now - self._first_refused if isinstance(error, SupervisorError) else math.inf,
            asked_seconds=error.after_seconds if isinstance(error, RetryLater) else 0.0,
        )
        pause = next_pause(entry, failure, self.settings, self._chance)
        if pause is None:
            log.error("delivery.given_up", receiver=self.queue, key=entry.notification.key, error=self._last_error)
            await self._outbox.dead(entry, self._last_error)
            return
        if self._in_row == 1:
            log.warning("delivery.failed", receiver=self.queue, key=entry.notification.key, error=self._last_error)
        await self._outbox.failed(entry, self._last_error, spent)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._wake.wait()
