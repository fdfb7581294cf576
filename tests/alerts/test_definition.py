"""One rule and its table."""

from __future__ import annotations

from typing import Any

import pytest

from semsupervisor.alerts.definition import ANY_COMPARISON, define, faults, merged, missing, narrow_windows
from semsupervisor.alerts.rules import Comparison, Severity
from semsupervisor.health.observation import SubjectKind
from semsupervisor.settings.forms import Duration
from semsupervisor.settings.model import RuleSettings

HOUR = Duration(3600)
WHOLE = RuleSettings(
    kind="service",
    fact="memory_used_bytes",
    above="2GiB",
    clear="1GiB",
    for_seconds=Duration(60),
    clear_for_seconds=Duration(5),
    severity="warning",
    title="Big",
    summary="{name} is big",
    subjects=("nats*",),
    diagnosis="see {directory}",
    fix=("cd {directory} && docker compose -p {project} ps {name}",),
    cause=True,
    consequence=True,
    inhibits=("memory_high",),
    enabled=False,
)


def table(**given: Any) -> RuleSettings:
    """Return the table of a whole rule about a service without a comparison, with what is given."""
    return RuleSettings(**{"kind": "service", "severity": "info", "title": "t", "summary": "s", **given})


def test_a_whole_table_is_a_rule() -> None:
    """Every key arrives, sizes as bytes, and places are filled in; the subject's name is left to the message."""
    rule = define("big", WHOLE, {"directory": "/srv/x", "project": "x"})
    assert faults("big", WHOLE) == ()
    assert missing(WHOLE) == ()
    assert (rule.name, rule.kind, rule.fact) == ("big", SubjectKind.SERVICE, "memory_used_bytes")
    assert (rule.comparison, rule.limit, rule.clear) == (Comparison.ABOVE, 2.0 * 2**30, 2.0**30)
    assert (rule.for_seconds, rule.clear_for_seconds) == (60, 5)
    assert (rule.severity, rule.title, rule.summary) == (Severity.WARNING, "Big", "{name} is big")
    assert rule.subjects == ("nats*",)
    assert rule.diagnosis == "see /srv/x"
    assert rule.fix == ("cd /srv/x && docker compose -p x ps {name}",)
    assert (rule.cause, rule.consequence, rule.inhibits, rule.enabled) == (True, True, ("memory_high",), False)


def test_what_may_be_left_out_has_a_default() -> None:
    """A rule needs six keys; it is switched on, fires at once and mutes nothing."""
    rule = define("x", table(fact="state", equals="exited"), {})
    assert (rule.limit, rule.clear, rule.for_seconds, rule.clear_for_seconds) == ("exited", None, 0, 0)
    assert (rule.cause, rule.consequence, rule.inhibits, rule.fix, rule.subjects) == (False, False, (), (), ())
    assert rule.enabled


def test_a_limit_on_a_course_is_in_its_own_unit() -> None:
    """A rate is per second, a time ahead in seconds, and a forecast clears only well beyond its limit."""
    rate = define("x", table(fact="restarts", rate_above="30/m", clear="6/m", over_seconds=HOUR), {})
    ahead = define("x", table(fact="memory_used_ratio", full_within=HOUR, over_seconds=Duration(60)), {})
    chosen = define("x", table(fact="memory_used_ratio", full_within=HOUR, over_seconds=HOUR, clear="3h"), {})
    assert (rate.comparison, rate.limit, rate.clear) == (Comparison.RATE_ABOVE, 0.5, 0.1)
    assert (ahead.comparison, ahead.limit, ahead.clear) == (Comparison.FULL_WITHIN, 3600.0, 5400.0)
    assert (rate.over_seconds, ahead.over_seconds, chosen.clear) == (3600.0, 60.0, 10800.0)


def test_what_is_missing_is_named() -> None:
    """All six parts of an empty table, none of a whole one."""
    assert missing(RuleSettings()) == ("kind", "fact", "severity", "title", "summary", ANY_COMPARISON)
    assert missing(table(fact="died", absent=True)) == ()
    assert missing(table(fact="restarts", rate_above=1.0)) == ("over",)
    assert missing(table(fact="memory_used_ratio", full_within=HOUR)) == ("over",)
    assert missing(table(fact="restarts", rate_above=1.0, over_seconds=HOUR)) == ()


def test_nothing_is_said_of_what_is_missing() -> None:
    """A table without kind or fact has no other fault: what it lacks is told by name."""
    assert faults("x", RuleSettings()) == ()
    assert faults("x", table(above=5.0)) == ()


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ({"kind": "servce", "fact": "died", "equals": True}, ["kind"]),
        ({"kind": "host", "fact": "died", "equals": True}, ["fact"]),
        ({"fact": "dead", "equals": True}, ["fact"]),
        ({"fact": "memory_used_ratio", "above": 80.0}, ["above"]),
        ({"fact": "memory_used_ratio", "above": -0.1}, ["above"]),
        ({"fact": "memory_used_ratio", "above": "80%"}, ["above"]),
        ({"fact": "memory_used_ratio", "above": 0.8, "clear": 0.81}, ["clear"]),
        ({"fact": "memory_used_ratio", "below": 0.8, "clear": 0.79}, ["clear"]),
        ({"fact": "memory_used_ratio", "above": 0.8, "clear": 80.0}, ["clear"]),
        ({"fact": "memory_used_ratio", "above": 80.0, "clear": 0.7}, ["above"]),
        ({"fact": "memory_used_ratio", "above": 0.8, "below": 0.1}, ["below"]),
        ({"fact": "memory_used_ratio", "above": 0.8, "equals": 7, "absent": True}, ["equals"]),
        ({"fact": "memory_used_bytes", "above": "2GB"}, ["above"]),
        ({"fact": "memory_used_bytes", "above": "2m"}, ["above"]),
        ({"fact": "memory_used_bytes", "above": "1GiB", "clear": "2GiB"}, ["clear"]),
        ({"fact": "restarts", "above": "2m"}, ["above"]),
        ({"kind": "semstreams", "fact": "latency_seconds", "above": "1GiB"}, ["above"]),
        ({"fact": "restarts", "equals": "2"}, ["equals"]),
        ({"fact": "restarts", "equals": True}, ["equals"]),
        ({"fact": "died", "above": 0.0}, ["above"]),
        ({"fact": "state", "below": 1.0}, ["below"]),
        ({"fact": "died", "equals": "true"}, ["equals"]),
        ({"fact": "died", "equals": 1}, ["equals"]),
        ({"fact": "state", "equals": "exitd"}, ["equals"]),
        ({"fact": "image", "equals": True}, ["equals"]),
        ({"fact": "died", "equals": True, "clear": 0.5}, ["clear"]),
        ({"fact": "died", "absent": True, "clear": 0.5}, ["clear"]),
        ({"fact": "restarts", "rate_above": "5", "over_seconds": HOUR}, ["rate_above"]),
        ({"fact": "restarts", "rate_above": "5/week", "over_seconds": HOUR}, ["rate_above"]),
        ({"fact": "restarts", "rate_above": -1.0, "over_seconds": HOUR}, ["rate_above"]),
        ({"fact": "restarts", "rate_above": 1.0, "clear": "2/s", "over_seconds": HOUR}, ["clear"]),
        ({"fact": "died", "rate_above": 1.0, "over_seconds": HOUR}, ["rate_above"]),
        ({"fact": "died", "full_within": HOUR, "over_seconds": HOUR}, ["full_within"]),
        ({"fact": "memory_used_bytes", "full_within": HOUR, "over_seconds": HOUR}, ["full_within"]),
        ({"fact": "memory_used_ratio", "full_within": HOUR, "over_seconds": HOUR, "clear": "30m"}, ["clear"]),
        ({"fact": "memory_used_ratio", "full_within": HOUR, "over_seconds": HOUR, "clear": "x"}, ["clear"]),
        ({"fact": "memory_used_ratio", "above": 0.8, "over_seconds": HOUR}, ["over"]),
        ({"fact": "died", "equals": True, "over_seconds": HOUR}, ["over"]),
        ({"fact": "restarts", "rate_above": "x", "full_within": HOUR}, ["full_within", "rate_above", "full_within"]),
    ],
)
def test_an_impossible_rule_is_refused(given: dict[str, Any], keys: list[str]) -> None:
    """Limits that no value of the fact can meet, and clearing values on the wrong side, are told under their key."""
    assert [problem.key for problem in faults("x", table(**given))] == [f"rules.x.{key}" for key in keys]


@pytest.mark.parametrize(
    "given",
    [
        {"fact": "memory_used_ratio", "above": 1.0, "clear": 1.0},
        {"fact": "memory_used_ratio", "below": 0.2, "clear": 0.3},
        {"fact": "restarts", "equals": 3},
        {"fact": "image", "equals": "nats:2.14"},
        {"kind": "semstreams", "fact": "latency_seconds", "above": "500ms"},
        {"kind": "filesystem", "fact": "free_bytes", "below": "1GiB", "clear": 2e9},
        {"kind": "nats", "fact": "version", "absent": True},
        {"fact": "restarts", "rate_above": 0.0, "over_seconds": HOUR},
        {"fact": "restarts", "rate_above": "5/h", "clear": "1/d", "over_seconds": HOUR},
        {"fact": "memory_used_bytes", "rate_above": "10MiB/m", "clear": 5.0, "over_seconds": HOUR},
        {"fact": "memory_used_ratio", "full_within": HOUR, "over_seconds": HOUR, "clear": "90m"},
    ],
)
def test_a_possible_rule_is_taken(given: dict[str, Any]) -> None:
    """Every comparison has values that it is good for."""
    assert faults("x", table(**given)) == ()


@pytest.mark.parametrize(
    ("given", "interval_seconds", "found"),
    [
        ({"fact": "restarts", "rate_above": 1.0, "over_seconds": Duration(50)}, 10.0, []),
        ({"fact": "restarts", "rate_above": 1.0, "over_seconds": Duration(49)}, 10.0, ['"50s" or longer, 5 times']),
        ({"fact": "used_ratio", "full_within": HOUR, "over_seconds": Duration(99)}, 10.0, ['"1m40s" or longer']),
        ({"fact": "used_ratio", "full_within": HOUR, "over_seconds": Duration(10)}, 1.0, []),
        ({"fact": "restarts", "rate_above": 1.0, "over_seconds": Duration(10)}, 0.0, []),
        ({"fact": "restarts", "above": 1.0}, 60.0, []),
    ],
)
def test_a_window_holds_some_looks(given: dict[str, Any], interval_seconds: float, found: list[str]) -> None:
    """With looks too far apart for its window a rule would be silent for ever."""
    wrong = narrow_windows("x", table(**given), interval_seconds)
    assert [problem.key for problem in wrong] == ["rules.x.over"] * len(found)
    assert all(words in problem.allowed for words, problem in zip(found, wrong, strict=True))


def test_a_mistyped_name_is_told_with_the_near_one() -> None:
    """Kinds and facts are guessed."""
    (kind,) = faults("x", table(kind="servce", fact="died", equals=True))
    (fact,) = faults("x", table(fact="memory_usd_ratio", above=0.5))
    assert "did you mean service?" in kind.found
    assert "memory_used_ratio" in fact.found


SHIPPED = table(fact="memory_used_ratio", above=0.8, clear=0.75)


def test_a_change_keeps_what_it_does_not_name() -> None:
    """Only the given keys change; false is given, None is not."""
    changed = merged(SHIPPED, RuleSettings(severity="critical", enabled=False))
    assert (changed.severity, changed.enabled, changed.above, changed.title) == ("critical", False, 0.8, "t")


@pytest.mark.parametrize(
    ("change", "clear"),
    [
        (RuleSettings(above=0.4), 0.375),
        (RuleSettings(above=0.4, clear=0.1), 0.1),
        (RuleSettings(clear=0.7), 0.7),
        (RuleSettings(severity="info"), 0.75),
        (RuleSettings(above=80.0), None),
        (RuleSettings(above=0.0), 0.0),
    ],
)
def test_the_clearing_value_moves_with_the_limit(change: RuleSettings, clear: float | None) -> None:
    """In proportion, unless it is given; beside a refused limit it is not held against the operator."""
    assert merged(SHIPPED, change).clear == clear


@pytest.mark.parametrize(
    ("shipped", "change", "clear"),
    [
        (table(fact="restarts", rate_above="30/m", clear="6/m", over_seconds=HOUR), {"rate_above": "1/s"}, 0.2),
        (table(fact="restarts", rate_above=1.0, clear=0.5, over_seconds=HOUR), {"over_seconds": Duration(60)}, 0.5),
        (table(fact="memory_used_ratio", full_within=HOUR, over_seconds=HOUR), {"full_within": Duration(60)}, None),
        (
            table(fact="memory_used_ratio", full_within=HOUR, clear="3h", over_seconds=HOUR),
            {"full_within": Duration(60)},
            180.0,
        ),
        (table(fact="memory_used_ratio", below=0.2, clear=0.4), {"below": 0.1}, 0.2),
        (table(fact="memory_used_ratio", below=0.2, clear=0.4), {"below": 0.8}, None),
    ],
)
def test_the_clearing_value_of_any_comparison_moves(
    shipped: RuleSettings, change: dict[str, Any], clear: float | None
) -> None:
    """A rate's, a forecast's and a lower limit's likewise; where it would be none, the limit itself counts."""
    changed = merged(shipped, RuleSettings(**change))
    assert changed.clear == clear
    assert faults("x", changed) == ()
