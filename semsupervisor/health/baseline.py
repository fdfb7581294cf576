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
    """A stream that went back from `was` to `has`.

    `snapshot` is the newest that goes beyond that, empty if none does, and None while they were not looked through.
    """

    created: datetime
    was: int
    has: int
    found_at: datetime
    snapshot: str | None = None


class Known(msgspec.Struct, frozen=True):
    """What is remembered: the marks of streams by their name, and the falls that are told.

    Of falls before `unsure_since` nothing is known any more, if that is set.
    """

    marks: Mapping[str, Mark] = {}
    falls: Mapping[str, Fall] = {}
    unsure_since: datetime | None = None


class Told(msgspec.Struct, frozen=True):
    """What a look tells: of which streams it judges, and which of them fell; if not `sure`, others may have as well."""

    judged: frozenset[str] = frozenset()
    falls: Mapping[str, Fall] = {}
    sure: bool = True


def marks(server_id: str, streams: Iterable[StreamState]) -> Mapping[str, Mark]:
    """Return the marks of the streams that outlive their server: those in files, whose moment of making is told."""
    found = {}
    for one in streams:
        created = _moment(one.created)
        if one.storage == "file" and created is not None:
            found[one.subject_name] = Mark(created, one.last_sequence, server_id)
    return found


def begun(read: Known, at: datetime) -> Known:
    """Return what is known with moments that can be, whatever the clock said when they were written down.

    Nothing was found after now, and no fall before its stream was made: then it counts as found now.
    """
    falls = {
        name: fall if fall.created <= fall.found_at <= at else msgspec.structs.replace(fall, found_at=at)
        for name, fall in read.falls.items()
    }
    return Known(read.marks, falls, min(read.unsure_since, at) if read.unsure_since else None)


def moved(known: Known, by: timedelta) -> Known:
    """Return what is known after the wall clock was set, so that nothing is told shorter or longer for that."""
    falls = {name: msgspec.structs.replace(fall, found_at=fall.found_at + by) for name, fall in known.falls.items()}
    return Known(known.marks, falls, known.unsure_since + by if known.unsure_since else None)


def follow(before: Known, now: Mapping[str, Mark], at: datetime) -> Known:
    """Return what is known after a look.

    What a server does while it runs is taken for meant, so that only a start counts. A stream that is not there now is
    remembered for a while: after a start it may be that it is not read yet. A fall is remembered for a day, unless its
    stream is made anew. There are no more than `MOST_MARKS` marks, and those that were there stay.
    """
    followed = sorted(now, key=lambda name: name not in before.marks)[:MOST_MARKS]
    found = {
        name: Fall(now[name].created, past.last_sequence, now[name].last_sequence, at)
        for name in followed
        if (past := before.marks.get(name)) is not None and _fell(past, now[name])
    }
    kept = {
        name: fall
        for name, fall in before.falls.items()
        if at - fall.found_at < TOLD and (name not in now or _same(fall.created, now[name].created))
    }
    absent = [name for name in before.marks if name not in now]
    room = min(MOST_MARKS - len(followed), len(absent))
    awaited = {name: before.marks[name] for name in absent[len(absent) - room :]}
    unsure = before.unsure_since if before.unsure_since and at - before.unsure_since < TOLD else None
    return Known({**awaited, **{name: now[name] for name in followed}}, {**kept, **found}, unsure)


def told(known: Known, now: Mapping[str, Mark]) -> Told:
    """Return what there is to tell of the streams that are there."""
    falls = {name: fall for name, fall in known.falls.items() if name in now}
    return Told(frozenset(name for name in now if name in known.marks), falls, known.unsure_since is None)


def shown(seen: Told | None, name: str) -> tuple[Mapping[str, bool], Mapping[str, str], frozenset[str]]:
    """Return what is shown of a stream: its fact, the evidence for it, and what is not known yet; None knows nothing.

    Of a stream that is not judged there is no fact, and none will come.
    """
    if seen is not None and name not in seen.judged:
        return {}, {}, frozenset()
    fall = seen.falls.get(name) if seen else None
    if seen is None or not (fall or seen.sure):
        return {}, {}, frozenset({"went_back"})
    return {"went_back": fall is not None}, {"fall": text(fall)} if fall else {}, frozenset()


def lowered(kept: Mapping[str, Mark], now: Mapping[str, Mark]) -> Mapping[str, Mark]:
    """Return older marks without what is not held any more: that was told, or meant, and is not to be told again."""
    return {
        name: new
        if (new := now.get(name)) and _same(new.created, old.created) and new.last_sequence < old.last_sequence
        else old
        for name, old in kept.items()
    }


def text(fall: Fall) -> str:
    """Return for people what a fall is, and where what was lost still is."""
    lost = fall.was - fall.has
    messages = "message is" if lost == 1 else "messages are"
    return (
        f"it ended at number {fall.was} before and ends at {fall.has} now, so that up to {lost} {messages} gone; "
        f"{_held(fall.snapshot)}"
    )


def _held(snapshot: str | None) -> str:
    if snapshot is None:
        return "the hot snapshots could not all be looked through for it yet"
    return f"the snapshot {snapshot} goes beyond that" if snapshot else "no hot snapshot here goes beyond that"


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
