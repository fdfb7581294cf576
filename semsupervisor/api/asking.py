"""A request as its handler sees it, and what a handler gives back: nothing here knows the HTTP library."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import msgspec

from semsupervisor.api.access import Access
from semsupervisor.api.metrics import MetricsPage
from semsupervisor.api.readings import Readings
from semsupervisor.errors import PermanentError

P = TypeVar("P")

JSON = "application/json"
READING_TIMEOUT_SECONDS = 10.0


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of what a route takes from its path and its query: anything else there is refused."""


class Ask(msgspec.Struct, Generic[P], frozen=True, kw_only=True):
    """One request: its checked parameters, the formats that its sender accepts, and what can be read.

    `sender` says who asks, in words; empty over TCP, where nobody knows.
    """

    params: P
    accept: str
    readings: Readings
    metrics: MetricsPage
    sender: str = ""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What goes back: bytes as they are, anything else as JSON."""

    body: object
    status: int = 200
    content_type: str = JSON


Handler = Callable[[Ask[Any]], Awaitable[Reply]]


class Refused(PermanentError):
    """A request that is not fulfilled, with the HTTP status, what is wrong and what its sender can do."""

    def __init__(self, status: int, error: str, what_to_do: str = "", problems: tuple[str, ...] = ()) -> None:
        self.status = status
        self.error = error
        self.what_to_do = what_to_do
        self.problems = problems
        super().__init__(error)


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table of routes; `answer` is the body's type when it is JSON."""

    method: str
    path: str
    access: Access
    handler: Handler
    summary: str
    answer: type | None = None
    params: type[Params] | None = None
    content_type: str = JSON
    timeout_seconds: float = READING_TIMEOUT_SECONDS
