"""What is promised of the messages alone, whatever really happened: held against the receiver's log, line by line.

- Of one alert the firing comes before all else; what is added to it may come before the resolution or after it. No
  message comes before the receiver took the one before.
- A message that comes again has the same key, kind, alert and body; only the evidence in it may have grown. It comes
  again only until the receiver takes the next one: what was left behind never comes back.
- Each kind of message about an alert has one key, for ever.
- One rule and subject have one episode at a time: while it is open for the receiver, none comes under another id.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from tests.faults.arrivals import Arrival, Violation

KINDS = ("firing", "update", "resolved")


@dataclass
class Episode:
    """One alert as the receiver knows it: when it was first told, and when its end was first told (None: not yet)."""

    first: Arrival
    resolution: Arrival | None = None

    @property
    def since(self) -> float:
        """Return since when the alert says that it holds, in seconds since 1970."""
        return self.first.since

    @property
    def resolved_at(self) -> float | None:
        """Return when it ended, None while it is open."""
        return self.resolution.resolved_at if self.resolution else None

    def __str__(self) -> str:
        return f"{self.first.rule} of {self.first.subject} (alert {self.first.alert}, since {self.since:.3f})"


class Episodes:
    """The episodes that the receiver has heard of, and how many messages came twice."""

    def __init__(self) -> None:
        self.by_id: dict[str, Episode] = {}
        self.keys: dict[str, Arrival] = {}
        self.taken: set[str] = set()
        self.arrivals = 0
        self.repeated = 0
        self.repeated_though_taken = 0
        self._open: dict[tuple[str, str], str] = {}
        self._last: Arrival | None = None
        self._kinds: dict[str, set[str]] = defaultdict(set)

    @property
    def open(self) -> dict[tuple[str, str], Episode]:
        """Return the episodes whose end was not told, by rule and subject."""
        return {topic: self.by_id[alert] for topic, alert in self._open.items()}

    def take(self, arrival: Arrival) -> None:
        """Take in the next message. Raises: Violation."""
        if arrival.kind not in KINDS:
            raise Violation(f"{arrival}: nobody asked for a message of this kind")
        self.arrivals += 1
        if arrival.key in self.keys:
            self._again(arrival)
        else:
            self._new(arrival)
        if arrival.taken:
            self.taken.add(arrival.key)
        self._last = arrival

    def _again(self, arrival: Arrival) -> None:
        before = self.keys[arrival.key]
        if (before.kind, before.alert) != (arrival.kind, arrival.alert):
            raise Violation(f"{arrival} has the key of {before}")
        if before.rest != arrival.rest:
            raise Violation(f"{arrival} is not what came under its key before:\n  {before.rest}\n  {arrival.rest}")
        if self._last is None or self._last.key != arrival.key:
            raise Violation(f"{arrival} comes back, although {self._last} has come since")
        self.repeated += 1
        self.repeated_though_taken += arrival.key in self.taken

    def _new(self, arrival: Arrival) -> None:
        if self._last is not None and self._last.key not in self.taken:
            raise Violation(f"{arrival} overtakes {self._last}, which the receiver has not taken")
        self.keys[arrival.key] = arrival
        known = self._kinds[arrival.alert]
        if not known and arrival.kind != "firing":
            raise Violation(f"{arrival}: the receiver never heard that it began")
        if arrival.kind in known:
            raise Violation(f"{arrival} was told already, under another key")
        known.add(arrival.kind)
        if arrival.kind == "firing":
            self._begin(arrival)
        elif arrival.kind == "resolved":
            self._end(arrival)

    def _begin(self, arrival: Arrival) -> None:
        if arrival.topic in self._open:
            raise Violation(f"{arrival} begins, although {self.by_id[self._open[arrival.topic]]} has not ended")
        self._open[arrival.topic] = arrival.alert
        self.by_id[arrival.alert] = Episode(arrival)

    def _end(self, arrival: Arrival) -> None:
        if arrival.resolved_at is None:
            raise Violation(f"{arrival} does not say when it ended")
        self.by_id[arrival.alert].resolution = arrival
        del self._open[arrival.topic]
