"""What a scratch server holds of a snapshot, beside what the manifest says and what it held a start before. Pure.

A server believes its index files as they are. Started without them it reads every record, and whatever fails its
checksum is gone: so what is less then was damaged. It may be more: older servers keep in the index alone what was
deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from semsupervisor.backup.blocks import Counts, lacking
from semsupervisor.backup.manifest import StreamEntry, count
from semsupervisor.systems.jetstream_state import DEFAULT_ACCOUNT, StreamState

Streams = Mapping[tuple[str, str], StreamState]


class Content(msgspec.Struct, frozen=True):
    """What a stream holds in a snapshot, as a server counted it that was given it."""

    messages: int
    first: int
    last: int


def missing(streams: Sequence[StreamEntry], held: Streams) -> Sequence[str]:
    """Return in words what a server that was given the streams of a manifest lacks of them."""
    found = []
    for one in streams:
        given = held.get((one.account, one.name))
        if given is None:
            found.append(f"{one.file}: a server that was given it does not have the stream")
        elif words := _missing(one, given):
            found.append(f"{one.file}: {words}")
    return found


def _missing(stream: StreamEntry, given: StreamState) -> str:
    last = count(stream.state.get("last_seq"))
    if given.messages and given.last_sequence < last:
        return f"a server that was given it ends with the message {given.last_sequence} instead of {last}"
    return lacking(stream, Counts(given.messages, given.first_sequence, given.last_sequence, given.messages))


def absent(given: Collection[tuple[str, str]], held: Streams) -> Sequence[str]:
    """Return in words which streams, by account and name, a server does not have that was given their files."""
    return [
        f"stream {name if account == DEFAULT_ACCOUNT else f'{account}/{name}'}: "
        "a server that was given its files does not have it"
        for account, name in sorted(given)
        if (account, name) not in held
    ]


def damaged(believed: Streams, read: Streams) -> Sequence[str]:
    """Return in words what a server does not have any more when it reads every record in place of its index files."""
    found: list[str] = []
    for key, before in sorted(believed.items()):
        after = read.get(key)
        if after is None:
            found.append(f"stream {before.subject_name}: a server that reads every record of it finds no stream")
        else:
            found += [f"stream {before.subject_name}: {words}" for words in _damaged(before, after)]
    return found


def _damaged(before: StreamState, after: StreamState) -> Sequence[str]:
    # What the server itself may have removed between the two looks says nothing of the snapshot.
    is_counted = not before.ages_apart and before.retention != "interest"
    expected = before.messages
    if before.expires:
        expected -= max(0, after.first_sequence - before.first_sequence)
    found = []
    if is_counted and after.messages < expected:
        found.append(f"of {expected} messages {expected - after.messages} cannot be read, or follow one that cannot be")
    if is_counted and before.messages and after.messages and after.last_sequence < before.last_sequence:
        found.append(f"it ends with the message {after.last_sequence} instead of {before.last_sequence}")
    consumers = {one.name: one for one in after.consumers}
    for one in before.consumers:
        if not one.durable or one.passing:
            continue
        if one.name not in consumers:
            found.append(f"the consumer {one.name} cannot be read")
        elif consumers[one.name].ack_floor_sequence < one.ack_floor_sequence:
            floors = f"{consumers[one.name].ack_floor_sequence} instead of {one.ack_floor_sequence}"
            found.append(f"the consumer {one.name} has acknowledged all up to {floors}")
    return found


def contents(held: Streams) -> Mapping[str, Content]:
    """Return what each stream holds, by its name, with the account's before it outside the default one."""
    return {one.subject_name: Content(one.messages, one.first_sequence, one.last_sequence) for one in held.values()}
