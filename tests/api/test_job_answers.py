"""The bodies of the answers about jobs."""

from __future__ import annotations

import msgspec
import pytest

from semsupervisor.api.answers import Answer
from semsupervisor.api.job_answers import JobAnswer, ProgressAnswer, ScheduleAnswer, StepAnswer


@pytest.mark.parametrize("body", [JobAnswer, ProgressAnswer, ScheduleAnswer, StepAnswer])
def test_every_body_can_be_described_and_cannot_be_changed(body: type[Answer]) -> None:
    """Each has a JSON schema with words about it, and is frozen."""
    assert msgspec.json.schema(body)["$defs"][body.__name__]["description"]
    assert body.__struct_config__.frozen
