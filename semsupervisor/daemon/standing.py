"""The line that `systemctl status` shows: how the stack and the supervisor are, and what is missing."""

from __future__ import annotations

from semsupervisor.api import present
from semsupervisor.api.readings import Readings
from semsupervisor.kit.systemd import Notifier


class Standing:
    """Tells systemd how things are."""

    def __init__(self, readings: Readings, notifier: Notifier) -> None:
        self._readings = readings
        self._notifier = notifier

    def ready(self) -> None:
        """Say that starting is done, and how things are so far."""
        self._notifier.ready(line(self._readings))

    async def show(self) -> None:
        """Say how things are now."""
        self._notifier.status(line(self._readings))


def line(readings: Readings) -> str:
    """Return how things are in one line: the worst of it, and how much more there is to be seen."""
    project = f"compose project {readings.stack().project}"
    if not present.readiness_verdict(readings).good:
        return f"{project}: looking at everything for the first time"
    stack, own = present.stack_verdict(readings), present.daemon_verdict(readings)
    said = [*stack.reasons, *own.reasons, *(finding.text for finding in readings.findings())]
    more = f" (+{len(said) - 1} more: semsupervisor status)" if len(said) > 1 else ""
    return ": ".join([project, stack.state.value, *said[:1]]) + more
