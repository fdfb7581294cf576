"""The JSON body of webhooks."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from semsupervisor.alerts.notification import NotificationKind
from semsupervisor.alerts.receivers import body
from tests.support.commands import REPOSITORY
from tests.support.told import DIED, MEMORY, told

SCHEMA = REPOSITORY / "semsupervisor/alerts/receivers/body-1.schema.json"


def test_the_body_says_all() -> None:
    """Every field is there, times are in UTC, the one-line summary is that of a mail."""
    said = json.loads(body.encode(told(NotificationKind.RESOLVED)))
    assert said == {
        "schema": "semsupervisor/1",
        "key": "0195-died-resolved",
        "kind": "resolved",
        "host": "edge-7",
        "at": "2026-03-01T12:00:00Z",
        "severity": "critical",
        "summary": "[RESOLVED] edge-7: semstreams runs again, after 2 s",
        "alerts": [
            {
                "id": "0195-died",
                "rule": "container_died",
                "title": "Container died",
                "severity": "critical",
                "subject": {"kind": "service", "name": "semstreams"},
                "summary": "semstreams ended with exit code 137, and nobody had asked for it.",
                "value": "yes",
                "limit": "equals yes",
                "since": "2026-03-01T12:00:00Z",
                "resolved_at": "2026-03-01T12:00:02.300000Z",
                "resolved_because": "semstreams runs again",
                "evidence": {"exit_code": "137", "last_log_lines": "first line\nlast <line> & more"},
                "diagnosis": "137 is a SIGKILL, often for want of memory.",
                "done": [],
                "next_steps": ["docker compose logs --tail=100 semstreams", "docker compose up -d semstreams"],
                "consequences": ["SemStreams unreachable"],
            }
        ],
    }


def test_the_schema_is_that_of_the_body() -> None:
    """The file that receivers are written against is made from the code: changing one without the other is seen."""
    assert SCHEMA.read_bytes() == body.json_schema()


def resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference within the schema."""
    reference = node.get("$ref")
    found: dict[str, Any] = schema["$defs"][reference.rpartition("/")[2]] if reference else node
    return found


def check(schema: dict[str, Any], node: dict[str, Any], value: Any, path: str = "") -> None:
    """Hold a value against the part of JSON Schema that the file uses, independently of what made the file."""
    node = resolved(schema, node)
    if "anyOf" in node:
        assert value is None or isinstance(value, str), path
        return
    if "enum" in node:
        assert value in node["enum"], path
        return
    if node["type"] == "string":
        assert isinstance(value, str), path
    elif node["type"] == "array":
        for place, item in enumerate(value):
            check(schema, node["items"], item, f"{path}[{place}]")
    else:
        assert node["type"] == "object", path
        assert set(node.get("required", ())) <= set(value), path
        for name, item in value.items():
            below = node.get("properties", {}).get(name) or node["additionalProperties"]
            check(schema, below, item, f"{path}.{name}")


@pytest.mark.parametrize("kind", NotificationKind)
def test_every_kind_keeps_to_the_schema(kind: NotificationKind) -> None:
    """Alone, together, or with no alert at all."""
    schema = json.loads(SCHEMA.read_bytes())
    for alerts in ((DIED,), (DIED, MEMORY), ()):
        notification = msgspec.structs.replace(told(kind), alerts=alerts)
        check(schema, schema, json.loads(body.encode(notification)))
