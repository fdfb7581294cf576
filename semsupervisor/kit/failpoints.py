"""Named places at which a process can be told to kill itself, so that a power cut can be rehearsed exactly there.

They are in the product because the promise is about the product: what was begun is finished or undone after a kill
at any instruction. A kill from outside hardly ever hits the instants that matter, between a commit and the act that
it allows. The fault campaign sets `SEMSUPERVISOR_FAILPOINT=delivery.after_send:3`, and the daemon dies by SIGKILL,
without cleaning up, the third time it gets there. Unset, as always in the field, a failpoint is one comparison.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "SEMSUPERVISOR_FAILPOINT"


class Failpoint:
    """The one place armed in this process, and how many times it is still passed before the end."""

    def __init__(self, setting: str) -> None:
        """Arm by a setting of the form `name:count`. Raises: ValueError."""
        self.name, _, count = setting.partition(":")
        if not self.name or not count.isdecimal() or int(count) < 1:
            raise ValueError(f"{VARIABLE} is {setting!r}; allowed: name:count, such as delivery.after_send:1")
        self._left = int(count)

    def passed(self) -> bool:
        """Count one more passage and tell whether it is the one that is meant."""
        self._left -= 1
        return self._left == 0


def _armed() -> Failpoint | None:
    setting = os.environ.get(VARIABLE, "")
    return Failpoint(setting) if setting else None


_ARMED = _armed()


def reach(name: str) -> None:
    """Say that the process is at this place; it ends here if it was told so."""
    if _ARMED is not None and _ARMED.name == name and _ARMED.passed():
        os.kill(os.getpid(), signal.SIGKILL)
