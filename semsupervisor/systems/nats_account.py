"""What JetStream's API says of the account of a client that is logged in: use against limits, by tiers if any."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from semsupervisor.errors import TemporaryError
from semsupervisor.kit.text import shortened
from semsupervisor.systems.bodies import Unreadable, json_as, one_line
from semsupervisor.systems.jetstream_state import Tier
from semsupervisor.systems.limits import Limit, limit

SUBJECT = "$JS.API.INFO"
# JetStream is off for the server, or for the account.
OFF = frozenset({10039, 10076})
LONGEST_WORDS = 200

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Told = int | float | None


class JetStreamOff(TemporaryError):
    """JetStream is not there for this account."""


class _Limits(msgspec.Struct):
    max_memory: Told = None
    max_storage: Told = None
    max_streams: Told = None
    max_consumers: Told = None


class _Usage(msgspec.Struct):
    memory: Count
    storage: Count
    streams: Count
    consumers: Count
    limits: _Limits


class _Error(msgspec.Struct):
    code: int
    err_code: int = 0
    description: str = ""


class _Failure(msgspec.Struct):
    error: _Error | None = None


class _Info(_Usage):
    tiers: dict[str, _Usage] | None = None


_FAILURE = msgspec.json.Decoder(_Failure)
_INFO = msgspec.json.Decoder(_Info)


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What an account uses of its limits, in all or in one tier, which is for streams of so many replicas."""

    memory: Tier
    storage: Tier
    streams: int
    consumers: int
    max_streams: Limit
    max_consumers: Limit


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What an account uses in all; `tiers` holds the use of each tier by its name, and is empty where there are none.

    Where there are tiers the limits are theirs.
    """

    whole: Usage
    tiers: dict[str, Usage]


def parse_account(body: bytes) -> Account:
    """Read an answer of JetStream's API about the account. Raises: JetStreamOff; Unreadable, for other errors too."""
    failure = json_as(_FAILURE, body).error
    if failure is not None:
        words = shortened(one_line(failure.description), LONGEST_WORDS) or f"error {failure.err_code}"
        if failure.err_code in OFF:
            raise JetStreamOff(f"JetStream is off for this account: {words}")
        raise Unreadable(f"JetStream did not tell about the account: {words}")
    told = json_as(_INFO, body)
    return Account(whole=_usage(told), tiers={name: _usage(tier) for name, tier in (told.tiers or {}).items()})


def _usage(told: _Usage) -> Usage:
    limits = told.limits
    return Usage(
        memory=Tier(used_bytes=told.memory, limit=limit(limits.max_memory, "max_memory")),
        storage=Tier(used_bytes=told.storage, limit=limit(limits.max_storage, "max_storage")),
        streams=told.streams,
        consumers=told.consumers,
        max_streams=limit(limits.max_streams, "max_streams"),
        max_consumers=limit(limits.max_consumers, "max_consumers"),
    )
