"""Who is connected to a NATS server of any generation, by its monitoring port: /connz.

`num_connections` is how many a page holds, `total` how many there are, and `connections` is the list itself.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from semsupervisor.systems.bodies import NotOffered, Unreadable, json_as
from semsupervisor.systems.jetstream_state import DEFAULT_ACCOUNT

OK = 200
NOT_FOUND = 404
# A connection takes half a KiB in an answer: a page of these stays well below what is read of one.
PAGE = 1024
MOST_PAGES = 8

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class _Connection(msgspec.Struct):
    name: str = ""
    pending_bytes: Count = 0


class _Connz(msgspec.Struct):
    num_connections: Count
    total: Count
    connections: list[_Connection]


_CONNZ = msgspec.json.Decoder(_Connz)


class _Whose(msgspec.Struct):
    account: str = ""


class _WhoseList(msgspec.Struct):
    connections: list[_Whose]


_WHOSE = msgspec.json.Decoder(_WhoseList)


class Connz(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the clients: how many there are in all, and the names that those on the page gave themselves.

    `largest_pending_bytes` is what waits to be read by the one on the page for which most does.
    """

    total: int
    names: tuple[str, ...]
    largest_pending_bytes: int


def path(offset: int = 0, page: int = PAGE) -> str:
    """Return what to ask for: a page of the open connections."""
    return f"/connz?offset={offset}&limit={page}"


def account_path(connection: int) -> str:
    """Return what to ask for: one connection, with the account that it belongs to."""
    return f"/connz?auth=true&cid={connection}"


def parse_account(http_status: int, body: bytes) -> str:
    """Return the account of the one connection that was asked for; of the default one servers do not tell it.

    Raises: NotOffered; Unreadable.
    """
    if http_status == NOT_FOUND:
        raise NotOffered("the server does not offer /connz (HTTP 404)")
    if http_status != OK:
        raise Unreadable(f"HTTP {http_status} in place of {OK}")
    told = json_as(_WHOSE, body).connections
    if len(told) != 1:
        raise Unreadable(f"{len(told)} connections were told of in place of one")
    return told[0].account or DEFAULT_ACCOUNT


def parse_connz(http_status: int, body: bytes) -> Connz:
    """Read an answer of /connz. Raises: NotOffered; Unreadable, for what contradicts itself as well."""
    if http_status == NOT_FOUND:
        raise NotOffered("the server does not offer /connz (HTTP 404)")
    if http_status != OK:
        raise Unreadable(f"HTTP {http_status} in place of {OK}")
    told = json_as(_CONNZ, body)
    if told.num_connections != len(told.connections):
        raise Unreadable(f"{told.num_connections} connections were told of, and {len(told.connections)} listed")
    return Connz(
        total=told.total,
        names=tuple(one.name for one in told.connections),
        largest_pending_bytes=max((one.pending_bytes for one in told.connections), default=0),
    )
