"""All lanes from the outbox to the receivers: a loop each, so that one that cannot be reached holds up no other."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from semsupervisor.alerts.lane import Lane, LaneReport, PendingEvidence
from semsupervisor.alerts.notification import OutboxEntry
from semsupervisor.alerts.outbox import Outbox
from semsupervisor.alerts.sending import Fanout, Sender
from semsupervisor.health.observation import FactValue, Observation, Subject, SubjectKind, Unknown
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.kit.text import duration_text
from semsupervisor.settings.model import DeliverySettings


class Delivery:
    """Takes messages to the receivers of the settings; also the probe that sees how that goes."""

    name = "delivery"

    def __init__(
        self,
        outbox: Outbox,
        senders: Mapping[str, Sender],
        settings: DeliverySettings,
        clock: Clock,
        evidence: PendingEvidence,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._outbox = outbox
        self._settings = settings
        self._clock = clock
        self._evidence = evidence
        self._chance = chance
        self._began = clock.monotonic()
        self._owner: TaskOwner | None = None
        self._lanes: dict[str, Lane] = {}
        self._observed: set[str] = set()
        self.replace(senders, settings)

    def start(self, owner: TaskOwner) -> None:
        """Begin to deliver, one loop a queue."""
        self._owner = owner
        for lane in self._lanes.values():
            owner.loop(f"deliver.{lane.queue}", lane.turn)

    def replace(self, senders: Mapping[str, Sender], settings: DeliverySettings) -> None:
        """Go on with other receivers and settings, at once; what waits for a receiver that is gone stays queued."""
        self._settings = settings
        for queue in senders:
            if queue not in self._lanes:
                self._lanes[queue] = self._new_lane(queue)
        for queue, lane in self._lanes.items():
            lane.sender = senders.get(queue)
            lane.settings = settings
            lane.wake()

    def retry_now(self, queue: str | None = None) -> None:
        """Try what waits for one queue, or for all, without waiting out the pause between two attempts.

        For somebody who has mended a receiver, and sends again what was given up.
        """
        for lane in self._lanes.values():
            if queue in (None, lane.queue):
                lane.wake()

    def queues(self) -> tuple[str, ...]:
        """Return the queues of the receivers, and those that hold something for one that is gone."""
        used = (lane.queue for lane in self._lanes.values() if self._has_own_queue(lane))
        return tuple(dict.fromkeys([*used, *self._outbox.receivers()]))

    def report(self, queue: str) -> LaneReport:
        """Return how the way of a queue is; nothing has gone wrong or well on one that nobody delivers."""
        lane = self._lanes.get(queue)
        return lane.report if lane else LaneReport(queue=queue, failures_in_row=0, last_error="", last_success=None)

    async def observe(self) -> Sequence[Observation]:
        """Return what is known of each queue as facts about its receiver; one that is gone is said to be so once."""
        at = self._clock.instant()
        queues = self.queues()
        gone = self._observed.difference(queues)
        self._observed = set(queues)
        return [
            *(
                Observation(
                    self.name, Subject(SubjectKind.RECEIVER, queue), at, self._facts(queue), self._evidence_of(queue)
                )
                for queue in queues
            ),
            *(
                Observation(self.name, Subject(SubjectKind.RECEIVER, queue), at, {}, gone=True)
                for queue in sorted(gone)
            ),
        ]

    def _facts(self, queue: str) -> dict[str, FactValue]:
        head = self._outbox.head(queue)
        return {
            "dead_letters": self._outbox.depth(queue).dead,
            "oldest_waiting_seconds": self._waits_seconds(head) if head else 0.0,
            "failing": self._failing(queue),
        }

    def _failing(self, queue: str) -> FactValue:
        """Return whether the last attempt failed; what an earlier run tried is unknown until this one has tried it.

        What is given up leaves the queue as well: only a message that was taken shows that they are taken again.
        """
        report, lane = self.report(queue), self._lanes.get(queue)
        left = self._outbox.head(queue) is not None or self._outbox.depth(queue).dead > 0
        tried = report.failures_in_row > 0 or report.last_success is not None
        if left and not tried and lane is not None and lane.sender is not None:
            return Unknown("nothing was sent to it since the start")
        return report.failures_in_row > 0

    def _evidence_of(self, queue: str) -> dict[str, str]:
        report = self.report(queue)
        if not report.failures_in_row:
            return {}
        head = self._outbox.head(queue)
        waits = f"the oldest waits for {duration_text(self._waits_seconds(head))}" if head else "none waits any more"
        dead = self._outbox.depth(queue).dead
        given_up = f"; given up and kept: {dead}" if dead else ""
        return {"error": report.last_error, "waiting": f"{waits}{given_up}"}

    def _waits_seconds(self, head: OutboxEntry) -> float:
        # What was queued by an earlier run is as old as this one: across a restart only the wall clock is left, and
        # that jumps.
        return min(self._outbox.queued_for_seconds(head), self._clock.monotonic() - self._began)

    @staticmethod
    def _has_own_queue(lane: Lane) -> bool:
        return lane.sender is not None and lane.sender.name == lane.queue and not isinstance(lane.sender, Fanout)

    def _new_lane(self, queue: str) -> Lane:
        lane = Lane(
            queue, self._outbox, self._settings, self._clock, self._evidence, self._chance, self._reachable_again
        )
        if self._owner is not None:
            self._owner.loop(f"deliver.{queue}", lane.turn)
        return lane

    def _reachable_again(self) -> None:
        """When one receiver is reached again the uplink may be back: nobody waits out a long pause then."""
        for lane in self._lanes.values():
            lane.wake_if_cut_off()
