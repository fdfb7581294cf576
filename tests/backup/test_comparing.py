"""What a server lacks of a snapshot, and of what it held a start before."""

from __future__ import annotations

from typing import Any

import pytest

from semsupervisor.backup.comparing import Content, absent, contents, damaged, missing
from semsupervisor.backup.manifest import StreamEntry
from semsupervisor.systems.jetstream_state import ConsumerState, StreamState
from semsupervisor.systems.limits import Unbounded

ENTRY = StreamEntry(
    account="$G",
    name="EV",
    file="streams/EV/stream.tar.s2",
    config={"name": "EV"},
    state={"messages": 10, "first_seq": 1, "last_seq": 10},
    blocks=1,
)


def consumer(name: str = "reader", floor: int = 5, *, durable: bool = True, passing: bool = False) -> ConsumerState:
    """Return a consumer that has acknowledged up to there."""
    return ConsumerState(
        name=name,
        durable=durable,
        pull=True,
        delivered=floor,
        delivered_sequence=floor,
        ack_floor_sequence=floor,
        pending=0,
        ack_pending=0,
        redelivered=0,
        waiting=0,
        max_ack_pending=Unbounded(),
        max_deliver=Unbounded(),
        ack_wait_seconds=30.0,
        paused=False,
        passing=passing,
    )


def stream(messages: int = 10, first: int = 1, last: int = 10, **changed: Any) -> StreamState:
    """Return a stream of so many messages."""
    values: dict[str, Any] = {
        "account": "$G",
        "name": "EV",
        "messages": messages,
        "bytes": 100 * messages,
        "first_sequence": first,
        "last_sequence": last,
        "consumer_count": 0,
        "deleted_messages": 0,
        "max_bytes": Unbounded(),
        "max_messages": Unbounded(),
        "replaces": False,
        "storage": "file",
        "discard": "old",
        "retention": "limits",
        "expires": False,
        "lag": None,
    }
    return StreamState(**{**values, **changed})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (stream(), ""),
        (stream(12, 1, 12), ""),
        (stream(0, 11, 10), "0 of 10 messages are in it"),
        (stream(9, 1, 10), "9 of 10 messages are in it"),
        (stream(9, 1, 9), "ends with the message 9 instead of 10"),
        (None, "does not have the stream"),
    ],
)
def test_what_a_server_lacks_of_what_it_was_given(given: StreamState | None, words: str) -> None:
    """More than the manifest says is no fault: it was copied while it grew."""
    found = missing([ENTRY], {("$G", "EV"): given} if given else {})
    assert [words in text and text.startswith(ENTRY.file) for text in found] == ([True] if words else [])


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (stream(), stream(), []),
        (stream(), stream(15, 1, 10), []),
        (stream(), stream(4, 1, 4), ["of 10 messages 6 cannot be read", "ends with the message 4 instead of 10"]),
        (stream(), stream(0, 0, 0), ["of 10 messages 10 cannot be read"]),
        (stream(0, 11, 10), stream(0, 0, 0), []),
        (stream(expires=True), stream(4, 7, 10, expires=True), []),
        (stream(expires=True), stream(3, 7, 10, expires=True), ["of 4 messages 1 cannot be read"]),
        (stream(consumers=(consumer(),)), stream(consumers=(consumer(),)), []),
        (stream(consumers=(consumer(),)), stream(), ["the consumer reader cannot be read"]),
        (stream(consumers=(consumer(durable=False),)), stream(), []),
        (stream(consumers=(consumer(passing=True),)), stream(), []),
        (stream(ages_apart=True), stream(4, 3, 10, ages_apart=True), []),
        (stream(retention="interest"), stream(0, 11, 10, retention="interest"), []),
        (
            stream(consumers=(consumer(floor=5),)),
            stream(consumers=(consumer(floor=0),)),
            ["the consumer reader has acknowledged all up to 0 instead of 5"],
        ),
        (stream(), None, ["finds no stream"]),
    ],
)
def test_what_a_server_lacks_that_reads_every_record(
    before: StreamState, after: StreamState | None, words: list[str]
) -> None:
    """What expired meanwhile is no damage, nor is what an older server has only in its index."""
    found = damaged({("$G", "EV"): before}, {("$G", "EV"): after} if after else {})
    assert [word in text for word, text in zip(words, found, strict=True)] == [True] * len(words)
    assert all(text.startswith("stream EV: ") for text in found)


def test_what_streams_hold_is_said_by_name() -> None:
    """With the account's outside the default one."""
    held = {("$G", "EV"): stream(), ("A", "EV"): stream(2, 3, 4, account="A")}
    assert contents(held) == {"EV": Content(10, 1, 10), "A/EV": Content(2, 3, 4)}


def test_a_stream_whose_files_a_server_does_not_take_is_told() -> None:
    """As when the file that describes it was damaged."""
    found = absent({("$G", "EV"), ("$G", "GONE"), ("A", "EV")}, {("$G", "EV"): stream()})
    assert [text.partition(":")[0] for text in found] == ["stream GONE", "stream A/EV"]
