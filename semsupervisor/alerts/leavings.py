"""Who was told of an alert with its evidence already, for the newest alerts: evidence of an older one is long there."""

from __future__ import annotations

MOST_ALERTS = 1000


class Leavings:
    """The receivers whose message about an alert left with evidence, by the alert's id."""

    def __init__(self) -> None:
        self._receivers: dict[str, set[str]] = {}

    def add(self, alert_id: str, receiver: str) -> None:
        """Say that a message to a receiver left so."""
        self._receivers.setdefault(alert_id, set()).add(receiver)
        if len(self._receivers) > MOST_ALERTS:
            del self._receivers[next(iter(self._receivers))]

    def take(self, alert_id: str) -> set[str]:
        """Return the receivers of an alert's messages that left so, and forget them."""
        return self._receivers.pop(alert_id, set())
