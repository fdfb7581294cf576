"""A seed has one plan, and a plan of enough rounds leaves nothing out."""

from __future__ import annotations

from tests.faults.plan import BIRTHS, Blow, failpoints, plan

NAMES = failpoints()


def test_the_failpoints_are_those_of_the_source() -> None:
    """They are found where they stand, those around a commit and a send at least."""
    assert {"pipeline.before_commit", "pipeline.after_commit", "delivery.before_send", "delivery.after_send"} <= set(
        NAMES
    )


def test_a_seed_has_one_plan() -> None:
    """The same seed and number give the same round; another seed gives another one."""

    def words(seed: int) -> list[str]:
        return [str(plan(seed, number, NAMES)).partition("dice")[0] for number in range(1, 30)]

    assert words(1) == words(1)
    assert words(1) != words(2)


def test_two_hundred_rounds_leave_nothing_out() -> None:
    """Each failpoint is armed often, each blow is dealt, and the power goes far more than twenty times."""
    rounds = [plan(1, number, NAMES) for number in range(1, 201)]
    armed = [one.failpoint.partition(":")[0] for one in rounds if one.failpoint]
    assert min(armed.count(name) for name in NAMES) >= 8
    assert {one.blow for one in rounds} == set(Blow)
    assert sum(one.power for one in rounds) >= 40
    assert sum(one.operation > 0 for one in rounds) >= 20
    assert all(one.power and one.operation for one in rounds[:BIRTHS])
