"""SemStreams' /health: each dialect by table, and properties that no garbage is ever taken for healthy."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semsupervisor.systems.bodies import Unreadable
from semsupervisor.systems.semstreams import DEEPEST_PART, Health, Status, duration_seconds, parse_health

RUNBOOK: dict[str, Any] = {
    "status": "healthy",
    "version": "v1.0.0",
    "uptime": "24h30m15s",
    "components": {"nats": "connected", "flows": "running"},
}
OFFLINE: dict[str, Any] = {"status": "degraded", "nats_connected": False, "buffered_messages": 142}


def part(name: str, status: str, message: str = "", **more: Any) -> dict[str, Any]:
    """Return a sub-status of the shipped dialect."""
    told = {"component": name, "healthy": status == "healthy", "status": status, "message": message}
    return {**told, "timestamp": "2026-11-23T09:00:54.644062435Z", **more}


NATS_UP = part("nats", "healthy", "Connected (RTT: 312µs)")
NATS_DOWN = part("nats", "unhealthy", "Disconnected: reconnecting (failures: 7)")
SLOW = part("flow-engine", "degraded", "1 of 2 flows", sub_statuses=[part("ingest", "degraded", "Flow is slow")])
SHIPPED = part(
    "system",
    "healthy",
    "All sub-components are healthy",
    metrics={"uptime": 88_215_000_000_000, "error_count": 0},
    sub_statuses=[NATS_UP, part("flow-engine", "healthy")],
)
SHIPPED_DOWN = part("system", "unhealthy", "One or more are unhealthy", sub_statuses=[NATS_DOWN, SLOW])
SAMPLES = (RUNBOOK, OFFLINE, SHIPPED, SHIPPED_DOWN)


def read(body: object, http_status: int = 200) -> Health:
    """Read a body of /health given as JSON value."""
    return parse_health(http_status, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("body", "http_status", "health"),
    [
        (
            RUNBOOK,
            200,
            Health(
                status=Status.HEALTHY,
                nats_connected=True,
                nats_message="connected",
                flows="running",
                version="v1.0.0",
                uptime_seconds=88_215.0,
            ),
        ),
        (
            {**RUNBOOK, "status": "unhealthy", "components": {"nats": "disconnected", "flows": "slow"}},
            200,
            Health(
                status=Status.UNHEALTHY,
                nats_connected=False,
                nats_message="disconnected",
                flows="slow",
                version="v1.0.0",
                uptime_seconds=88_215.0,
                unwell=("nats is disconnected", "flows is slow"),
            ),
        ),
        (
            OFFLINE,
            200,
            Health(
                status=Status.DEGRADED, nats_connected=False, buffered_messages=142, unwell=("nats is disconnected",)
            ),
        ),
        (
            {**OFFLINE, "status": "unhealthy"},
            503,
            Health(
                status=Status.UNHEALTHY, nats_connected=False, buffered_messages=142, unwell=("nats is disconnected",)
            ),
        ),
        (
            SHIPPED,
            200,
            Health(
                status=Status.HEALTHY,
                nats_connected=True,
                nats_message="Connected (RTT: 312µs)",
                uptime_seconds=88_215.0,
            ),
        ),
        (
            part("system", "degraded", sub_statuses=[NATS_UP, SLOW]),
            200,
            Health(
                status=Status.DEGRADED,
                nats_connected=True,
                nats_message="Connected (RTT: 312µs)",
                unwell=("flow-engine is degraded: 1 of 2 flows", "ingest is degraded: Flow is slow"),
            ),
        ),
        (
            SHIPPED_DOWN,
            503,
            Health(
                status=Status.UNHEALTHY,
                nats_connected=False,
                nats_message="Disconnected: reconnecting (failures: 7)",
                unwell=(
                    "nats is unhealthy: Disconnected: reconnecting (failures: 7)",
                    "flow-engine is degraded: 1 of 2 flows",
                    "ingest is degraded: Flow is slow",
                ),
            ),
        ),
        ({"status": "Healthy"}, 200, Health(status=Status.HEALTHY)),
        (
            part("system", "degraded", sub_statuses=[{"component": "cache", "status": "starting"}, {}]),
            200,
            Health(status=Status.DEGRADED, unwell=("cache is starting", "? is unreadable")),
        ),
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_each_dialect_is_read(body: object, http_status: int, health: Health, indent: int | None) -> None:
    """Runbook, shipped and offline bodies are understood, compact or pretty, with 200 or 503."""
    separators = (",", ":") if indent is None else None
    read = parse_health(http_status, json.dumps(body, indent=indent, separators=separators).encode())
    assert msgspec.structs.replace(read, parts=()) == health


def test_all_parts_are_listed() -> None:
    """Those that are well too, in each dialect, nested ones behind their own."""
    runbook = {"status": "healthy", "components": {"nats": "connected", "flows": "running", "x": 5}}
    inner = {"component": "ingest", "healthy": True, "status": "healthy", "message": "Flow is running"}
    engine = {"component": "flow-engine", "healthy": True, "status": "healthy", "sub_statuses": [inner]}
    shipped = {"status": "healthy", "healthy": True, "sub_statuses": [engine]}
    assert [
        parse_health(200, json.dumps(body).encode()).parts for body in (runbook, shipped, {"status": "healthy"})
    ] == [
        ("nats is connected", "flows is running"),
        ("flow-engine is healthy", "ingest is healthy: Flow is running"),
        (),
    ]


@pytest.mark.parametrize(
    ("body", "connected"),
    [
        ({**RUNBOOK, "components": {"nats": "Connected"}}, True),
        ({**RUNBOOK, "components": {"nats": "reconnecting"}}, None),
        ({**RUNBOOK, "components": {"flows": "running"}}, None),
        ({**RUNBOOK, "nats_connected": False}, False),
        (part("system", "degraded", sub_statuses=[part("nats", "degraded", "Reconnecting")]), None),
        (part("system", "degraded", sub_statuses=[{"component": "nats", "status": "?"}]), None),
        (part("system", "unhealthy", sub_statuses=[part("messaging", "unhealthy", sub_statuses=[NATS_DOWN])]), False),
        (part("system", "degraded", sub_statuses=[part("nats-bridge", "unhealthy")]), None),
    ],
)
def test_nats_is_connected_only_if_that_is_said(body: object, connected: bool | None) -> None:
    """A word that is not known, or none at all, is neither connected nor disconnected."""
    assert read(body).nats_connected is connected


def test_a_part_outweighs_a_healthy_whole() -> None:
    """When the whole calls itself healthy while a part is not, the worst of the parts counts."""
    assert read(part("system", "healthy", sub_statuses=[NATS_UP, SLOW])).status is Status.DEGRADED
    assert read(part("system", "healthy", sub_statuses=[SLOW, NATS_DOWN])).status is Status.UNHEALTHY


@pytest.mark.parametrize(
    ("components", "status", "stopped"),
    [
        ({"flows": "running"}, Status.HEALTHY, False),
        ({"flows": "Stopped"}, Status.DEGRADED, True),
        ({"flows": "error"}, Status.DEGRADED, True),
        ({"flows": "slow"}, Status.DEGRADED, False),
        ({"flows": False}, Status.DEGRADED, True),
        ({"flows": {"status": "failed"}}, Status.DEGRADED, True),
        ({"flows": {"status": "running", "healthy": False}}, Status.DEGRADED, True),
        ({"flows": "none"}, Status.HEALTHY, False),
        ({"flows": ["a", "b"]}, Status.HEALTHY, False),
        ({"flows": "purple", "cache": "down"}, Status.DEGRADED, None),
        ({"cache": "disabled"}, Status.HEALTHY, False),
    ],
)
def test_a_component_outweighs_a_healthy_whole(
    components: dict[str, Any], status: Status, stopped: bool | None
) -> None:
    """When the whole calls itself healthy while a component is not, it is degraded; flows that do not run are told."""
    health = read({**RUNBOOK, "components": {"nats": "connected", **components}})
    assert (health.status, health.flows_stopped) == (status, stopped)


@pytest.mark.parametrize("nats", [{"components": {"nats": "disconnected"}}, {"nats_connected": False}])
def test_a_lost_connection_outweighs_a_healthy_whole(nats: dict[str, Any]) -> None:
    """Without NATS nothing is healthy, whatever the whole says."""
    health = read({"status": "healthy", **nats})
    assert (health.status, health.unwell) == (Status.DEGRADED, ("nats is disconnected",))


def nested(depth: int) -> dict[str, Any]:
    """Return a healthy body with so many floors of sub-statuses."""
    below = part("deep", "healthy")
    for _ in range(depth):
        below = part("deep", "healthy", sub_statuses=[below])
    return below


@pytest.mark.parametrize(
    ("body", "http_status", "why"),
    [
        (RUNBOOK, 503, "HTTP 503 with the status healthy"),
        (RUNBOOK, 500, "HTTP 500 is neither"),
        (RUNBOOK, 301, "HTTP 301 is neither"),
        ({}, 200, "the status is NoneType"),
        ({"status": " "}, 200, "the status is '', not one of healthy, degraded, unhealthy"),
        ({"status": True}, 200, "the status is bool"),
        ({**SHIPPED, "healthy": False}, 200, "the status is 'healthy'"),
        ({**SHIPPED, "healthy": "yes"}, 200, "the status is 'healthy'"),
        ({**SHIPPED_DOWN, "healthy": True}, 503, "the status is 'unhealthy'"),
        ({**SHIPPED, "sub_statuses": "none"}, 200, "no list"),
        ({**SHIPPED, "sub_statuses": [NATS_UP, 7]}, 200, "a sub-status is int"),
        ({**SHIPPED, "sub_statuses": [NATS_UP, {"component": "x", "status": 7}]}, 200, "that of x cannot"),
        ({**SHIPPED, "sub_statuses": [part("x", "healthy") | {"healthy": False}]}, 200, "that of x cannot"),
        (nested(DEEPEST_PART + 5), 200, "nested too deep"),
        ({**RUNBOOK, "components": ["nats"]}, 200, "the components are no object"),
        ({**RUNBOOK, "components": {"nats": 1}}, 200, "what the components say of NATS is int"),
        (
            {**RUNBOOK, "components": {"nats": "connected", "cache": None}},
            200,
            "that of cache .*: it is without a word",
        ),
        ({**RUNBOOK, "components": {"cache": {"state": "running"}}}, 200, "that of cache .*: it is without a word"),
        ({**OFFLINE, "nats_connected": "no"}, 200, "nats_connected is 'no'"),
        (["healthy"], 200, "got `array`"),
        ("healthy", 200, "got `str`"),
    ],
)
def test_what_contradicts_itself_is_unreadable(body: object, http_status: int, why: str) -> None:
    """A body is not believed when it is no health body or does not agree with itself, and the error says why."""
    with pytest.raises(Unreadable, match=why):
        read(body, http_status)


@pytest.mark.parametrize(
    ("body", "http_status", "status", "strange"),
    [
        ({"status": "ok"}, 200, None, "it calls itself 'ok'"),
        ({"status": "Starting", "healthy": True, "version": "v2"}, 200, None, "it calls itself 'Starting'"),
        ({**RUNBOOK, "status": "fine"}, 200, None, "it calls itself 'fine'"),
        ({**RUNBOOK, "components": {"nats": "connected", "cache": "purple"}}, 200, None, "cache is 'purple'"),
        (
            {**SHIPPED, "sub_statuses": [NATS_UP, {"component": "x", "status": "starting"}]},
            200,
            None,
            "x is 'starting'",
        ),
        ({"status": "odd", "components": {"cache": None}}, 200, None, "it calls itself 'odd'"),
        ({"status": "odd", "nats_connected": False}, 200, Status.DEGRADED, "it calls itself 'odd'"),
        (part("system", "odd", sub_statuses=[NATS_DOWN]), 200, Status.UNHEALTHY, "it calls itself 'odd'"),
        ({"status": "failing"}, 503, Status.UNHEALTHY, "it calls itself 'failing' (HTTP 503)"),
        ({"status": "failed", "healthy": False}, 200, Status.UNHEALTHY, "it calls itself 'failed'"),
        ({"status": "failed", "healthy": False}, 503, Status.UNHEALTHY, "it calls itself 'failed'"),
        ({"healthy": False}, 200, Status.UNHEALTHY, ""),
        ({"healthy": False, "status": 4}, 503, Status.UNHEALTHY, ""),
    ],
)
def test_an_unknown_word_is_shown_and_never_healthy(
    body: dict[str, Any], http_status: int, status: Status | None, strange: str
) -> None:
    """What is worse beside it counts, a 503 as well; else how it is is not known."""
    health = read(body, http_status)
    assert (health.status, health.strange) == (status, strange)


@pytest.mark.parametrize(("more", "told"), [({"status": "failed"}, "failed"), ({}, "degraded")])
def test_a_part_whose_flag_alone_says_that_it_is_not_well_is_not(more: dict[str, Any], told: str) -> None:
    """A word for it that is not known is shown, and it outweighs a healthy whole."""
    health = read({**SHIPPED, "sub_statuses": [NATS_UP, {"component": "cache", "healthy": False, **more}]})
    assert (health.status, health.strange, health.unwell) == (Status.DEGRADED, "", (f"cache is {told}",))


def test_a_503_with_an_unknown_word_names_it_as_what_is_wrong() -> None:
    """Nothing else is there to be named."""
    assert read({"status": "failing"}, 503).unwell == ("it calls itself 'failing' (HTTP 503)",)


@pytest.mark.parametrize(
    ("more", "version", "uptime", "buffered"),
    [
        ({"uptime": "soon", "version": 3, "buffered_messages": -1}, "", None, None),
        ({"uptime": 12, "version": None, "buffered_messages": True}, "", None, None),
        ({"metrics": {"uptime": 10**400}, "buffered_messages": 10**400}, "", None, None),
        (
            {"metrics": {"uptime": 1_500_000_000}, "version": "v2\n\x1b[0m"},
            "v2 \N{REPLACEMENT CHARACTER}[0m",
            1.5,
            None,
        ),
        ({"metrics": [], "version": "v" * 500}, "v" * 119 + "…", None, None),
    ],
)
def test_extras_that_make_no_sense_are_left_out(
    more: dict[str, Any], version: str, uptime: float | None, buffered: int | None
) -> None:
    """What is said beside the status is taken only if it is of its kind, and short enough for one line."""
    health = read({"status": "healthy", **more})
    assert (health.version, health.uptime_seconds, health.buffered_messages) == (version, uptime, buffered)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("24h30m15s", 88_215.0),
        ("0s", 0.0),
        ("1.5s", 1.5),
        ("4m2s", 242.0),
        ("312µs", 0.000312),
        ("312μs", 0.000312),
        ("1h0m0.25s", 3600.25),
        ("300ms", 0.3),
        ("", None),
        ("15", None),
        ("-5s", None),
        ("1h 5m", None),
        ("9" * 16 + "h", None),
        ("1s" * 100, None),
    ],
)
def test_go_durations_are_read(text: str, seconds: float | None) -> None:
    """A duration is read in seconds as Go prints it; anything else is none."""
    assert duration_seconds(text) == (None if seconds is None else pytest.approx(seconds))


def all_healthy(item: Any) -> bool:
    """Tell, without the code under test, whether a JSON value says healthy and nothing else."""
    if not isinstance(item, dict) or str(item.get("status")).casefold() != "healthy":
        return False
    if item.get("healthy", True) is not True or item.get("nats_connected", True) is not True:
        return False
    below, components = item.get("sub_statuses") or [], item.get("components", {})
    if not isinstance(below, list) or not isinstance(components, dict):
        return False
    return all(map(all_healthy, below)) and all(map(is_well, components.values()))


def is_well(told: Any) -> bool:
    """Tell, without the code under test, whether a component's word, if it is one, is a good one."""
    if isinstance(told, dict):
        return told.get("healthy", True) is True and is_well(told.get("status"))
    if told is None or isinstance(told, str | bool):
        return str(told).casefold() in WELL
    return True


WELL = {"connected", "running", "healthy", "ok", "up", "ready", "active", "started", "enabled", "true"}
WELL |= {"idle", "none", "disabled", "not_configured"}


def check(http_status: int, body: bytes) -> None:
    """Check that reading raises nothing unexpected and believes only what is healthy throughout."""
    try:
        health = parse_health(http_status, body)
    except Unreadable:
        return
    if health.status is Status.HEALTHY:
        assert http_status == 200
        assert all_healthy(json.loads(body))


WORDS = st.sampled_from(
    ["healthy", "degraded", "unhealthy", "ok", "connected", "disconnected", "running", "stopped", "error", "nats", ""]
)
KEYS = st.sampled_from(
    ["status", "healthy", "component", "components", "sub_statuses", "nats", "nats_connected", "uptime", "flows"]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=5),
    max_leaves=12,
)
HTTP = st.sampled_from([200, 503])
MUTATIONS = 200
TOLD = st.none() | st.booleans() | st.integers() | WORDS
COMPONENTS = st.dictionaries(KEYS, TOLD | st.dictionaries(KEYS, TOLD, max_size=2), max_size=3)


@settings(max_examples=MUTATIONS)
@given(st.sampled_from(SAMPLES), st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=4)), max_size=4), HTTP)
def test_damaged_bytes_never_read_as_healthy(sample: Any, damage: list[tuple[int, bytes]], http_status: int) -> None:
    """However the bytes of an answer are damaged, it reads as healthy only if what is left says so throughout."""
    body = json.dumps(sample).encode()
    for at, new in damage:
        at %= len(body) + 1
        body = body[:at] + new + body[at + len(new) :]
    check(http_status, body)


@given(st.sampled_from(SAMPLES), st.floats(0, 1, exclude_max=True))
def test_a_body_that_breaks_off_is_unreadable(sample: Any, whole: float) -> None:
    """No beginning of an answer is taken for an answer."""
    body = json.dumps(sample).encode()
    with pytest.raises(Unreadable):
        parse_health(200, body[: int(len(body) * whole)])


@settings(max_examples=MUTATIONS)
@given(st.sampled_from(SAMPLES), st.dictionaries(KEYS, TOLD, max_size=2), COMPONENTS)
def test_exchanged_components_never_read_as_healthy(
    sample: Any, exchanged: dict[str, Any], components: dict[str, Any]
) -> None:
    """With any components in a body that calls itself healthy, it is so only if none of them says otherwise."""
    check(200, json.dumps({**sample, "components": components, **exchanged, "status": "healthy"}).encode())


@settings(max_examples=MUTATIONS)
@given(st.sampled_from(SAMPLES), st.dictionaries(KEYS, VALUES, max_size=3), HTTP)
def test_exchanged_values_never_read_as_healthy(sample: Any, exchanged: dict[str, Any], http_status: int) -> None:
    """With any values exchanged for others, it reads as healthy only if all of it says so."""
    check(http_status, json.dumps({**sample, **exchanged}).encode())


@given(VALUES, HTTP)
def test_any_json_is_read_or_refused(value: Any, http_status: int) -> None:
    """No JSON value at all crashes the reading or reads as healthy without saying so."""
    check(http_status, json.dumps(value).encode())


@given(st.binary(max_size=200), HTTP)
def test_any_bytes_are_refused(body: bytes, http_status: int) -> None:
    """Bytes from anywhere are refused."""
    check(http_status, body)
