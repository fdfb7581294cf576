"""/jsz of both generations: the real answers, tables of bad ones, and properties over damage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semsupervisor.systems.bodies import NotOffered, Unreadable
from semsupervisor.systems.jetstream_state import AccountUse, ConsumerState, JetStreamState, StreamState, Tier
from semsupervisor.systems.limits import Bounded, Limit, Unbounded, Unread
from semsupervisor.systems.nats_jsz import joined, parse_jsz, path

SAMPLES = Path(__file__).parents[1] / "samples"
STORAGE = {"2.9.10": 63_586_492_416, "2.14.0": 63_586_501_632}
SERVERS = {
    "2.9.10": "NACFBHNU6OGLGLFERSHHDUYNHRD2FDWO3YODL2NNS5DEVOZ3X247ODMB",
    "2.14.0": "NDBA7TURNV4YWA273G7MD2Y6HNI3UHLIOAG5BLFFA6ERN5PYPXNUPHM4",
}


def sample(version: str) -> bytes:
    """Return a real server's answer."""
    return (SAMPLES / f"nats-{version}" / "jsz.json").read_bytes()


def jsz(change: Callable[[Any], object]) -> bytes:
    """Return a real answer after a change to it."""
    told = json.loads(sample("2.14.0"))
    change(told)
    return json.dumps(told).encode()


def read(body: bytes) -> JetStreamState:
    """Return what an answer says of JetStream that is on."""
    found = parse_jsz(200, body)
    assert found is not None
    return found


def first(told: Any) -> Any:
    """Return the first stream of an answer."""
    return told["account_details"][0]["stream_detail"][0]


@pytest.mark.parametrize("version", SERVERS)
def test_a_real_answer_is_read(version: str) -> None:
    """Both generations' answers say the same of the same streams; limits are whole numbers, or no limits."""
    worker = ConsumerState(
        name="worker",
        durable=True,
        pull=True,
        delivered=50,
        delivered_sequence=50,
        ack_floor_sequence=20,
        pending=450,
        ack_pending=30,
        redelivered=0,
        waiting=0,
        max_ack_pending=Bounded(1000),
        max_deliver=Unbounded(),
        ack_wait_seconds=30.0,
        paused=False,
    )
    events = StreamState(
        account="$G",
        name="EVENTS",
        messages=500,
        bytes=119_000,
        first_sequence=1,
        last_sequence=500,
        consumer_count=1,
        deleted_messages=0,
        max_bytes=Bounded(10_000_000),
        max_messages=Unbounded(),
        replaces=False,
        storage="file",
        discard="old",
        retention="limits",
        expires=False,
        lag=None,
        consumers=(worker,),
    )
    found = read(sample(version))
    assert found.streams[0].created.startswith("2026-11-23T09:00:5")
    assert msgspec.structs.replace(found.streams[0], created="") == events
    assert (found.streams[1].name, found.streams[1].max_bytes, found.streams[1].discard) == (
        "KV_semstreams_config",
        Unbounded(),
        "new",
    )
    assert [one.replaces for one in found.streams] == [False, True]
    assert found.accounts == (
        AccountUse(
            name="$G",
            memory=Tier(used_bytes=0, limit=Unbounded()),
            storage=Tier(used_bytes=119_067, limit=Unbounded()),
        ),
    )
    assert found.memory == Tier(used_bytes=0, limit=Bounded(18_957_047_808))
    assert found.storage == Tier(used_bytes=119_067, limit=Bounded(STORAGE[version]), reserved_bytes=10_000_000)
    assert (found.stream_count, found.consumer_count, found.messages) == (2, 1, 501)
    assert (found.server_id, found.api_requests, found.api_errors) == (SERVERS[version], 4, 1)


def test_jetstream_that_is_off_is_off() -> None:
    """It says so with HTTP 200 and limits of 0, which are none."""
    off = {"server_id": "X", "now": "2026-11-23T09:00:54Z", "disabled": True, "config": {"max_memory": 0}, "limits": {}}
    assert parse_jsz(200, json.dumps(off).encode()) is None


def test_what_was_lost_is_not_known_from_the_port() -> None:
    """It tells of no losses, whatever befell the files."""
    assert {one.lost for one in read(sample("2.14.0")).streams} == {None}


def test_one_of_several_servers_is_known_by_their_group() -> None:
    """A server of its own tells of none, though it names itself as each stream's leader."""
    assert not read(sample("2.14.0")).clustered
    assert not read(sample("2.9.10")).clustered
    assert read(jsz(lambda told: told.update(meta_cluster={"name": "C", "cluster_size": 3}))).clustered


def test_a_copy_tells_how_far_it_is_behind() -> None:
    """The largest lag of a mirror and of the sources is the stream's."""
    body = jsz(lambda told: first(told).update(sources=[{"name": "A", "lag": 2}, {"name": "B", "lag": 7}]))
    assert read(body).streams[0].lag == 7
    assert read(jsz(lambda told: first(told).update(mirror={"name": "A", "lag": 3}))).streams[0].lag == 3


def test_what_the_server_itself_removes_is_known() -> None:
    """Single messages by an age of their own, and consumers that nobody uses."""

    def tell(told: Any) -> None:
        first(told)["config"]["allow_msg_ttl"] = True
        first(told)["consumer_detail"][0]["config"]["inactive_threshold"] = 5_000_000_000

    for body, is_so in ((jsz(tell), True), (jsz(lambda _: None), False)):
        found = read(body).streams[0]
        assert (found.ages_apart, found.consumers[0].passing) == (is_so, is_so)


@pytest.mark.parametrize(
    ("told", "meant"),
    [(-1, Unbounded()), (0, Unbounded()), (2**64 - 1, Unbounded()), (5, Bounded(5)), (None, "told"), (-7, "no limit")],
)
def test_limits_of_streams_are_bounded_or_not_or_not_known(told: int | None, meant: Limit | str) -> None:
    """For a stream 0 is no limit either; what is no limit at all is neither, and its reason says so."""
    found = read(jsz(lambda body: first(body)["config"].update(max_bytes=told))).streams[0].max_bytes
    assert found == meant if not isinstance(meant, str) else isinstance(found, Unread) and meant in found.reason


def test_what_is_told_without_configuration_has_limits_that_are_not_known() -> None:
    """A stream and a consumer whose configuration is missing have neither limits nor none."""

    def strip(told: Any) -> None:
        first(told).pop("config")
        first(told)["consumer_detail"][0].pop("config")

    found = read(jsz(strip)).streams[0]
    assert isinstance(found.max_bytes, Unread)
    assert isinstance(found.consumers[0].max_ack_pending, Unread)


def test_an_answer_without_details_has_the_totals() -> None:
    """Accounts, streams and consumers may be missing where there are none."""
    found = read(jsz(lambda told: told.pop("account_details")))
    assert (found.accounts, found.streams, found.stream_count) == ((), (), 2)
    assert read(jsz(lambda told: first(told).pop("consumer_detail"))).streams[0].consumers == ()


def test_pages_are_put_together() -> None:
    """All pages' accounts and streams are in one, the totals once."""
    page = read(sample("2.14.0"))
    both = joined([page, page])
    assert (len(both.accounts), len(both.streams), both.stream_count) == (2, 4, 2)


def test_what_is_asked_for_is_said_in_the_path() -> None:
    """Consumers can be left out, and a page begins where it is told to."""
    assert path() == "/jsz?accounts=true&streams=true&consumers=true&config=true&offset=0&limit=1024"
    assert path(consumers=False, offset=3, page=1).endswith("consumers=false&config=true&offset=3&limit=1")


@pytest.mark.parametrize(
    ("http_status", "body", "why"),
    [
        (500, sample("2.14.0"), "HTTP 500 in place of 200"),
        (200, b"", "the body is empty"),
        (200, b"<html/>", "not JSON"),
        (200, b"[]", "not what was asked for"),
        (200, b"{}", "server_id"),
        (200, b'{"server_id": "X", "disabled": "yes"}', "disabled"),
        (200, jsz(lambda told: told.update(storage=-1)), "storage"),
        (200, jsz(lambda told: told.update(storage=1.5)), "storage"),
        (200, jsz(lambda told: told.update(storage="7")), "storage"),
        (200, jsz(lambda told: told["api"].pop("errors")), "errors"),
        (200, jsz(lambda told: told.pop("config")), "config"),
        (200, jsz(lambda told: told["config"].update(max_storage=True)), "max_storage"),
        (200, jsz(lambda told: first(told)["config"].update(max_bytes="1")), "max_bytes"),
        (200, jsz(lambda told: first(told)["state"].pop("bytes")), "bytes"),
        (200, jsz(lambda told: first(told)["state"].update(first_seq=-3)), "first_seq"),
        (200, jsz(lambda told: first(told)["consumer_detail"][0].pop("ack_floor")), "ack_floor"),
        (200, jsz(lambda told: first(told).update(name="")), "name"),
    ],
)
def test_what_is_no_jsz_is_unreadable(http_status: int, body: bytes, why: str) -> None:
    """A figure that is missing or of another kind makes the answer unreadable; nothing is guessed."""
    with pytest.raises(Unreadable, match=why):
        parse_jsz(http_status, body)


def test_an_endpoint_that_is_not_there_is_not_offered() -> None:
    """A 404 means that the endpoint is not offered."""
    with pytest.raises(NotOffered, match="/jsz"):
        parse_jsz(404, b"404 page not found\n")


@settings(max_examples=200)
@given(
    st.sampled_from([sample(version) for version in SERVERS]),
    st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=4)), max_size=4),
    st.sampled_from([200, 404, 503]),
)
def test_damage_is_refused_or_read(body: bytes, damage: list[tuple[int, bytes]], http_status: int) -> None:
    """However an answer is damaged, nothing but our own errors comes of it, and a bound only if it says just that."""
    for at, new in damage:
        at %= len(body) + 1
        body = body[:at] + new + body[at + len(new) :]
    try:
        found = parse_jsz(http_status, body)
    except (Unreadable, NotOffered):
        return
    told = json.loads(body.decode(errors="replace"))
    assert (found is None) == (told.get("disabled") is True)
    if found is not None and isinstance(found.storage.limit, Bounded):
        assert told["config"]["max_storage"] == found.storage.limit.amount


@given(st.binary(max_size=200), st.integers(100, 599))
def test_any_bytes_are_refused(body: bytes, http_status: int) -> None:
    """Bytes from anywhere say nothing of JetStream."""
    with pytest.raises((Unreadable, NotOffered)):
        parse_jsz(http_status, body)
