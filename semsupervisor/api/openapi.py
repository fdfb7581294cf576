"""The description of the API for machines (OpenAPI 3.1), made from the table of routes and the types of the bodies."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

import semsupervisor
from semsupervisor.api.access import Access
from semsupervisor.api.answers import ErrorAnswer, VerdictAnswer
from semsupervisor.api.asking import JSON, Params, Route

_REFERENCE = "#/components/schemas/{name}"


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """Return the whole description."""
    types = _answer_types(routes)
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    by_type = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": "semsupervisor", "version": semsupervisor.__version__, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {"schemas": components},
    }


def _answer_types(routes: Sequence[Route]) -> list[type]:
    return list(dict.fromkeys([ErrorAnswer, *(route.answer for route in routes if route.answer)]))


def _operation(route: Route, schemas: Mapping[type, Mapping[str, Any]]) -> dict[str, Any]:
    schema = schemas[route.answer] if route.answer else {"type": "string"}
    content = {route.content_type: {"schema": schema}}
    bad = {"503": {"description": "It is not", "content": content}} if route.answer is VerdictAnswer else {}
    return {
        "operationId": route.handler.__name__.strip("_"),
        "summary": route.summary,
        "description": "Over the control socket only." if route.access is Access.CONTROL else "Also over TCP.",
        "parameters": _parameters(route) if route.params else [],
        "responses": {
            "200": {"description": route.summary, "content": content},
            **bad,
            "default": {
                "description": "It was not done, and what to do about it",
                "content": {JSON: {"schema": schemas[ErrorAnswer]}},
            },
        },
    }


def _parameters(route: Route) -> list[dict[str, Any]]:
    in_path = set(re.findall(r"{(\w+)}", route.path))
    params: type[Params] = route.params or Params
    schema = msgspec.json.schema(params)["$defs"][params.__name__]
    return [
        _parameter(name, described, "path" if name in in_path else "query", required=name in schema.get("required", []))
        for name, described in schema["properties"].items()
    ]


def _parameter(name: str, schema: dict[str, Any], place: str, *, required: bool) -> dict[str, Any]:
    """Return one parameter; that it may be left out is said by `required`, not by a null that no query can hold."""
    if "anyOf" in schema:
        (schema,) = [one for one in schema["anyOf"] if one != {"type": "null"}]
    words = schema.pop("description")
    return {"name": name, "in": place, "required": required, "description": words, "schema": schema}
