"""SemStreams' /health in the dialects of the field: the runbook's, the shipped one, and the short one when offline.

They are told apart by what is there, not by a version. What contradicts itself is not believed: no body is taken for
healthy unless all of it says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import cast

import msgspec

from semsupervisor.kit.text import shortened
from semsupervisor.systems.bodies import Unreadable, json_object, one_line
from semsupervisor.systems.semstreams_flows import AT_REST, BROKEN

OK = 200
UNAVAILABLE = 503

NATS_PART = "nats"
FLOWS_PART = "flows"
# How the runbook's dialect calls a part that is well, or not meant to work, and one that is not well.
FINE_WORDS = frozenset(
    {"connected", "running", "healthy", "ok", "up", "ready", "active", "started", "enabled", "true"}
    | {"idle", "none", "disabled", "not_configured"}
)
ILL_WORDS = frozenset(
    {"disconnected", "reconnecting", "connecting", "closed", "unreachable", "unavailable", "down", "false"}
    | {"degraded", "slow", "stalled", "unhealthy", "crashed", *BROKEN, *(AT_REST - {"disabled"})}
)
CONNECTED_WORDS = {"connected": True, "true": True, "disconnected": False, "false": False}
STOPPED_WORDS = frozenset({"down", "crashed", "false", *BROKEN, *AT_REST}) - FINE_WORDS
UNREADABLE, WITHOUT_A_WORD = "unreadable", "without a word"
WORDLESS = (UNREADABLE, WITHOUT_A_WORD)
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

    `status` is None where it says what is not known here, and no worse; `strange` is what that is, in words.
    `flows` is the word for all flows together, and `flows_stopped` whether it says that they do not run: None for a
    word that is not known. `parts` are all parts that it is made of, at most 30 of them, and `unwell` those that are
    not healthy, in SemStreams' own words.
    """

    status: Status | None
    strange: str = ""
    nats_connected: bool | None = None
    nats_message: str = ""
    flows: str = ""
    flows_stopped: bool | None = False
    version: str = ""
    uptime_seconds: float | None = None
    buffered_messages: int | None = None
    unwell: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


class _Part(msgspec.Struct, frozen=True):
    """One part: its status, None when that cannot be read, how SemStreams calls it, and what it adds to that."""

    name: str
    status: Status | None
    told: str
    message: str = ""

    def __str__(self) -> str:
        return f"{self.name} is {self.told}: {self.message}" if self.message else f"{self.name} is {self.told}"


def parse_health(http_status: int, body: bytes) -> Health:
    """Read an answer of /health of any dialect. Raises: Unreadable, for what contradicts itself as well."""
    if http_status not in {OK, UNAVAILABLE}:
        raise Unreadable(f"HTTP {http_status} is neither {OK} nor {UNAVAILABLE}")
    whole = json_object(body)
    told, word = _status(whole, flagged=Status.UNHEALTHY), _strange_word(whole)
    if told is None and not word:
        raise Unreadable(f"the status is {_shown(whole.get('status'))}, not one of {', '.join(Status)}")
    components, sub_statuses = tuple(_components(whole)), tuple(_parts(whole))
    parts = (*components, *sub_statuses)
    nats_connected, nats_message = _nats(whole, components, sub_statuses)
    status, strange = _judged(told, word, http_status, _worst(parts, nats_connected))
    flows = next((part.told for part in components if part.name == FLOWS_PART), "")
    return Health(
        status=status,
        strange=strange,
        nats_connected=nats_connected,
        nats_message=nats_message,
        flows=flows,
        flows_stopped=_flows_stopped(flows),
        version=_text(whole.get("version")),
        uptime_seconds=_uptime_seconds(whole),
        buffered_messages=_count(whole.get("buffered_messages")),
        parts=tuple(str(part) for part in parts[:MOST_PARTS]),
        unwell=_unwell(parts, nats_connected) or ((strange,) if status is Status.UNHEALTHY and strange else ()),
    )


def duration_seconds(text: str) -> float | None:
    """Return the seconds of a duration as Go prints it, such as 24h30m15s or 1.5s; None when it is none."""
    if len(text) > LONGEST_TEXT or not _DURATION.fullmatch(text):
        return None
    parts = _DURATION_PART.findall(text)
    if any(len(number) > LONGEST_NUMBER for number, _ in parts):
        return None
    return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)


def _status(item: _Object, *, flagged: Status) -> Status | None:
    """Return the status of the whole or a part; None when it has none, an unknown one, or contradicts itself.

    It is `flagged` where no known word says how it is, and the flag says that it is not healthy.
    """
    told = item.get("status")
    if not isinstance(told, str) or told.casefold() not in set(Status):
        return flagged if item.get("healthy") is False else None
    status = Status(told.casefold())
    return status if "healthy" not in item or _agrees(status, item["healthy"]) else None


def _strange_word(item: _Object) -> str:
    """Return a word for the status that is none of those known; empty if there is a known one, or none at all."""
    word = _text(item.get("status"))
    return "" if word.casefold() in set(Status) else word


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
        status = _status(part, flagged=Status.DEGRADED)
        told = _strange_word(part) or (status.value if status else UNREADABLE)
        yield _Part(_text(part.get("component")) or "?", status, told, _text(part.get("message")))
        yield from _parts(part, depth + 1)


class _Worst(msgspec.Struct, frozen=True):
    """The aggregate of the parts, and the first of them that may as well be worse."""

    status: Status
    doubtful: _Part | None


def _worst(parts: tuple[_Part, ...], nats_connected: bool | None) -> _Worst:
    """Return the aggregate of the parts, by SemStreams' own rule."""
    seen = {part.status for part in parts} | ({Status.DEGRADED} if nats_connected is False else set())
    worst = next((status for status in reversed(Status) if status in seen), Status.HEALTHY)
    return _Worst(worst, next((part for part in parts if part.status is None), None))


def _judged(told: Status | None, word: str, http_status: int, worst: _Worst) -> tuple[Status | None, str]:
    """Return how SemStreams is, None if that is not known, and what it says that is not known here.

    Raises: Unreadable, for what contradicts itself, or if a part that cannot be read may as well be worse.
    """
    said = f"it calls itself {word!r}" if word else ""
    if http_status != OK:
        if told is Status.HEALTHY:
            raise Unreadable(f"HTTP {http_status} with the status healthy")
        return (told, said) if told else (Status.UNHEALTHY, f"{said} (HTTP {http_status})")
    if told is not None and told is not Status.HEALTHY:
        return told, said
    if worst.status is not Status.HEALTHY or (told and not worst.doubtful):
        return worst.status, said
    if worst.doubtful is None or word:
        return None, said
    part = worst.doubtful
    if part.told in WORDLESS:
        raise Unreadable(f"the status is healthy, but that of {part.name} cannot be read: it is {part.told}")
    return None, f"{part.name} is {part.told!r}"


def _nats(whole: _Object, components: tuple[_Part, ...], sub_statuses: tuple[_Part, ...]) -> tuple[bool | None, str]:
    """Return whether NATS is connected, None when that is not said, and SemStreams' own words on it."""
    if "nats_connected" in whole:
        connected = whole["nats_connected"]
        if not isinstance(connected, bool):
            raise Unreadable(f"nats_connected is {_shown(connected)}")
        return connected, ""
    part = next((part for part in (*components, *sub_statuses) if part.name == NATS_PART), None)
    if part is None:
        return None, ""
    if part in components:
        return CONNECTED_WORDS.get(part.told.casefold()), part.told
    return {Status.HEALTHY: True, Status.UNHEALTHY: False}.get(part.status or Status.DEGRADED), part.message


def _components(whole: _Object) -> Iterator[_Part]:
    """Yield the components of the runbook's dialect, none in the others. Raises: Unreadable."""
    components = whole.get("components", {})
    if not isinstance(components, dict):
        raise Unreadable("the components are no object")
    for name, value in components.items():
        told = _word(value)
        if told is not None:
            yield _Part(_text(name), _status_of(told.casefold()), told or WITHOUT_A_WORD)
        elif name == NATS_PART:
            raise Unreadable(f"what the components say of NATS is {_shown(value)}")


def _word(value: object) -> str | None:
    """Return the word for a component; None for a figure or a list, which says nothing of how it is."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return _text(value)
        case dict():
            told = _text(value.get("status"))
            return told if value.get("healthy", True) is True or told.casefold() in ILL_WORDS else "unhealthy"
        case None:
            return ""
        case _:
            return None


def _status_of(word: str) -> Status | None:
    if word in FINE_WORDS:
        return Status.HEALTHY
    return Status.DEGRADED if word in ILL_WORDS else None


def _flows_stopped(word: str) -> bool | None:
    """Tell whether the word for the flows, if there is one, says that they do not run; None for one not known."""
    told = word.casefold()
    return told in STOPPED_WORDS if told in {"", *FINE_WORDS, *ILL_WORDS} else None


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


def _unwell(parts: tuple[_Part, ...], nats_connected: bool | None) -> tuple[str, ...]:
    found = tuple(str(part) for part in parts if part.status is not Status.HEALTHY)
    return found or (("nats is disconnected",) if nats_connected is False else ())


def _shown(value: object) -> str:
    return repr(_text(value)) if isinstance(value, str) else type(value).__name__
