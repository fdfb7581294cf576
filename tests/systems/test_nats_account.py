"""What JetStream's API says of an account: real answers, limits, tiers, errors, and damage."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semsupervisor.systems.bodies import Unreadable
from semsupervisor.systems.jetstream_state import Tier
from semsupervisor.systems.limits import Bounded, Unbounded
from semsupervisor.systems.nats_account import Account, JetStreamOff, Usage, parse_account

ANSWER: dict[str, Any] = {
    "type": "io.nats.jetstream.api.v1.account_info_response",
    "memory": 0,
    "storage": 119_067,
    "reserved_memory": 0,
    "reserved_storage": 10_000_000,
    "streams": 2,
    "consumers": 1,
    "limits": {
        "max_memory": -1,
        "max_storage": 1_000_000,
        "max_streams": 10,
        "max_consumers": -1,
        "max_ack_pending": -1,
        "memory_max_stream_bytes": -1,
        "storage_max_stream_bytes": -1,
        "max_bytes_required": False,
    },
    "api": {"total": 4, "errors": 1},
}
USAGE = Usage(
    memory=Tier(used_bytes=0, limit=Unbounded()),
    storage=Tier(used_bytes=119_067, limit=Bounded(1_000_000)),
    streams=2,
    consumers=1,
    max_streams=Bounded(10),
    max_consumers=Unbounded(),
)


def body(**changed: Any) -> bytes:
    """Return an answer with some values exchanged."""
    return json.dumps({**ANSWER, **changed}).encode()


def test_use_is_told_with_its_limits() -> None:
    """Each limit is bounded or unbounded."""
    assert parse_account(body()) == Account(whole=USAGE, tiers={})


def test_tiers_have_limits_of_their_own() -> None:
    """Where an account has tiers each is told like the whole."""
    tier = {name: ANSWER[name] for name in ("memory", "storage", "streams", "consumers", "limits")}
    assert parse_account(body(tiers={"R1": tier})).tiers == {"R1": USAGE}


@pytest.mark.parametrize("code", [10039, 10076])
def test_jetstream_that_is_off_is_told(code: int) -> None:
    """The server's words are kept."""
    error = {"code": 503, "err_code": code, "description": "JetStream not enabled for account"}
    with pytest.raises(JetStreamOff, match="not enabled for account"):
        parse_account(json.dumps({"error": error}).encode())


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (json.dumps({"error": {"code": 503, "err_code": 10008, "description": "unavailable"}}).encode(), "unavailable"),
        (json.dumps({"error": {"code": 500}}).encode(), "error 0"),
        (b"", "empty"),
        (b"[]", "not what was asked for"),
        (b"{}", "memory"),
        (body(storage=-1), "storage"),
        (body(limits={"max_storage": "much"}), "max_storage"),
    ],
)
def test_what_says_nothing_of_the_account_is_unreadable(told: bytes, why: str) -> None:
    """Other errors, and what is no answer to this, make nothing known."""
    with pytest.raises(Unreadable, match=why):
        parse_account(told)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 800), st.binary(max_size=4)), max_size=4))
def test_damage_is_refused_or_read(damage: list[tuple[int, bytes]]) -> None:
    """However an answer is damaged, nothing but our own errors comes of it."""
    told = body()
    for at, new in damage:
        at %= len(told) + 1
        told = told[:at] + new + told[at + len(new) :]
    with suppress(Unreadable, JetStreamOff):
        assert parse_account(told).whole.streams >= 0
