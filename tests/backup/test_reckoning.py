"""What is not in a snapshot is named, and what may be damage of the source is seen beside the last one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from semsupervisor.backup import reckoning
from semsupervisor.backup.manifest import LeftOut, Manifest, StreamEntry
from semsupervisor.backup.reckoning import Held
from tests.support.snapshot_folder import AT, ID, MANIFEST

HOUR = 3600 * 10**9
DAY_LATER = AT + timedelta(days=1)


def stream(messages: int, last: int, name: str = "EV", **config: Any) -> StreamEntry:
    """Return a stream that got its messages evenly in the ten hours before the last snapshot."""
    state = {
        "messages": messages,
        "bytes": messages * 100,
        "last_seq": last,
        "first_ts": (AT - timedelta(hours=10)).isoformat(),
        "last_ts": AT.isoformat(),
    }
    return StreamEntry(account="$G", name=name, file="f", config={"name": name, **config}, state=state, blocks=1)


def last_with(*streams: StreamEntry) -> Manifest:
    """Return the last snapshot."""
    return msgspec.structs.replace(MANIFEST, streams=streams)


def test_other_accounts_are_named() -> None:
    """With their streams, the first few by name; those without streams are nothing that is missing."""
    many = tuple(f"S{number:02}" for number in range(12))
    held = Held(account="A", streams={"A": ("EV",), "B": many, "C": ("X",), "D": ()})
    assert [(one.what, one.is_fault) for one in reckoning.not_included(held, {"EV"})] == [
        (f"account B with 12 streams: {', '.join(many[:10])} and 2 more", False),
        ("account C with 1 stream: X", False),
    ]


def test_a_stream_that_is_not_shown_is_a_fault() -> None:
    """The server has it in the account of the login; so has one that shows none at all."""
    held = Held(account="A", streams={"A": ("EV", "HIDDEN")})
    assert reckoning.not_included(held, {"EV", "NEW"}) == [
        LeftOut("stream HIDDEN", "the server has it and does not show it to the login", is_fault=True)
    ]
    assert reckoning.not_included(Held(account="A"), ()) == []


def test_what_is_not_known_is_said() -> None:
    """Other accounts may have streams."""
    (one,) = reckoning.not_included(Held(account="$G", problem="no answer"), ())
    assert (one.why, one.is_fault) == ("no answer", False)


def test_a_server_without_any_stream_is_a_fault() -> None:
    """Where the last whole snapshot has some."""
    (one,) = reckoning.emptied(last_with(stream(5, 5)), ())
    assert (one.is_fault, one.why) == (
        True,
        f"the snapshot {ID} holds 1 stream: EV, and the server has no stream now",
    )
    assert reckoning.emptied(last_with(stream(5, 5)), ["NEW"]) == []
    assert reckoning.emptied(last_with(), ()) == []
    assert reckoning.emptied(None, ()) == []


def suspicions(before: StreamEntry, after: StreamEntry) -> Sequence[str]:
    """Return what is suspicious of one stream, a day after the last snapshot."""
    return reckoning.suspicions(last_with(before), "$G", [after.name], [after], DAY_LATER)


def test_a_stream_that_is_gone_is_suspicious() -> None:
    """In the account that is backed up; one that could not be copied is there."""
    last = last_with(stream(500, 500))
    assert reckoning.suspicions(last, "$G", [], [], DAY_LATER) == [f"stream EV is gone: {ID} holds 500 messages of it"]
    assert reckoning.suspicions(last, "A", [], [], DAY_LATER) == []
    assert reckoning.suspicions(last, "$G", ["EV"], [], DAY_LATER) == []
    assert reckoning.suspicions(None, "$G", [], [], DAY_LATER) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (stream(1000, 1000), stream(499, 1000)),
        (stream(1000, 1000), stream(0, 1200)),
        (stream(1000, 1000, retention="limits"), stream(100, 1000, retention="limits")),
        # Thirty of the 34 hours since its first message: the last six hours' messages should be there.
        (stream(1000, 1000), stream(290, 1000, max_age=30 * HOUR)),
        (stream(1000, 1000), stream(40, 1000, max_msgs=100)),
        (stream(1000, 1000), stream(40, 1000, max_bytes=20_000)),
    ],
)
def test_far_fewer_messages_than_its_limits_explain_are_suspicious(before: StreamEntry, after: StreamEntry) -> None:
    """The words say what there was, what there is, and what it may be."""
    (text,) = suspicions(before, after)
    assert text.startswith(f"stream EV holds {after.state['messages']} messages, {ID} holds 1000: its limits explain")
    assert text.endswith("so it was purged or it lost some")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (stream(1000, 1000), stream(500, 1000)),
        (stream(10, 1000), stream(0, 1000)),
        (stream(1000, 1000), stream(0, 1000, retention="workqueue")),
        (stream(1000, 1000), stream(0, 1000, retention="interest")),
        (stream(1000, 1000), stream(310, 1000, max_age=30 * HOUR)),
        (stream(1000, 1000), stream(0, 1000, max_age=HOUR)),
        (stream(1000, 1000), stream(60, 1000, max_msgs=100)),
        (stream(1000, 1000), stream(110, 1000, max_bytes=20_000)),
        (stream(1000, 1000), stream(1000, 2000, max_age=400 * 86400 * 10**9, max_bytes=-1, max_msgs=-1)),
    ],
)
def test_what_a_stream_s_own_rules_remove_is_no_damage(before: StreamEntry, after: StreamEntry) -> None:
    """Its age, its ceilings, who takes from it; nor is a fall to a half."""
    assert suspicions(before, after) == []


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"first_ts": "0001-01-01T00:00:00Z", "last_ts": "none"}, 0),
        ({"first_ts": "2026-03-01T00:00:00", "last_ts": AT.isoformat()}, 0),
        ({"first_ts": AT.isoformat(), "last_ts": AT.isoformat()}, 1),
        ({"first_ts": "2026-01-01T00:00:00Z", "last_ts": "2026-01-01T00:00:00Z"}, 0),
    ],
)
def test_moments_may_be_of_any_kind(state: dict[str, str], expected: int) -> None:
    """Of a stream whose messages expire, and whose moments tell nothing, nothing is suspicious."""
    before = stream(1000, 1000)
    before = msgspec.structs.replace(before, state={**before.state, **state})
    assert len(suspicions(before, stream(0, 1000, max_age=48 * HOUR))) == expected


def test_a_sequence_never_falls() -> None:
    """Whatever removes messages: a stream that was made anew, or lost its end."""
    (text,) = suspicions(stream(1000, 1000), stream(900, 900, retention="workqueue"))
    assert text == f"stream EV went back from sequence 1000 to 900 since {ID}: it was made anew, or it lost its end"
