"""SemStreams' flows: as its API lists them, and as they are stored in NATS."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import msgspec

from semsupervisor.kit.text import shortened
from semsupervisor.systems.bodies import Unreadable, json_as, one_line, refuse_what_is_not_offered
from semsupervisor.systems.http import Answer

PATHS = ("/api/flows", "/flowservice/flows")
OK = 200
LONGEST_NAME = 80
SLOW = "slow"
# How a flow that is not meant to run, or does not, says so in one version or another.
AT_REST = frozenset({"not_deployed", "deployed_stopped", "stopped", "paused", "disabled", "inactive"})
BROKEN = frozenset({"error", "failed", "unhealthy"})
RUNNING = frozenset({"running", SLOW, "deployed_running", "active", "started", "healthy", "ok", "degraded"})
STATES = ("status", "runtime_state", "state")
NAMES = ("name", "id")

_ANYTHING = msgspec.json.Decoder(object)
_Object = dict[str, object]


class Flow(msgspec.Struct, frozen=True):
    """One flow of the list, with its state as SemStreams calls it, in lower case; empty when it says none."""

    name: str
    status: str

    @property
    def is_active(self) -> bool | None:
        """Tell whether it runs, slow or not; None for a state that is not known, or not said."""
        return self.status in RUNNING if self.status in RUNNING | AT_REST | BROKEN else None

    @property
    def is_slow(self) -> bool:
        """Tell whether it runs and does not keep up."""
        return self.status == SLOW


def parse_flows(answer: Answer) -> Sequence[Flow]:
    """Read a list of flows, bare or under the key `flows`. Raises: NotOffered, Unreadable."""
    refuse_what_is_not_offered(answer.status, answer.headers.get("content-type", ""))
    if answer.status != OK:
        raise Unreadable(f"HTTP {answer.status} is not {OK}")
    whole = json_as(_ANYTHING, answer.body)
    listed = whole.get("flows") if isinstance(whole, dict) else whole
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise Unreadable("the body is no list of flows")
    return [_flow(cast("_Object", one)) for one in listed]


def wanted(stored: Iterable[bytes]) -> int:
    """Return how many of the stored flows are meant to run; one that cannot be read is taken to be."""
    return sum(not _is_at_rest(value) for value in stored)


def _is_at_rest(value: bytes) -> bool:
    try:
        flow = json_as(_ANYTHING, value)
    except Unreadable:
        return False
    return isinstance(flow, dict) and (flow.get("enabled") is False or _flow(flow).status in AT_REST)


def _flow(entry: _Object) -> Flow:
    return Flow(_first(entry, NAMES) or "?", _first(entry, STATES).lower())


def _first(entry: _Object, keys: Sequence[str]) -> str:
    texts = (one_line(value) for key in keys if isinstance(value := entry.get(key), str))
    return shortened(next((text for text in texts if text), ""), LONGEST_NAME)
