"""/connz of both generations: the real answers, tables of bad ones, and properties over damage."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semsupervisor.systems.bodies import NotOffered, Unreadable
from semsupervisor.systems.nats_connz import Connz, parse_account, parse_connz, path

SAMPLES = Path(__file__).parents[1] / "samples"
GENERATIONS = ("2.9.10", "2.14.0")


def sample(version: str) -> bytes:
    """Return a real server's answer."""
    return (SAMPLES / f"nats-{version}" / "connz.json").read_bytes()


def connz(**changed: Any) -> bytes:
    """Return a real answer with some values exchanged; None removes one."""
    told = {**json.loads(sample("2.14.0")), **changed}
    return json.dumps({key: value for key, value in told.items() if value is not None}).encode()


@pytest.mark.parametrize("version", GENERATIONS)
def test_a_real_answer_is_read(version: str) -> None:
    """It names who is connected, and says how many there are."""
    assert parse_connz(200, sample(version)) == Connz(total=1, names=("semstreams",), largest_pending_bytes=0)


def test_clients_without_a_name_are_there() -> None:
    """A client need not give itself a name."""
    body = connz(num_connections=2, total=5, connections=[{"pending_bytes": 7}, {"name": "x", "pending_bytes": 3}])
    assert parse_connz(200, body) == Connz(total=5, names=("", "x"), largest_pending_bytes=7)
    assert parse_connz(200, connz(num_connections=0, total=0, connections=[])).largest_pending_bytes == 0


def test_what_is_asked_for_is_a_page() -> None:
    """The path says where the page begins and how long it is."""
    assert path() == "/connz?offset=0&limit=1024"
    assert path(offset=1024, page=5) == "/connz?offset=1024&limit=5"


@pytest.mark.parametrize(
    ("http_status", "body", "why"),
    [
        (500, connz(), "HTTP 500 in place of 200"),
        (200, b"", "the body is empty"),
        (200, b"nothing", "not JSON"),
        (200, connz(total=None), "total"),
        (200, connz(connections=None), "connections"),
        (200, connz(connections=7), "connections"),
        (200, connz(num_connections=9), "9 connections were told of, and 1 listed"),
        (200, connz(connections=[{"name": 5}]), "name"),
        (200, connz(connections=[{"pending_bytes": -5}]), "pending_bytes"),
    ],
)
def test_what_is_no_connz_is_unreadable(http_status: int, body: bytes, why: str) -> None:
    """What is missing, of another kind or contradicts itself makes the answer unreadable."""
    with pytest.raises(Unreadable, match=why):
        parse_connz(http_status, body)


def test_an_endpoint_that_is_not_there_is_not_offered() -> None:
    """A 404 means that the endpoint is not offered."""
    with pytest.raises(NotOffered, match="/connz"):
        parse_connz(404, b"404 page not found\n")


@settings(max_examples=200)
@given(
    st.sampled_from([sample(version) for version in GENERATIONS]),
    st.lists(st.tuples(st.integers(0, 2_000), st.binary(max_size=4)), max_size=4),
)
def test_damage_is_refused_or_read(body: bytes, damage: list[tuple[int, bytes]]) -> None:
    """However an answer is damaged, nothing but our own errors comes of it."""
    for at, new in damage:
        at %= len(body) + 1
        body = body[:at] + new + body[at + len(new) :]
    with suppress(Unreadable, NotOffered):
        assert len(parse_connz(200, body).names) <= 1


@pytest.mark.parametrize(("told", "expected"), [({"account": "A"}, "A"), ({}, "$G")])
def test_the_account_of_a_connection_is_told(told: dict[str, str], expected: str) -> None:
    """That of the default one is left out by the servers."""
    assert parse_account(200, json.dumps({"connections": [told]}).encode()) == expected


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (404, b"404 page not found", NotOffered),
        (500, b"{}", Unreadable),
        (200, b"{}", Unreadable),
        (200, b'{"connections": []}', Unreadable),
        (200, b'{"connections": [{}, {}]}', Unreadable),
    ],
)
def test_an_account_that_is_not_told_is_none(status: int, body: bytes, error: type[Exception]) -> None:
    """Nothing is guessed from another connection."""
    with pytest.raises(error):
        parse_account(status, body)
