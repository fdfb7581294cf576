"""What a NATS server of any generation says of itself over its monitoring port: /healthz and /varz.

Field names are those of nats-server; the statuses of /healthz are 200, and 400, 404, 500 or 503 with the reason.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from semsupervisor.kit.text import shortened
from semsupervisor.systems.bodies import NotOffered, Unreadable, json_as, one_line
from semsupervisor.systems.limits import Limit, limit

# The subsystem is up, and no more: cheap, and it does not fail for the sake of one stream.
LIVENESS_PATH = "/healthz?js-enabled-only=true"
# All that the server can check, streams on disk against recovered ones included; each failing call writes a warning
# into the server's log. Servers before 2.10 answer it without the details.
FULL_CHECK_PATH = "/healthz?details=true"
VARZ_PATH = "/varz"

OK = 200
NOT_FOUND = 404
FAILING = frozenset({400, NOT_FOUND, 500, 503})
LONGEST_ERROR = 500
MOST_ERRORS = 5

Text = Annotated[str, Meta(min_length=1, max_length=200)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Percent = Annotated[float, Meta(ge=0, le=1_000_000)]
Moment = Annotated[datetime, Meta(tz=True)]


class _Fault(msgspec.Struct):
    error: str = ""


class _Healthz(msgspec.Struct):
    status: str
    error: str = ""
    errors: list[_Fault] = []


class _Varz(msgspec.Struct):
    server_id: Text
    version: Text
    start: Moment
    mem: Count
    connections: Count
    total_connections: Count
    slow_consumers: Count
    in_msgs: Count
    out_msgs: Count
    in_bytes: Count
    out_bytes: Count
    subscriptions: Count
    cpu: Percent
    max_connections: int | float | None = None
    config_load_time: Moment | None = None
    stalled_clients: Count | None = None
    tls_cert_not_after: Moment | None = None


_HEALTHZ = msgspec.json.Decoder(_Healthz)
_VARZ = msgspec.json.Decoder(_Varz)


class Healthz(msgspec.Struct, frozen=True):
    """Whether the server calls itself healthy, and its own words for why not."""

    healthy: bool
    error: str = ""


class Varz(msgspec.Struct, frozen=True, kw_only=True):
    """A server's general figures; all totals count since `started_at`.

    `memory_bytes` is its resident memory, `cpu_cores` how many cores it keeps busy, `slow_consumers` how many clients
    it cut off for being slow. None is what its generation does not tell, or what it has not.
    """

    server_id: str
    version: str
    started_at: datetime
    memory_bytes: int
    cpu_cores: float
    connections: int
    connections_total: int
    max_connections: Limit
    subscriptions: int
    slow_consumers: int
    stalled_clients: int | None
    in_messages: int
    out_messages: int
    in_bytes: int
    out_bytes: int
    config_loaded_at: datetime | None
    certificate_expires_at: datetime | None


def parse_healthz(http_status: int, body: bytes) -> Healthz:
    """Read an answer of /healthz. Raises: NotOffered; Unreadable, for what contradicts itself as well."""
    try:
        told = json_as(_HEALTHZ, body)
    except Unreadable as error:
        if http_status == NOT_FOUND:
            raise NotOffered("the server does not offer /healthz (HTTP 404)") from error
        raise
    errors = _errors(told)
    if http_status == OK and told.status == "ok" and not errors:
        return Healthz(True)
    if http_status in FAILING and told.status != "ok":
        return Healthz(False, errors or f"status {_shown(told.status)}, without a reason (HTTP {http_status})")
    raise Unreadable(f"HTTP {http_status} with the status {_shown(told.status)}")


def parse_varz(http_status: int, body: bytes) -> Varz:
    """Read an answer of /varz. Raises: NotOffered, Unreadable."""
    if http_status == NOT_FOUND:
        raise NotOffered("the server does not offer /varz (HTTP 404)")
    if http_status != OK:
        raise Unreadable(f"HTTP {http_status} in place of {OK}")
    told = json_as(_VARZ, body)
    return Varz(
        server_id=told.server_id,
        version=told.version,
        started_at=told.start,
        memory_bytes=told.mem,
        cpu_cores=told.cpu / 100,
        connections=told.connections,
        connections_total=told.total_connections,
        max_connections=limit(told.max_connections, "max_connections"),
        subscriptions=told.subscriptions,
        slow_consumers=told.slow_consumers,
        stalled_clients=told.stalled_clients,
        in_messages=told.in_msgs,
        out_messages=told.out_msgs,
        in_bytes=told.in_bytes,
        out_bytes=told.out_bytes,
        config_loaded_at=told.config_load_time,
        certificate_expires_at=told.tls_cert_not_after,
    )


def _errors(told: _Healthz) -> str:
    """Return the server's own words, those of the first few faults when it lists them."""
    texts = [told.error, *(fault.error for fault in told.errors)]
    words = [one_line(text) for text in texts if text.strip()]
    more = f"; and {len(words) - MOST_ERRORS} more" if len(words) > MOST_ERRORS else ""
    return shortened("; ".join(words[:MOST_ERRORS]), LONGEST_ERROR) + more


def _shown(status: str) -> str:
    return repr(shortened(one_line(status), 40))
