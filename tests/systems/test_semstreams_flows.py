"""SemStreams' flows: lists of several versions in, flows out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.systems.bodies import NotOffered, Unreadable
from semsupervisor.systems.semstreams_flows import Flow, parse_flows, wanted
from tests.support.asked import answer


@pytest.mark.parametrize(
    "body",
    [
        [{"name": "ingest", "status": "running"}, {"name": "graph", "status": "Slow"}, {"id": "x", "status": "error"}],
        {
            "flows": [
                {"id": "1", "name": "ingest", "runtime_state": "running"},
                {"id": "2", "name": "graph", "runtime_state": "slow"},
                {"id": "x", "name": "", "runtime_state": "error"},
            ]
        },
    ],
)
def test_lists_of_both_forms_are_read(body: object) -> None:
    """Bare or under a key, with the state under either name; a slow flow runs, a broken one does not."""
    flows = parse_flows(answer(body))
    assert flows == [Flow("ingest", "running"), Flow("graph", "slow"), Flow("x", "error")]
    assert [(flow.is_active, flow.is_slow) for flow in flows] == [(True, False), (True, True), (False, False)]


def test_a_flow_without_a_state_that_is_known_may_or_may_not_run() -> None:
    """A word of another version, or none, is not taken for running."""
    flows = parse_flows(answer([{"name": "a", "status": "purple"}, {"name": "b"}, {"name": "c", "status": 3}]))
    assert [flow.is_active for flow in flows] == [None, None, None]
    assert [Flow("x", status).is_active for status in ("stopped", "running", "degraded")] == [False, True, True]


@pytest.mark.parametrize("body", [b"", b"<", 5, {"flows": 3}, ["ingest"], {"error": "x"}])
def test_what_is_no_list_of_flows_is_unreadable(body: object) -> None:
    """Nothing follows from it about any flow."""
    with pytest.raises(Unreadable):
        parse_flows(answer(body))


def test_other_states_are_told_apart() -> None:
    """404 and 401 are not offered, 503 unreadable."""
    for status in (404, 401):
        with pytest.raises(NotOffered):
            parse_flows(answer([], status))
    with pytest.raises(Unreadable, match="HTTP 503"):
        parse_flows(answer([], 503))


def test_stored_flows_that_rest_are_not_wanted() -> None:
    """Neither a draft nor a stopped flow is missed; one that says nothing, or cannot be read, is."""
    stored: list[object] = [
        {"name": "a"},
        {"name": "b", "runtime_state": "running"},
        {"name": "c", "runtime_state": "error"},
        {"name": "d", "runtime_state": "not_deployed"},
        {"name": "e", "runtime_state": "deployed_stopped"},
        {"name": "f", "enabled": False},
        7,
    ]
    assert wanted([*(json.dumps(one).encode() for one in stored), b"{"]) == 5


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=8))
def test_whatever_is_sent_is_read_or_refused(body: object) -> None:
    """No value breaks the reader."""
    try:
        parse_flows(answer(json.dumps(body).encode()))
    except Unreadable:
        return
    assert isinstance(body, list)
