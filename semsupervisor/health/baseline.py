"""Up to which number a stream was filled before its server was started anew, and whether it still is. Pure.

A server never takes back the last number that it gave: not by limits, acknowledgements, deletions or purges. So a
stream that has a lower one after a start has lost its end, unless it was made anew meanwhile, or restored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

from semsupervisor.systems.jetstream_state import StreamState

MOST_MARKS = 400
TOLD = timedelta(days=1)
# What one server remembers of the moment may differ a little from what the next one reads from its disk; nobody makes a
# stream, fills it and makes it anew within that.
SAME_MOMENT = timedelta(milliseconds=10)


class Mark(msgspec.Struct, frozen=True):
    """How far a stream, made at `created`, had got by what the server of that id said."""

    created: datetime
    last_sequence: int
    server_id: str


class Fall(msgspec.Struct, frozen=True):
    """A stream that went back from `was` to `has`; `snapshot` is the newest that holds more, empty without one."""

    created: datetime
    was: int
    has: int
    found_at: datetime
    snapshot: str = ""


class Known(msgspec.Struct, frozen=True):
    """What is remembered: the marks of streams by their name, and the falls that are told."""

    marks: Mapping[str, Mark] = {}
    falls: Mapping[str, Fall] = {}


def marks(server_id: str, streams: Iterable[StreamState]) -> Mapping[str, Mark]:
    """Return the marks of the streams that outlive their server: those in files, whose moment of making is told."""
    found = {}
    for one in streams:
        created = _moment(one.created)
        if one.storage == "file" and created is not None:
            found[one.subject_name] = Mark(created, one.last_sequence, server_id)
    return found


def follow(before: Known, now: Mapping[str, Mark], at: datetime) -> Known:
    """Return what is known after a look.

    What a server does while it runs is taken for meant, so that only a start counts. A stream that is not there now is
    remembered for a while: after a start it may be that it is not read yet. A fall is told for a day, and ends before
    that with the stream.
    """
    found = {
        name: Fall(mark.created, past.last_sequence, mark.last_sequence, at)
        for name, mark in now.items()
        if (past := before.marks.get(name)) is not None and _fell(past, mark)
    }
    kept = {
        name: fall
        for name, fall in before.falls.items()
        if name in now and _same(fall.created, now[name].created) and at - fall.found_at < TOLD
    }
    absent = [name for name in before.marks if name not in now]
    room = max(0, MOST_MARKS - len(now))
    awaited = {name: before.marks[name] for name in absent[len(absent) - min(room, len(absent)) :]}
    return Known({**awaited, **now}, {**kept, **found})


def text(fall: Fall) -> str:
    """Return for people what a fall is, and where what was lost still is."""
    lost = fall.was - fall.has
    held = f"the snapshot {fall.snapshot} still holds some of it" if fall.snapshot else "no hot snapshot here holds it"
    messages = "message is" if lost == 1 else "messages are"
    return f"it ended at number {fall.was} before and ends at {fall.has} now, {lost} {messages} gone; {held}"


def _fell(past: Mark, mark: Mark) -> bool:
    anew = past.server_id != mark.server_id and _same(past.created, mark.created)
    return anew and mark.last_sequence < past.last_sequence


def _same(one: datetime, other: datetime) -> bool:
    return abs(one - other) < SAME_MOMENT


def _moment(stamp: str) -> datetime | None:
    try:
        found = msgspec.convert(stamp, datetime, strict=False)
    except msgspec.ValidationError:
        return None
    return found if found.tzinfo is not None else None
