"""The description of the API for machines."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from semsupervisor.api.openapi import document
from semsupervisor.api.routes import ROUTES


def described() -> dict[str, Any]:
    """Return the description as its readers get it."""
    made: dict[str, Any] = json.loads(msgspec.json.encode(document(ROUTES)))
    return made


def test_every_route_is_described() -> None:
    """The paths and methods are those of the table, with a summary and a name of their own."""
    operations = {
        (method.upper(), path): operation
        for path, methods in described()["paths"].items()
        for method, operation in methods.items()
    }
    assert set(operations) == {(route.method, route.path) for route in ROUTES}
    assert len({operation["operationId"] for operation in operations.values()}) == len(ROUTES)
    assert all(operation["summary"] for operation in operations.values())


def test_every_reference_leads_somewhere() -> None:
    """Each schema that is referred to is among the components."""
    text = json.dumps(described())
    named = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert named
    assert named <= set(described()["components"]["schemas"])


def test_parameters_are_described_with_their_bounds() -> None:
    """Path and query parameters carry their place, whether they must be given, and their limits."""
    paths = described()["paths"]
    by_name = {one["name"]: one for one in paths["/v1/timeline"]["get"]["parameters"]}
    assert set(by_name) == {"limit", "before", "after", "subject", "kind", "since"}
    assert (by_name["limit"]["in"], by_name["limit"]["required"]) == ("query", False)
    assert (by_name["limit"]["schema"]["minimum"], by_name["limit"]["schema"]["maximum"]) == (1, 1000)
    (receiver,) = paths["/v1/alerts/test/{receiver}"]["post"]["parameters"]
    assert (receiver["in"], receiver["required"]) == ("path", True)


def test_the_description_has_the_form_that_openapi_asks_for() -> None:
    """What is in a path is a parameter that must be given, each one has words and one type, each answer one form."""
    for route in ROUTES:
        operation = described()["paths"][route.path][route.method.lower()]
        parameters = operation["parameters"]
        needed = {one["name"] for one in parameters if one["in"] == "path"}
        assert needed == set(re.findall(r"{(\w+)}", route.path))
        assert all(one["required"] for one in parameters if one["in"] == "path")
        assert all(one["description"] and "type" in one["schema"] for one in parameters)
        assert set(operation["responses"]) >= {"200", "default"}
        assert all(one["description"] and len(one["content"]) == 1 for one in operation["responses"].values())
        assert list(operation["responses"]["200"]["content"]) == [route.content_type]


def test_moments_are_described_as_such() -> None:
    """A generated client makes a time of them, not a text."""
    entry = described()["components"]["schemas"]["TimelineEntryAnswer"]
    assert entry["properties"]["at"] == {"type": "string", "format": "date-time"}


def test_errors_are_described() -> None:
    """Every operation says how it fails, and a verdict that it may be 503."""
    paths = described()["paths"]
    for methods in paths.values():
        for operation in methods.values():
            assert "ErrorAnswer" in json.dumps(operation["responses"]["default"])
    assert "VerdictAnswer" in json.dumps(paths["/v1/health"]["get"]["responses"]["503"])
    assert "503" not in paths["/v1/status"]["get"]["responses"]
