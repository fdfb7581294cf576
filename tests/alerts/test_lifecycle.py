"""The life of an alert: tables of its steps, and what holds over every possible sequence of looks."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.alerts.lifecycle import (
    Alert,
    AlertState,
    begin,
    resolve,
    step,
)
from semsupervisor.alerts.rules import LONGEST_COUNTED_GAP_SECONDS, Rule, Verdict
from semsupervisor.kit.clock import Instant
from tests.support.alerting import AT, DISK, FILLING, SERVICE, alert, changed, finding, moment
from tests.support.clock import START

HOLDS, CLEAR, UNKNOWN, GONE = Verdict.HOLDS, Verdict.CLEAR, Verdict.UNKNOWN, Verdict.GONE
PENDING, FIRING, RESOLVED = AlertState.PENDING, AlertState.FIRING, AlertState.RESOLVED
AT_ONCE = changed(FILLING, for_seconds=0.0, clear_for_seconds=0.0)


class Look(NamedTuple):
    """One look: what it found, how long after the one before, and by how much the wall clock jumped meanwhile."""

    verdict: Verdict
    after_seconds: float
    wall_jump_seconds: float = 0.0


LOOKS = st.lists(
    st.builds(
        Look,
        st.sampled_from([HOLDS, HOLDS, CLEAR, UNKNOWN, GONE]),
        st.one_of(st.sampled_from([5.0, 10.0, 30.0, 119.0, 121.0]), st.floats(-5, 400)),
        st.sampled_from([0.0, 3600.0, -86400.0, 1e9]),
    ),
    max_size=40,
)
RULES = st.builds(
    lambda for_seconds, clear_for_seconds: changed(
        FILLING, for_seconds=for_seconds, clear_for_seconds=clear_for_seconds
    ),
    st.sampled_from([0.0, 10.0, 60.0, 300.0]),
    st.sampled_from([0.0, 10.0, 60.0]),
)


def moments(looks: list[Look], *, jumping: bool = True) -> list[Instant]:
    """Return when each look happens."""
    wall, monotonic, found = START, AT.monotonic, []
    for look in looks:
        monotonic += look.after_seconds
        wall += timedelta(seconds=look.after_seconds + (look.wall_jump_seconds if jumping else 0.0))
        wall = min(max(wall, START - timedelta(days=10_000)), START + timedelta(days=1_000_000))
        found.append(Instant(wall, monotonic))
    return found


def live(rule: Rule, looks: list[Look], *, jumping: bool = True) -> list[Alert | None]:
    """Return what the alert is after each look; a resolved or inactive one may begin again."""
    states: list[Alert | None] = []
    current: Alert | None = None
    for look, at in zip(looks, moments(looks, jumping=jumping), strict=True):
        if current is None or current.state is RESOLVED:
            current = begin(rule, DISK, finding(look.verdict), {}, at, lambda: f"a{len(states)}")
        else:
            current = step(rule, current, finding(look.verdict), {}, at)
        states.append(current)
    return states


def after(rule: Rule, *looks: tuple[Verdict, float]) -> Alert | None:
    """Return what the alert is after the last of some looks."""
    return live(rule, [Look(verdict, seconds) for verdict, seconds in looks])[-1]


def state_after(rule: Rule, *looks: tuple[Verdict, float]) -> AlertState | None:
    """Return the state after the last of some looks, None for inactive."""
    found = after(rule, *looks)
    return found.state if found else None


@given(RULES, LOOKS)
def test_an_alert_never_resolves_before_it_fired(rule: Rule, looks: list[Look]) -> None:
    """Every episode that is resolved was firing, with a stamp of when; what was only pending just goes."""
    fired: set[str] = set()
    for found in live(rule, looks):
        if found is not None and found.state is FIRING:
            fired.add(found.id)
        if found is not None and found.state is RESOLVED:
            assert found.id in fired
            assert found.fired_at is not None
            assert found.resolved_at is not None
            assert not found.open


@given(RULES, LOOKS)
def test_only_observed_time_counts(rule: Rule, looks: list[Look]) -> None:
    """An alert fires when the looks that held, one right after the other, span its `for`: never sooner, never later."""
    held, last_held, running = 0.0, None, False
    for look, at, found in zip(looks, moments(looks), live(rule, looks), strict=True):
        if not running:
            held, last_held = 0.0, None
        if look.verdict is HOLDS:
            if last_held is not None and 0 <= at.monotonic - last_held <= LONGEST_COUNTED_GAP_SECONDS:
                held += at.monotonic - last_held
            last_held = max(at.monotonic, at.monotonic if last_held is None else last_held)
        else:
            last_held = None
        running = found is not None and found.state is PENDING
        if found is not None and found.state is PENDING:
            assert found.held_seconds == pytest.approx(held)
            assert held < rule.for_seconds
        if found is not None and found.fired_at == at.wall and found.state is FIRING and look.verdict is HOLDS:
            assert found.held_seconds >= rule.for_seconds


@given(RULES, LOOKS)
def test_a_wall_clock_that_jumps_changes_nothing(rule: Rule, looks: list[Look]) -> None:
    """The same looks give the same life, whatever the wall clock does meanwhile."""
    with_jumps, without = live(rule, looks), live(rule, looks, jumping=False)
    assert [found and (found.state, found.held_seconds, found.clear_seconds) for found in with_jumps] == [
        found and (found.state, found.held_seconds, found.clear_seconds) for found in without
    ]


@given(RULES, LOOKS)
def test_only_a_true_negative_or_removal_resolves(rule: Rule, looks: list[Look]) -> None:
    """No firing alert ends by an unknown look or by one that holds."""
    before: Alert | None = None
    for look, found in zip(looks, live(rule, looks), strict=True):
        if before is not None and before.state is FIRING and look.verdict in {UNKNOWN, HOLDS}:
            assert found is not None
            assert found.state is FIRING
        before = found


@given(RULES, LOOKS, st.integers(0, 39), st.floats(0, 1e6))
def test_a_restart_brings_nothing_nearer(rule: Rule, looks: list[Look], place: int, clock: float) -> None:
    """What is loaded after a restart has the time it had; the first look after it adds none to it."""
    states = live(rule, looks)
    current = states[place] if place < len(states) else None
    if current is None or current.state is RESOLVED:
        return
    loaded = msgspec.json.decode(msgspec.json.encode(msgspec.structs.replace(current, seen_monotonic=None)), type=Alert)
    for verdict in (HOLDS, CLEAR):
        next_one = step(rule, loaded, finding(verdict), {}, Instant(START, clock))
        if next_one is not None and next_one.state is current.state:
            assert next_one.held_seconds == current.held_seconds
            assert next_one.clear_seconds in {current.clear_seconds, 0.0}


@pytest.mark.parametrize(
    ("looks", "state"),
    [
        ([(CLEAR, 0)], None),
        ([(UNKNOWN, 0)], None),
        ([(GONE, 0)], None),
        ([(HOLDS, 0)], PENDING),
        ([(HOLDS, 0), (HOLDS, 59)], PENDING),
        ([(HOLDS, 0), (HOLDS, 60)], FIRING),
        ([(HOLDS, 0), (HOLDS, 30), (HOLDS, 30)], FIRING),
        ([(HOLDS, 0), (CLEAR, 30)], None),
        ([(HOLDS, 0), (GONE, 30)], None),
        ([(HOLDS, 0), (HOLDS, 30), (UNKNOWN, 10), (HOLDS, 10)], PENDING),
        ([(HOLDS, 0), (HOLDS, 30), (UNKNOWN, 10), (HOLDS, 10), (HOLDS, 30)], FIRING),
        ([(HOLDS, 0), (UNKNOWN, 9), (UNKNOWN, 9)], PENDING),
        ([(HOLDS, 0), (UNKNOWN, 9), (UNKNOWN, 9), (UNKNOWN, 9)], None),
        ([(HOLDS, 0), (UNKNOWN, 9), (UNKNOWN, 9), (HOLDS, 9), (UNKNOWN, 9), (UNKNOWN, 9)], PENDING),
        ([(HOLDS, 0), (HOLDS, 120)], FIRING),
        ([(HOLDS, 0), (HOLDS, 121)], PENDING),
        ([(HOLDS, 0), (HOLDS, 121), (HOLDS, 60)], FIRING),
        ([(HOLDS, 0), (HOLDS, 60), (UNKNOWN, 9), (UNKNOWN, 9), (UNKNOWN, 9), (UNKNOWN, 9)], FIRING),
        ([(HOLDS, 0), (HOLDS, 60), (GONE, 1)], RESOLVED),
        ([(HOLDS, 0), (HOLDS, 60), (CLEAR, 10)], FIRING),
        ([(HOLDS, 0), (HOLDS, 60), (CLEAR, 10), (CLEAR, 30)], RESOLVED),
        ([(HOLDS, 0), (HOLDS, 60), (CLEAR, 10), (CLEAR, 29), (HOLDS, 1), (CLEAR, 1), (CLEAR, 29)], FIRING),
        ([(HOLDS, 0), (HOLDS, 60), (CLEAR, 10), (CLEAR, 20), (UNKNOWN, 9), (CLEAR, 9), (CLEAR, 9)], FIRING),
        ([(HOLDS, 0), (HOLDS, 60), (CLEAR, 10), (CLEAR, 20), (UNKNOWN, 9), (CLEAR, 9), (CLEAR, 10)], RESOLVED),
    ],
)
def test_steps(looks: list[tuple[Verdict, float]], state: AlertState | None) -> None:
    """With `for` 60 s and `clear_for` 30 s each sequence of looks leads to just this state."""
    assert state_after(FILLING, *looks) is state


def test_without_for_the_first_look_fires_and_the_first_clear_one_resolves() -> None:
    """A death that lasts two seconds is an alert with its end."""
    assert state_after(AT_ONCE, (HOLDS, 0)) is FIRING
    assert state_after(AT_ONCE, (HOLDS, 0), (CLEAR, 2)) is RESOLVED


def test_no_second_counts_twice() -> None:
    """When an older look comes in late, the time up to the newest one is not counted again."""
    found = after(FILLING, (HOLDS, 0), (HOLDS, 10), (HOLDS, -5), (HOLDS, 7))
    assert found is not None
    assert found.held_seconds == 12


def test_an_alert_says_what_it_is() -> None:
    """An episode carries the rule's title, severity and limit, and its first look's value, sentence and evidence."""
    found = begin(FILLING, DISK, finding(HOLDS, 0.9), {"who": "x"}, AT, lambda: "a1")
    assert found is not None
    assert (found.id, found.rule, found.title, found.limit) == ("a1", FILLING.name, FILLING.title, "above 80 %")
    assert (found.value, found.summary, found.evidence) == (0.9, "found holds", {"who": "x"})
    assert (found.severity, found.since, found.seen_at, found.open) == (FILLING.severity, START, START, True)


def test_each_look_that_holds_is_taken_along() -> None:
    """While it holds the value, the sentence and the time are the newest, and evidence adds up."""
    first = alert(AT_ONCE, DISK, evidence={"a": "1", "b": "1"})
    at = Instant(START + timedelta(seconds=9), AT.monotonic + 9)
    found = step(AT_ONCE, first, finding(HOLDS, 0.95), {"b": "2"}, at)
    assert found is not None
    assert (found.value, found.seen_at, found.evidence) == (0.95, at.wall, {"a": "1", "b": "2"})


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ({"ended_at": "1", "cause": "killed"}, {"ended_at": "1", "cause": "killed", "log": "panic"}),
        ({"ended_at": "2", "cause": "killed", "oom": "yes"}, {"ended_at": "1", "cause": "crashed", "log": "panic"}),
        ({"oom": "yes"}, {"ended_at": "1", "cause": "crashed", "log": "panic"}),
    ],
)
def test_evidence_of_different_ends_is_not_mixed(more: dict[str, str], kept: dict[str, str]) -> None:
    """What is known better of the same end is taken in; what belongs to another one is none of this alert."""
    first = alert(AT_ONCE, SERVICE, evidence={"ended_at": "1", "cause": "crashed", "log": "panic"})
    found = step(AT_ONCE, first, finding(HOLDS), more, moment(9))
    assert found is not None
    assert (found.evidence, found.times) == (kept, 1)


def test_what_was_about_to_end_and_comes_again_is_one_episode() -> None:
    """It is counted, and its evidence is that of the new time."""
    rule = changed(AT_ONCE, clear_for_seconds=300.0)
    found: Alert | None = alert(rule, SERVICE, evidence={"ended_at": "1", "log": "panic"})
    for verdict, seconds in ((CLEAR, 10), (HOLDS, 20), (HOLDS, 30), (CLEAR, 40)):
        assert found is not None
        found = step(rule, found, finding(verdict), {"ended_at": "2"}, moment(seconds))
    assert found is not None
    assert (found.state, found.times, found.evidence) == (FIRING, 2, {"ended_at": "2"})


def test_an_unknown_look_is_no_sight() -> None:
    """A firing alert that cannot be seen keeps when it was last seen, its value and its sentence."""
    first = alert(AT_ONCE, DISK)
    at = Instant(START + timedelta(seconds=9), AT.monotonic + 9)
    found = step(AT_ONCE, first, finding(UNKNOWN), {}, at)
    assert found is not None
    assert (found.seen_at, found.value, found.summary, found.unknown_in_row) == (START, True, first.summary, 1)


def test_an_end_says_why() -> None:
    """A resolved alert keeps what it was and says since when and why it is over."""
    found = step(AT_ONCE, alert(AT_ONCE, SERVICE), finding(CLEAR), {}, moment(2))
    assert found is not None
    assert (found.resolved_at, found.resolved_because) == (START, "found clear")
    assert step(AT_ONCE, found, finding(HOLDS), {}, moment(3)) is found
    assert resolve(alert(AT_ONCE, SERVICE), moment(1), "so be it").resolved_because == "so be it"
