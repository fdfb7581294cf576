"""The bodies of the answers."""

from __future__ import annotations

import inspect

import msgspec
import pytest

from semsupervisor.api import answers

BODIES = [body for _, body in inspect.getmembers(answers, inspect.isclass) if issubclass(body, answers.Answer)]


@pytest.mark.parametrize("body", BODIES)
def test_every_body_can_be_described_and_cannot_be_changed(body: type[answers.Answer]) -> None:
    """Each has a JSON schema with words about it, and is frozen."""
    described = msgspec.json.schema(body)["$defs"][body.__name__]
    assert described["description"]
    assert body.__struct_config__.frozen
