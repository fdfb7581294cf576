"""What a rule says of a value: verdicts by table, and that no value whatsoever makes a look fail."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.alerts.rules import (
    Comparison,
    Rule,
    Verdict,
    limit_text,
    look,
    measured_text,
    value_text,
    verdict,
)
from semsupervisor.alerts.trends import TOO_EARLY
from semsupervisor.health.observation import UNLIMITED, FactValue, Subject, SubjectKind, Unknown
from semsupervisor.health.series import Series
from tests.support.alerting import AT, DIED, DISK, DOWN, FILLING, SERVICE, UNKNOWN, changed, gone, saw

HOLDS, CLEAR, NOT_KNOWN = Verdict.HOLDS, Verdict.CLEAR, Verdict.UNKNOWN
BELOW = changed(FILLING, comparison=Comparison.BELOW, limit=10, clear=20.0)
NO_CLEAR = changed(FILLING, clear=None)
TEXT_LIMIT = changed(FILLING, limit="much")
UNKNOWN_LIMIT = changed(FILLING, limit=UNKNOWN)
STATUS = changed(DIED, fact="status", limit="degraded")
ABSENT = changed(DIED, comparison=Comparison.ABSENT)
RISING = changed(
    FILLING, fact="errors_total", comparison=Comparison.RATE_ABOVE, limit=0.5, clear=0.1, over_seconds=100.0
)
GROWING = changed(FILLING, comparison=Comparison.FULL_WITHIN, limit=3600.0, clear=5400.0, over_seconds=100.0)

ANY_VALUE: st.SearchStrategy[FactValue] = st.one_of(
    st.booleans(), st.integers(), st.floats(), st.text(), st.builds(Unknown, st.text())
)


@pytest.mark.parametrize(
    ("rule", "value", "firing", "found"),
    [
        (FILLING, 0.81, False, HOLDS),
        (FILLING, 0.8, False, CLEAR),
        (FILLING, 0.79, True, HOLDS),
        (FILLING, 0.75, True, CLEAR),
        (NO_CLEAR, 0.79, True, CLEAR),
        (NO_CLEAR, 0.81, True, HOLDS),
        (FILLING, 1, False, HOLDS),
        (FILLING, True, False, HOLDS),
        (FILLING, "0.9", False, NOT_KNOWN),
        (FILLING, UNKNOWN, False, NOT_KNOWN),
        (FILLING, UNKNOWN, True, NOT_KNOWN),
        (FILLING, math.inf, False, HOLDS),
        (FILLING, UNLIMITED, False, HOLDS),
        (FILLING, UNLIMITED, True, HOLDS),
        (BELOW, UNLIMITED, False, CLEAR),
        (BELOW, UNLIMITED, True, CLEAR),
        (TEXT_LIMIT, 0.9, False, NOT_KNOWN),
        (UNKNOWN_LIMIT, 0.9, False, NOT_KNOWN),
        (BELOW, 9.9, False, HOLDS),
        (BELOW, 10, False, CLEAR),
        (BELOW, 15, True, HOLDS),
        (BELOW, 20, True, CLEAR),
        (DIED, True, False, HOLDS),
        (DIED, False, True, CLEAR),
        (DIED, UNKNOWN, True, NOT_KNOWN),
        (STATUS, "degraded", False, HOLDS),
        (STATUS, "healthy", False, CLEAR),
        (STATUS, 7, False, CLEAR),
        (ABSENT, UNKNOWN, False, HOLDS),
        (ABSENT, True, True, CLEAR),
        (RISING, 0.51, False, HOLDS),
        (RISING, 0.5, False, CLEAR),
        (RISING, 0.2, True, HOLDS),
        (RISING, 0.1, True, CLEAR),
        (RISING, UNKNOWN, True, NOT_KNOWN),
        (GROWING, 3599.0, False, HOLDS),
        (GROWING, 0.0, False, HOLDS),
        (GROWING, 3600.0, False, CLEAR),
        (GROWING, 5399.0, True, HOLDS),
        (GROWING, 5400.0, True, CLEAR),
        (GROWING, math.inf, False, CLEAR),
        (GROWING, math.inf, True, CLEAR),
    ],
)
def test_a_value_is_held_against_the_limit(rule: Rule, value: FactValue, firing: bool, found: Verdict) -> None:
    """Above and below are strict, no limit is above all, while firing a clearing value counts; unknown is no guess."""
    assert verdict(rule, value, firing=firing) is found


@given(ANY_VALUE, st.booleans(), st.sampled_from([FILLING, NO_CLEAR, BELOW, DIED, STATUS, ABSENT, RISING, GROWING]))
def test_no_value_makes_a_look_fail(value: FactValue, firing: bool, rule: Rule) -> None:
    """Whatever a probe brings, a rule finds something, with a sentence if anybody needs one; unknown is no verdict."""
    seen = saw(DISK, {rule.fact: value}, evidence={"exit_code": "{name}", "error": "%s {0} {"})
    finding = look(rule, seen, firing=firing)
    assert finding is not None
    assert bool(finding.summary) is (firing or finding.verdict is HOLDS)
    if isinstance(value, Unknown) and rule is not ABSENT:
        assert finding.verdict is NOT_KNOWN


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_hysteresis_lies_between_the_limits(limit: float, clear: float, value: float) -> None:
    """What fires at a value goes on at that value: with a sensible clearing value no look resolves what it fired."""
    rule = changed(FILLING, limit=limit, clear=min(limit, clear))
    if verdict(rule, value, firing=False) is HOLDS:
        assert verdict(rule, value, firing=True) is HOLDS


def test_a_number_that_is_none_is_unknown() -> None:
    """NaN compares with nothing: it neither fires nor resolves, and is shown as unknown."""
    for firing in (False, True):
        finding = look(FILLING, saw(DISK, {"used_ratio": math.nan}), firing=firing)
        assert finding is not None
        assert (finding.verdict, finding.value) == (NOT_KNOWN, Unknown("not a number"))


def test_a_fact_that_was_not_looked_at_says_nothing() -> None:
    """A rule is silent on an observation without its fact."""
    assert look(DIED, saw(SERVICE, {"paused": False}), firing=True) is None


@pytest.mark.parametrize(
    ("comparison", "value", "found"),
    [
        (Comparison.ABOVE, 400.0, Verdict.HOLDS),
        (Comparison.ABOVE, 10.0, Verdict.UNKNOWN),
        (Comparison.BELOW, 10.0, Verdict.UNKNOWN),
        (Comparison.BELOW, 400.0, Verdict.CLEAR),
    ],
)
def test_what_is_at_least_so_long_settles_only_what_it_is_enough_for(
    comparison: Comparison, value: float, found: Verdict
) -> None:
    """A time that began before anybody looked may be longer: too short a one ends no alert, and begins none."""
    rule = changed(FILLING, fact="stuck_seconds", comparison=comparison, limit=300.0, clear=None)
    seen = msgspec.structs.replace(saw(SERVICE, {"stuck_seconds": value}), unsettled=frozenset({rule.fact}))
    for firing in (False, True):
        finding = look(rule, seen, firing=firing)
        assert finding is not None
        assert finding.verdict is found


def test_a_removed_subject_is_gone_for_every_rule() -> None:
    """Removal speaks to each rule, whatever facts it asks for."""
    finding = look(DIED, gone(SERVICE), firing=True)
    assert finding is not None
    assert (finding.verdict, finding.summary) == (Verdict.GONE, "semstreams was removed")


def test_an_exit_code_that_nobody_saw_is_not_known() -> None:
    """Of an end that only its count of restarts tells of there is no exit code."""
    rule = changed(DIED, summary="{name} ended with exit code {exit_code}, and nobody had asked for it.")
    finding = look(rule, saw(SERVICE, {"died": True}), firing=False)
    assert finding is not None
    assert finding.summary == "semstreams ended with exit code not known, and nobody had asked for it."


def test_the_sentence_takes_facts_evidence_and_names() -> None:
    """Placeholders are filled from evidence, facts, the subject, the value and the limit, the later ones first."""
    rule = changed(DIED, summary="{subject} {name} {value} {limit} {exit_code} {state} {nothing} {Name} { } {{x}}")
    seen = saw(SERVICE, {"died": True, "exit_code": 3}, evidence={"exit_code": "4", "state": "exited", "name": "?"})
    finding = look(rule, seen, firing=False)
    assert finding is not None
    assert finding.summary == "service:semstreams semstreams yes equals yes 3 exited ? {Name} { } {?}"


@pytest.mark.parametrize(
    ("rule", "facts", "reason"),
    [
        (DIED, {"died": False}, "/: died is no."),
        (DOWN, {"reachable": True}, "/: reachable is yes."),
        (FILLING, {"used_ratio": 0.5}, "/: used is 50 %."),
        (STATUS, {"status": "healthy"}, "/: status is healthy."),
        (FILLING, {"used_ratio": UNKNOWN}, "/: used is unknown (nobody answers)."),
    ],
)
def test_what_does_not_hold_says_why(rule: Rule, facts: dict[str, FactValue], reason: str) -> None:
    """The reason for an end is what was measured, not the sentence that says the contrary."""
    finding = look(rule, saw(DISK, facts), firing=True)
    assert finding is not None
    assert finding.summary == reason


def test_what_is_not_well_ends_with_what_became_of_it() -> None:
    """The rule's own sentence for the end is said only of what is well again."""
    rule = changed(DIED, resolved="{name} runs again.", summary="{condition} It stays so.")
    calm = saw(SERVICE, {"died": False})
    removed = msgspec.structs.replace(calm, condition="semstreams was removed by somebody.")
    dead = msgspec.structs.replace(removed, facts={"died": True})
    left = msgspec.structs.replace(gone(SERVICE), condition="semstreams is no part of the stack any more")
    for seen, words in (
        (calm, "semstreams runs again."),
        (removed, "semstreams was removed by somebody."),
        (dead, "semstreams was removed by somebody. It stays so."),
        (left, "semstreams is no part of the stack any more"),
    ):
        finding = look(rule, seen, firing=True)
        assert finding is not None
        assert finding.summary == words


@pytest.mark.parametrize(
    ("fact", "value", "text"),
    [
        ("died", True, "yes"),
        ("died", False, "no"),
        ("used_ratio", 0.834, "83 %"),
        ("used_ratio", 1, "100 %"),
        ("free_bytes", 512 * 2**20, "512.0 MiB"),
        ("free_bytes", 3 * 2**29, "1.5 GiB"),
        ("latency_seconds", 0.0123456, "0.0123 s"),
        ("uptime_seconds", 59.9, "59.9 s"),
        ("uptime_seconds", 7500, "2 h 5 min"),
        ("stale_intervals", 6.0, "6"),
        ("stale_intervals", 2.5, "2.5"),
        ("restarts", 12, "12"),
        ("status", "degraded", "degraded"),
        ("used_ratio", UNKNOWN, "unknown (nobody answers)"),
    ],
)
def test_values_read_well(fact: str, value: FactValue, text: str) -> None:
    """The end of a fact's name says how its value is shown."""
    assert value_text(fact, value) == text


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (FILLING, "above 80 %"),
        (BELOW, "below 1000 %"),
        (DIED, "equals yes"),
        (ABSENT, "absent"),
        (RISING, "rate above 30/min over 1 min 40 s"),
        (GROWING, "full within 1 h over 1 min 40 s"),
    ],
)
def test_limits_read_well(rule: Rule, text: str) -> None:
    """The condition of a rule is shown in its own words."""
    assert limit_text(rule) == text


@pytest.mark.parametrize(
    ("rule", "value", "text"),
    [
        (FILLING, 0.5, "50 %"),
        (DIED, True, "yes"),
        (RISING, 0.5, "30/min"),
        (RISING, UNKNOWN, "unknown (nobody answers)"),
        (GROWING, 7200.0, "2 h"),
        (GROWING, math.inf, "not in sight"),
    ],
)
def test_what_is_compared_reads_well(rule: Rule, value: FactValue, text: str) -> None:
    """A course is shown as a rate or as a time ahead, anything else as the fact's value."""
    assert measured_text(rule, value) == text


def course(*values: float) -> Series:
    """Return a series of readings 10 s apart, the last one at the time of the test's observations."""
    series = Series(100.0)
    for number, value in enumerate(values):
        series.add(AT.monotonic - 10.0 * (len(values) - 1 - number), value)
    return series


def test_a_rate_is_measured_over_its_window() -> None:
    """The sentence may name the rate, the window and what the fact is now."""
    rule = changed(RISING, summary="{value} = {rate} over {over}, {errors_total} in all; {limit}")
    series, seen = course(*range(100, 201, 10)), saw(DISK, {"errors_total": 200})
    finding = look(rule, seen, firing=False, series=series)
    assert finding is not None
    assert finding.verdict is HOLDS
    assert finding.value == pytest.approx(1.0)
    assert finding.summary == "1/s = 1/s over 1 min 40 s, 200 in all; rate above 30/min over 1 min 40 s"
    clear = look(changed(RISING, limit=2.0, clear=2.0), seen, firing=True, series=series)
    assert clear is not None
    assert (clear.verdict, clear.summary) == (CLEAR, "/: errors rises by 1/s.")


def test_growth_is_held_against_the_time_ahead() -> None:
    """From 50 % by 1 % every 10 s it is full after 400 s, which is soon or not as the limit says."""
    rule = changed(GROWING, limit=500.0, clear=600.0, summary="full in {value}, {rate} over {over}")
    series, seen = course(*(0.5 + 0.01 * number for number in range(11))), saw(DISK, {"used_ratio": 0.6})
    soon = look(rule, seen, firing=False, series=series)
    assert soon is not None
    assert (soon.verdict, soon.summary) == (HOLDS, "full in 6 min 40 s, 6 %/min over 1 min 40 s")
    later = look(changed(rule, limit=300.0, clear=350.0), seen, firing=True, series=series)
    assert later is not None
    assert (later.verdict, later.summary) == (CLEAR, "/: time until it is full at its present growth: 6 min 40 s.")


def test_too_short_a_course_is_unknown() -> None:
    """It neither fires nor resolves, and an unknown fact says why it is."""
    for rule in (RISING, GROWING):
        for series in (None, course(0.1, 0.2)):
            finding = look(rule, saw(DISK, {rule.fact: 0.2}), firing=True, series=series)
            assert finding is not None
            assert (finding.verdict, finding.value) == (NOT_KNOWN, TOO_EARLY)
        unseen = look(rule, saw(DISK, {rule.fact: UNKNOWN}), firing=False, series=course(*range(11)))
        assert unseen is not None
        assert (unseen.verdict, unseen.value) == (NOT_KNOWN, UNKNOWN)


@pytest.mark.parametrize(
    ("patterns", "name", "concerned"),
    [((), "nats", True), (("nats",), "nats", True), (("sem*", "nat?"), "nats", True), (("NATS", "n"), "nats", False)],
)
def test_patterns_choose_subjects(patterns: tuple[str, ...], name: str, concerned: bool) -> None:
    """A rule is about all subjects of its kind, or about those that a shell pattern matches, in their own case."""
    rule = changed(DIED, subjects=patterns)
    assert rule.concerns(Subject(SubjectKind.SERVICE, name)) is concerned
    assert not rule.concerns(Subject(SubjectKind.NATS, name))
