"""What is not in a snapshot though the server or the host has it, and what is suspicious beside the last one. Pure.

A stream that is gone, or holds far less than it did, may be damage that a backup would carry on into every snapshot
that is kept. What a stream's own limits, its consumers or an operator remove is no damage; of a purge nothing is left
to tell it by, so that the words say what it may be.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from semsupervisor.backup.manifest import LeftOut, Manifest, StreamEntry, count
from semsupervisor.kit.text import listed

MOST_NAMED = 10
# Below that share of what should still be there it is suspicious, unless it is a handful.
LEAST_SHARE = 0.5
HANDFUL = 10

_EMPTIED_BY_USE = ("workqueue", "interest")


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What the server tells over its monitoring port: the streams of each account, by account.

    `account` is that of our login. `problem` is why the streams of other accounts are not known, empty if they are.
    """

    account: str
    streams: Mapping[str, tuple[str, ...]] = {}
    problem: str = ""


def not_included(held: Held, names: Collection[str]) -> Sequence[LeftOut]:
    """Return which streams are not among those that the login was shown, `names`: a fault in its own account."""
    if held.problem:
        return [LeftOut("streams of other accounts, if there are any", held.problem, is_fault=False)]
    hidden = [name for name in held.streams.get(held.account, ()) if name not in names]
    found = [
        LeftOut(f"stream {name}", "the server has it and does not show it to the login", is_fault=True)
        for name in sorted(hidden)
    ]
    for account, streams in sorted(held.streams.items()):
        if account != held.account and streams:
            what = f"account {account} with {_named(streams)}"
            found.append(LeftOut(what, "the settings give no login for it", is_fault=False))
    return found


def emptied(last_complete: Manifest | None, names: Collection[str]) -> Sequence[LeftOut]:
    """Return as a fault that there is no stream at all where there were some when the last whole snapshot was taken."""
    if names or last_complete is None or not last_complete.streams:
        return []
    had = _named([stream.name for stream in last_complete.streams])
    why = f"the snapshot {last_complete.id} holds {had}, and the server has no stream now"
    return [LeftOut("every stream", why, is_fault=True)]


def suspicions(
    last: Manifest | None, account: str, names: Collection[str], taken: Sequence[StreamEntry], now: datetime
) -> Sequence[str]:
    """Return in words what is suspicious beside the last snapshot; `names` are all streams that the account has."""
    if last is None:
        return []
    present = {stream.name: stream for stream in taken}
    found: list[str] = []
    for before in last.streams:
        if before.account != account:
            continue
        messages = count(before.state.get("messages"))
        if before.name not in names:
            found.append(f"stream {before.name} is gone: {last.id} holds {messages} messages of it")
        elif before.name in present:
            found += _shrunk(last.id, before, present[before.name], now)
    return found


def _shrunk(last_id: str, before: StreamEntry, after: StreamEntry, now: datetime) -> Sequence[str]:
    was, has = count(before.state.get("last_seq")), count(after.state.get("last_seq"))
    if has < was:
        text = f"stream {after.name} went back from sequence {was} to {has} since {last_id}"
        return [f"{text}: it was made anew, or it lost its end"]
    expected = _expected(before, after, now)
    messages = count(after.state.get("messages"))
    if expected <= HANDFUL or messages >= expected * LEAST_SHARE:
        return []
    had = count(before.state.get("messages"))
    text = f"stream {after.name} holds {messages} messages, {last_id} holds {had}"
    return [f"{text}: its limits explain a fall to {expected:.0f} at most, so it was purged or it lost some"]


def _expected(before: StreamEntry, after: StreamEntry, now: datetime) -> float:
    """Return how many of the messages that were there should be there still, or have others in their place."""
    config, state = after.config, before.state
    if config.get("retention") in _EMPTIED_BY_USE:
        return 0.0
    expected = count(state.get("messages")) * _young_share(config, state, now)
    most_messages, most_bytes, size = _limit(config, "max_msgs"), _limit(config, "max_bytes"), count(state.get("bytes"))
    if most_messages is not None:
        expected = min(expected, most_messages)
    if most_bytes is not None and size:
        expected *= min(1.0, most_bytes / size)
    return expected


def _young_share(config: Mapping[str, Any], state: Mapping[str, Any], now: datetime) -> float:
    """Return the share of the messages that are younger than the stream lets them get, as if they came evenly."""
    age = _limit(config, "max_age")
    first, last = _moment(state.get("first_ts")), _moment(state.get("last_ts"))
    if age is None:
        return 1.0
    if first is None or last is None:
        return 0.0
    oldest = now - timedelta(microseconds=min(age / 1000, 1e15))
    if last <= first:
        return 1.0 if last > oldest else 0.0
    return min(1.0, max(0.0, (last - oldest) / (last - first)))


def _limit(config: Mapping[str, Any], name: str) -> int | None:
    value = count(config.get(name))
    return value or None


def _moment(text: object) -> datetime | None:
    try:
        found = msgspec.convert(text, datetime, strict=False)
    except msgspec.ValidationError:
        return None
    return found if found.tzinfo is not None else None


def _named(names: Sequence[str]) -> str:
    """Return how many streams there are, with the first few names."""
    known = sorted(names)
    more = [f"{len(known) - MOST_NAMED} more"] if len(known) > MOST_NAMED else []
    return f"{len(known)} stream{'s' if len(known) > 1 else ''}: {listed([*known[:MOST_NAMED], *more], 'and')}"
