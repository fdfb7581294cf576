"""What the record says of a step is what the step says of itself."""

from __future__ import annotations

from semsupervisor.jobs.kinds import At, Step
from semsupervisor.jobs.record import StepPlan


async def nothing(_: At) -> None:
    """Do nothing."""


def test_a_step_plans_what_it_is() -> None:
    """Whether it commits, may fail, and can be undone stands in the record, for those who read it without the code."""
    plain = Step(name="stop", title="Stop NATS", do=nothing)
    assert plain.plan == StepPlan("stop", "Stop NATS")
    rich = Step(name="stop", title="Stop NATS", do=nothing, undo=nothing, commits=True, optional=True)
    assert rich.plan == StepPlan("stop", "Stop NATS", commits=True, optional=True, undoable=True)
