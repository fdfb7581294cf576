"""How much of something there may be: bounded, unbounded, or not known. Pure.

NATS writes "no limit" as -1, and as the same number cast to an unsigned one: 2^64-1, or 1.8446744073709552e19 where
something on the way reads numbers as floats.
"""

from __future__ import annotations

import msgspec

LARGEST = 2**63 - 1
UNLIMITED_FROM = 1.8e19


class Bounded(msgspec.Struct, frozen=True, tag="bounded"):
    """At most `amount`, 0 or more."""

    amount: int


class Unbounded(msgspec.Struct, frozen=True, tag="unbounded"):
    """As much as there is room for; what bounds it then is another limit."""


class Unread(msgspec.Struct, frozen=True, tag="unread"):
    """There may be a limit or none: what was told is neither, which is said in `reason`."""

    reason: str


Limit = Bounded | Unbounded | Unread


def limit(told: object, what: str) -> Limit:
    """Read a limit as NATS tells it; `what` is its name in the reason why it cannot be read."""
    match told:
        case None:
            return Unread(f"{what} is not told")
        case bool():
            return Unread(f"{what} is {told}")
        case -1:
            return Unbounded()
        case int() if 0 <= told <= LARGEST:
            return Bounded(told)
        case int() | float() if UNLIMITED_FROM <= told <= 2**64:
            return Unbounded()
        case _:
            return Unread(f"{what} is {str(told)[:40]}, which is no limit")


def ratio(used: int, most: Limit) -> float | None:
    """Return the share of a limit that is used; None if there is none, it is not known, or it leaves no room at all."""
    match most:
        case Bounded(amount=amount) if amount:
            return used / amount
        case _:
            return None
