"""What is kept is what the policy says, and never is the last good one lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.backup.retention import Decision, Kept, Policy, decide

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
MIB = 2**20


def taken(hours_ago: float, *, good: bool = True, verified: bool = False, protected: str = "", size: int = MIB) -> Kept:
    """Return a snapshot of so many hours ago; its id is its age."""
    return Kept(
        id=f"{hours_ago:g}",
        taken_at=NOW - timedelta(hours=hours_ago),
        size_bytes=size,
        good=good,
        verified=verified,
        protected=protected,
    )


def kept(snapshots: list[Kept], policy: Policy, zone: timezone = UTC) -> list[str]:
    """Return the ids of those that are kept, newest first."""
    return [one.id for one in decide(snapshots, policy, NOW, zone) if one.keep]


def test_the_last_ones_are_kept() -> None:
    """In the order of their times, whatever the order they came in."""
    snapshots = [taken(48), taken(0), taken(24)]
    assert kept(snapshots, Policy(last=2)) == ["0", "24"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy(hourly=2), ["0", "0.5"]),
        (Policy(daily=3), ["0", "13", "37"]),
        (Policy(weekly=2), ["0", "37"]),
        (Policy(monthly=2), ["0", "745"]),
        (Policy(within_seconds=2 * 3600), ["0", "0.5", "1"]),
        (Policy(last=1, daily=2, monthly=2), ["0", "13", "745"]),
    ],
)
def test_of_each_period_the_newest_is_kept(policy: Policy, expected: list[str]) -> None:
    """NOW is a Tuesday, the 31st, at noon: today began 12 hours ago, this week 36, this month 732."""
    snapshots = [taken(age) for age in (0, 0.5, 1, 13, 14, 37, 38, 61, 200, 745, 760)]
    assert kept(snapshots, policy) == expected


def test_periods_without_any_take_no_place() -> None:
    """A host that was off for weeks keeps what it has."""
    assert kept([taken(0), taken(24 * 40), taken(24 * 80)], Policy(daily=3)) == ["0", "960", "1920"]


def test_days_are_those_of_the_zone() -> None:
    """At +14 noon UTC is 2 o'clock of the next day."""
    snapshots = [taken(0), taken(3)]
    assert kept(snapshots, Policy(daily=2)) == ["0"]
    assert kept(snapshots, Policy(daily=2), timezone(timedelta(hours=14))) == ["0", "3"]


def test_failures_push_no_good_one_out() -> None:
    """Thirty days of incomplete ones leave the seven good days before them."""
    bad = [taken(24 * day, good=False) for day in range(30)]
    good = [taken(24 * day, verified=day == 35) for day in range(30, 40)]
    assert kept([*bad, *good], Policy(daily=7)) == ["0", *[f"{24 * day}" for day in range(30, 37)]]


def test_the_newest_is_kept_for_looking_at_while_it_is_the_newest() -> None:
    """An incomplete one tells why; it goes when a newer one is there."""
    decisions = decide([taken(0, good=False), taken(1), taken(2, good=False)], Policy(last=1), NOW, UTC)
    assert decisions == [
        Decision("0", True, ("the newest",)),
        Decision("1", True, ("one of the last 1 (1)", "the newest good one")),
        Decision("2", False, ("incomplete or damaged, and a newer one is there",)),
    ]


def test_what_is_protected_stays() -> None:
    """It says why, and takes no place of the policy that it does not fill."""
    decisions = decide([taken(0), taken(5, protected="pinned: before v2"), taken(6)], Policy(last=1), NOW, UTC)
    assert [(one.keep, one.reasons[0]) for one in decisions] == [
        (True, "one of the last 1 (1)"),
        (True, "pinned: before v2"),
        (False, "no place of the policy is left for it"),
    ]


def test_the_newest_verified_one_stays() -> None:
    """Whatever came after it may be damaged."""
    assert kept([taken(0), taken(1), taken(24 * 400, verified=True)], Policy(last=1)) == ["0", "9600"]


def test_bytes_take_the_oldest() -> None:
    """But neither the newest, nor the newest verified one, nor what is protected."""
    snapshots = [taken(0), taken(1), taken(2), taken(3, verified=True), taken(4, protected="pinned")]
    policy = Policy(last=5, most_bytes=3 * MIB)
    assert kept(snapshots, policy) == ["0", "3", "4"]
    reasons = {one.id: one.reasons for one in decide(snapshots, policy, NOW, UTC)}
    assert reasons["2"] == ("all together take more than 3145728 bytes, and it is one of the oldest",)
    assert kept(snapshots, Policy(last=5, most_bytes=4 * MIB)) == ["0", "1", "3", "4"]


def test_nothing_is_decided_about_nothing() -> None:
    """No snapshot, no decision."""
    assert list(decide([], Policy(last=3), NOW, UTC)) == []


Snapshots = st.lists(
    st.builds(
        taken,
        st.integers(0, 24 * 500),
        good=st.booleans(),
        verified=st.booleans(),
        protected=st.sampled_from(("", "", "pinned")),
        size=st.integers(1, 100),
    ),
    unique_by=lambda one: one.id,
    max_size=30,
)
Policies = st.builds(
    Policy,
    last=st.integers(0, 4),
    hourly=st.integers(0, 3),
    daily=st.integers(0, 7),
    weekly=st.integers(0, 4),
    monthly=st.integers(0, 6),
    within_seconds=st.sampled_from((0.0, 3600.0, 86400.0 * 30)),
    most_bytes=st.sampled_from((0, 1, 200)),
)


@given(Snapshots, Policies)
def test_what_a_host_may_need_is_never_removed(snapshots: list[Kept], policy: Policy) -> None:
    """Each gets one decision with a reason; the newest, the newest good, the newest verified and all protected stay."""
    decisions = {one.id: one for one in decide(snapshots, policy, NOW, UTC)}
    assert set(decisions) == {one.id for one in snapshots}
    assert all(one.reasons for one in decisions.values())
    newest_first = sorted(snapshots, key=lambda one: one.taken_at, reverse=True)
    for fits in (
        lambda _: True,
        lambda one: one.good,
        lambda one: one.good and one.verified,
    ):
        first = next((one for one in newest_first if fits(one)), None)
        assert first is None or decisions[first.id].keep
    assert all(decisions[one.id].keep for one in snapshots if one.protected)


@given(Snapshots, Policies)
def test_a_second_look_removes_nothing_more(snapshots: list[Kept], policy: Policy) -> None:
    """What was kept is kept again."""
    left = [one for one in snapshots if one.id in kept(snapshots, policy)]
    assert set(kept(left, policy)) == {one.id for one in left}


def test_a_policy_that_keeps_none_removes_none() -> None:
    """It says nothing about which may go; a bound on their bytes still holds."""
    snapshots = [taken(0), taken(1), taken(2)]
    assert kept(snapshots, Policy()) == ["0", "1", "2"]
    assert kept(snapshots, Policy(most_bytes=2 * MIB)) == ["0", "1"]
