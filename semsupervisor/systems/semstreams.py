"""SemStreams' /health in the dialects of the field: the runbook's, the shipped one, and the short one when offline.

They are told apart by what is there, not by a version. What contradicts itself is not believed: no body is taken for
healthy unless all of it says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from itertools import islice
from typing import cast

import msgspec

from semsupervisor.kit.text import shortened
from semsupervisor.systems.bodies import Unreadable, json_object, one_line

OK = 200
UNAVAILABLE = 503

NATS_PART = "nats"
FINE_WORDS = frozenset({"connected", "running", "healthy", "ok"})
NANOSECONDS = 1e9
LARGEST_INTEGER = 2**63 - 1
LONGEST_TEXT = 120
LONGEST_NUMBER = 15
DEEPEST_PART = 20
MOST_PARTS = 30

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|μs|ms|s|m|h))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|μs|ms|s|m|h)")
_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

_Object = dict[str, object]


class Status(StrEnum):
    """How SemStreams says that it is, the worst last."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What /health said; None and empty where a dialect has no word for it.

    `parts` are all parts that it is made of, at most 30 of them, and `unwell` those that are not healthy, in
    SemStreams' own words.
    """

    status: Status
    nats_connected: bool | None = None
    nats_message: str = ""
    flows: str = ""
    version: str = ""
    uptime_seconds: float | None = None
    buffered_messages: int | None = None
    unwell: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


class _Part(msgspec.Struct, frozen=True):
    name: str
    status: Status | None
    message: str


def parse_health(http_status: int, body: bytes) -> Health:
    """Read an answer of /health of any dialect. Raises: Unreadable, for what contradicts itself as well."""
    if http_status not in {OK, UNAVAILABLE}:
        raise Unreadable(f"HTTP {http_status} is neither {OK} nor {UNAVAILABLE}")
    whole = json_object(body)
    status = _status(whole)
    if status is None:
        raise Unreadable(f"the status is {_shown(whole.get('status'))}, not one of {', '.join(Status)}")
    parts = tuple(_parts(whole))
    if status is Status.HEALTHY:
        if http_status != OK:
            raise Unreadable(f"HTTP {http_status} with the status healthy")
        status = _worst(parts)
    components = _components(whole)
    nats_connected, nats_message = _nats(whole, components, parts)
    return Health(
        status=status,
        nats_connected=nats_connected,
        nats_message=nats_message,
        flows=_text(components.get("flows")),
        version=_text(whole.get("version")),
        uptime_seconds=_uptime_seconds(whole),
        buffered_messages=_count(whole.get("buffered_messages")),
        parts=tuple(islice(_described_all(components, parts), MOST_PARTS)),
        unwell=tuple(_unwell(components, parts)) or (() if nats_connected is not False else ("nats is disconnected",)),
    )


def duration_seconds(text: str) -> float | None:
    """Return the seconds of a duration as Go prints it, such as 24h30m15s or 1.5s; None when it is none."""
    if len(text) > LONGEST_TEXT or not _DURATION.fullmatch(text):
        return None
    parts = _DURATION_PART.findall(text)
    if any(len(number) > LONGEST_NUMBER for number, _ in parts):
        return None
    return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)


def _status(item: _Object) -> Status | None:
    """Return the status of the whole or a part; None when it has none, an unknown one, or contradicts itself."""
    told = item.get("status")
    if not isinstance(told, str) or told.casefold() not in set(Status):
        return None
    status = Status(told.casefold())
    return status if "healthy" not in item or _agrees(status, item["healthy"]) else None


def _agrees(status: Status, healthy: object) -> bool:
    """Tell whether a status and the flag beside it can both be true; of a degraded part both values are seen."""
    match status:
        case Status.HEALTHY:
            return healthy is True
        case Status.DEGRADED:
            return isinstance(healthy, bool)
        case Status.UNHEALTHY:
            return healthy is False


def _parts(item: _Object, depth: int = 0) -> Iterator[_Part]:
    """Yield the sub-statuses, each before its own. Raises: Unreadable when they are not what they should be."""
    below = item.get("sub_statuses")
    if below is None:
        return
    if not isinstance(below, list) or depth > DEEPEST_PART:
        raise Unreadable("the sub-statuses are no list, or are nested too deep")
    for entry in below:
        if not isinstance(entry, dict):
            raise Unreadable(f"a sub-status is {_shown(entry)} in place of an object")
        part = cast("_Object", entry)
        yield _Part(_text(part.get("component")) or "?", _status(part), _text(part.get("message")))
        yield from _parts(part, depth + 1)


def _worst(parts: tuple[_Part, ...]) -> Status:
    """Return the aggregate of the parts, by SemStreams' own rule. Raises: Unreadable."""
    seen = {part.status for part in parts}
    if None in seen:
        strange = next(part.name for part in parts if part.status is None)
        raise Unreadable(f"the status is healthy, but that of {strange} cannot be read")
    return next((status for status in reversed(Status) if status in seen), Status.HEALTHY)


def _nats(whole: _Object, components: _Object, parts: tuple[_Part, ...]) -> tuple[bool | None, str]:
    """Return whether NATS is connected, None when that is not said, and SemStreams' own words on it."""
    if "nats_connected" in whole:
        connected = whole["nats_connected"]
        if not isinstance(connected, bool):
            raise Unreadable(f"nats_connected is {_shown(connected)}")
        return connected, ""
    if NATS_PART in components:
        told = _text(components[NATS_PART])
        return {"connected": True, "disconnected": False}.get(told.casefold()), told
    part = next((part for part in parts if part.name == NATS_PART), None)
    if part is None:
        return None, ""
    return {Status.HEALTHY: True, Status.UNHEALTHY: False}.get(part.status or Status.DEGRADED), part.message


def _components(whole: _Object) -> _Object:
    """Return the components of the runbook's dialect, none in the others. Raises: Unreadable."""
    components = whole.get("components", {})
    if not isinstance(components, dict) or not isinstance(components.get(NATS_PART, ""), str):
        raise Unreadable("the components are no object, or what they say of NATS is no text")
    return cast("_Object", components)


def _uptime_seconds(whole: _Object) -> float | None:
    uptime, metrics = whole.get("uptime"), whole.get("metrics")
    if isinstance(uptime, str):
        return duration_seconds(uptime)
    nanoseconds = _count(metrics.get("uptime")) if isinstance(metrics, dict) else None
    return None if nanoseconds is None else nanoseconds / NANOSECONDS


def _count(value: object) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return cast("int", value) if whole and 0 <= cast("int", value) <= LARGEST_INTEGER else None


def _text(value: object) -> str:
    return shortened(one_line(value), LONGEST_TEXT) if isinstance(value, str) else ""


def _unwell(components: _Object, parts: tuple[_Part, ...]) -> Iterator[str]:
    for name, told in components.items():
        if isinstance(told, str) and told.casefold() not in FINE_WORDS:
            yield f"{_text(name)} is {_text(told)}"
    yield from (_described(part) for part in parts if part.status is not Status.HEALTHY)


def _described_all(components: _Object, parts: tuple[_Part, ...]) -> Iterator[str]:
    yield from (f"{_text(name)} is {_text(told)}" for name, told in components.items() if isinstance(told, str))
    yield from map(_described, parts)


def _described(part: _Part) -> str:
    state = part.status.value if part.status else "unreadable"
    return f"{part.name} is {state}: {part.message}" if part.message else f"{part.name} is {state}"


def _shown(value: object) -> str:
    return repr(_text(value)) if isinstance(value, str) else type(value).__name__
