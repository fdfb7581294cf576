"""The table of routes."""

from __future__ import annotations

import re

from semsupervisor.api.access import Access
from semsupervisor.api.asking import JSON
from semsupervisor.api.routes import ROUTES


def test_every_path_stands_once() -> None:
    """No two rows answer the same."""
    rows = [(route.method, route.path) for route in ROUTES]
    assert len(rows) == len(set(rows))


def test_what_is_promised_is_there() -> None:
    """The paths that others rely on are in the table."""
    paths = {route.path for route in ROUTES}
    assert {"/", "/healthz", "/readyz", "/metrics", "/v1/health", "/v1/status", "/v1/alerts", "/v1/timeline"} <= paths
    assert {"/v1/settings", "/v1/outbox", "/v1/openapi.json", "/v1/alerts/rules", "/v1/alerts/history"} <= paths


def test_each_row_takes_the_parameters_of_its_path() -> None:
    """A parameter in the path is a field of what the handler gets."""
    for route in ROUTES:
        named = set(re.findall(r"{(\w+)}", route.path))
        known = set(route.params.__struct_fields__) if route.params else set()
        assert named <= known, route.path


def test_json_has_a_type_and_acts_have_time() -> None:
    """What is answered as JSON is described by a type, and what talks to the outside may take longer."""
    assert all((route.answer is not None) == (route.content_type == JSON) for route in ROUTES)
    reading = max(route.timeout_seconds for route in ROUTES if route.access is Access.READ)
    assert all(route.timeout_seconds > reading for route in ROUTES if route.access is Access.CONTROL)
