"""The shipped rules, the operator's changes and the operator's own rules."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from semsupervisor.alerts import ruleset
from semsupervisor.alerts.definition import LEAST_LOOKS
from semsupervisor.alerts.facts import FACTS
from semsupervisor.alerts.rules import Comparison, Finding, Origin, Rule, Severity, Verdict, look
from semsupervisor.errors import SettingsError
from semsupervisor.health.observation import Observation, Subject, SubjectKind, Unknown
from semsupervisor.health.series import Series
from semsupervisor.settings.forms import Duration
from semsupervisor.settings.model import RuleSettings, Settings, StackSettings, StateSettings
from tests.support.clock import ManualClock

EXPECTED = [
    "engine_unreachable",
    "engine_forbidden",
    "container_died",
    "container_not_started",
    "container_undecided",
    "container_stopped",
    "container_paused",
    "container_missing",
    "container_unhealthy",
    "container_restarting",
    "container_oom_killed",
    "memory_high",
    "memory_critical",
    "cpu_high",
    "host_memory_low",
    "host_memory_exhausted",
    "host_memory_pressure",
    "host_unresponsive",
    "host_swapping",
    "host_disk_stalled",
    "host_cpu_high",
    "host_load_high",
    "host_hot",
    "host_overheating",
    "clock_not_synchronised",
    "clock_jumped",
    "filesystem_filling",
    "filesystem_full",
    "filesystem_full_soon",
    "inodes_filling",
    "inodes_full",
    "filesystem_read_only",
    "semstreams_unreachable",
    "semstreams_unhealthy",
    "semstreams_health_failing",
    "semstreams_status_strange",
    "semstreams_degraded",
    "semstreams_health_not_offered",
    "semstreams_nats_disconnected",
    "semstreams_nats_disconnected_by_metrics",
    "nats_unreachable_inside",
    "semstreams_flows_missing",
    "semstreams_flows_stopped",
    "semstreams_flows_slow",
    "semstreams_failing",
    "semstreams_failing_mostly",
    "semstreams_backlog_growing",
    "semstreams_idle",
    "semstreams_log_errors",
    "semstreams_service_failed",
    "semstreams_storage_pressed",
    "semstreams_storage_critical",
    "semstreams_storage_report_old",
    "semstreams_metrics_gone",
    "semstreams_restarted",
    "nats_unreachable",
    "nats_unhealthy",
    "nats_full_check_failed",
    "nats_client_not_let_in",
    "nats_expected_client_missing",
    "nats_restarted",
    "nats_connections_high",
    "nats_connections_full",
    "nats_connections_unstable",
    "nats_slow_consumers",
    "jetstream_disabled",
    "jetstream_storage_filling",
    "jetstream_storage_full",
    "jetstream_storage_full_soon",
    "jetstream_memory_filling",
    "jetstream_memory_full",
    "jetstream_memory_full_soon",
    "jetstream_account_storage_full",
    "jetstream_account_memory_full",
    "jetstream_api_errors",
    "stream_refuses_writes",
    "stream_nearly_full",
    "stream_at_ceiling",
    "stream_lost_messages",
    "stream_went_back",
    "consumer_stuck",
    "consumer_backlog_growing",
    "consumer_ack_pending_high",
    "consumer_redelivering",
    "certificate_expiring",
    "certificate_expired_soon",
    "certificate_wrong_name",
    "certificate_untrusted",
    "certificate_unreachable",
    "check_critical",
    "check_warning",
    "backup_overdue",
    "backup_incomplete",
    "backup_suspicious",
    "backup_damaged",
    "backup_no_room",
    "job_stuck",
    "job_failed",
    "observation_stale",
    "supervisor_loops_failing",
    "supervisor_store_not_writable",
    "supervisor_store_set_aside",
    "supervisor_store_removed",
    "supervisor_settings_refused",
    "receiver_dead_letters",
    "receiver_failing",
    "receiver_resting",
]

# What a host of this kind says when nothing is wrong: all bounds are those of a small host that is well.
HEALTHY: dict[SubjectKind, dict[str, Any]] = {
    SubjectKind.HOST: {
        "memory_available_ratio": 0.15,
        "swap_used_ratio": 1.0,
        "swap_read_bytes_total": 2**30,
        "cpu_used_ratio": 0.75,
        "load_per_processor": 2.5,
        "pressure_cpu_ratio": 0.9,
        "pressure_memory_ratio": 0.2,
        "pressure_memory_full_ratio": 0.04,
        "pressure_io_ratio": 0.9,
        "pressure_io_full_ratio": 0.7,
        "temperature_margin_celsius": 20.0,
        "clock_synchronised": True,
        "clock_jump_seconds": 20.0,
    },
    SubjectKind.ENGINE: {"reachable": True, "allowed": True, "version": "20.10.24"},
    SubjectKind.SERVICE: {
        "state": "running",
        "died": False,
        "undecided": False,
        "start_failed": False,
        "stopped_on_request": False,
        "paused": False,
        "missing": False,
        "unhealthy": False,
        "oom_killed": False,
        "deaths_recent": 0,
        "restarting": False,
        "exit_code": 0,
        "restarts": 3,
        "memory_used_ratio": 0.8,
        "cpu_used_ratio": 0.75,
        "cpu_throttled_ratio": 0.9,
    },
    SubjectKind.FILESYSTEM: {
        "used_ratio": 0.8,
        "inodes_used_ratio": 0.3,
        "free_bytes": 2**31,
        "read_only_unexpected": False,
    },
    SubjectKind.SEMSTREAMS: {
        "reachable": True,
        "status": "healthy",
        "offered": True,
        "health_failing": False,
        "status_understood": True,
        "nats_connected": True,
        "nats_connected_by_metrics": True,
        "flows_stopped": False,
        "nats_reachable_inside": True,
        "flows_missing": 0,
        "flows_slow": 0,
        "error_ratio": 0.09,
        "messages_pending": 90_000,
        "messages_idle_seconds": 800.0,
        "log_errors_total": 4000,
        "services_failed": 0,
        "storage_pressure": 1,
        "storage_report_age_seconds": 3000.0,
        "metrics_offered": True,
        "restarted": False,
    },
    SubjectKind.NATS: {
        "reachable": True,
        "healthy": True,
        "full_check_passed": True,
        "client_connected": True,
        "expected_clients_missing": 0,
        "restarted": False,
        "reconnections_total": 1000,
        "connections_used_ratio": 0.7,
        "slow_consumers_total": 12,
        "jetstream_enabled": True,
        "jetstream_storage_fill_ratio": 0.79,
        "jetstream_memory_fill_ratio": 0.79,
        "jetstream_account_storage_fill_ratio": 0.89,
        "jetstream_account_memory_fill_ratio": 0.89,
        "jetstream_api_error_ratio": 0.05,
    },
    SubjectKind.STREAM: {
        "refuses_writes": False,
        "refusal_ratio": 0.9,
        "at_ceiling": False,
        "damage_told": False,
        "went_back": False,
    },
    SubjectKind.CONSUMER: {
        "stuck_seconds": 200.0,
        "pending": 90_000,
        "ack_pending_ratio": 0.9,
        "redelivering_seconds": 300.0,
    },
    SubjectKind.CERTIFICATE: {
        "reachable": True,
        "reserve_ratio": 0.36,
        "name_valid": True,
        "chain_valid": True,
    },
    SubjectKind.CHECK: {"state": "ok"},
    SubjectKind.BACKUP: {
        "good_age_seconds": 90_000.0,
        "last_complete": True,
        "last_suspicions": 0,
        "damaged_snapshots": 0,
        "room_left_bytes": 2**30,
    },
    SubjectKind.PROBE: {"stale_intervals": 2.5},
    SubjectKind.SUPERVISOR: {
        "failing_loops": 0,
        "loop_lag_seconds": 0.2,
        "writable": True,
        "set_aside": False,
        "removed": False,
        "refused": False,
        "stuck_jobs": 0,
        "failed_jobs": 0,
    },
    SubjectKind.RECEIVER: {"dead_letters": 0, "oldest_waiting_seconds": 0.0, "failing": False, "resting": False},
}

LONGEST_INTERVAL_SECONDS = 60.0

# The programs that a step may begin with, and the supervisor's own commands of this version.
PROGRAMS = {
    "cd",
    "docker",
    "df",
    "du",
    "findmnt",
    "free",
    "ls",
    "journalctl",
    "ps",
    "systemctl",
    "semsupervisor",
    "timedatectl",
}
COMMANDS = {"run", "check", "status", "facts", "alerts", "timeline", "outbox", "settings", "backup", "jobs"}


def by_name(rules: tuple[Rule, ...] | None = None) -> dict[str, Rule]:
    """Return rules by their name, the shipped ones by default."""
    return {rule.name: rule for rule in (ruleset.defaults() if rules is None else rules)}


def problems(overrides: dict[str, RuleSettings], refused: tuple[str, ...] = ()) -> list[str]:
    """Return the key paths of what is wrong with overrides."""
    return [problem.key for problem in ruleset.build_collecting(overrides, refused=refused)[1]]


def own(**given: Any) -> RuleSettings:
    """Return a whole rule of an operator, with what is given."""
    whole = {"kind": "service", "fact": "died", "severity": "info", "title": "t", "summary": "s"}
    return RuleSettings(**{"equals": True, **whole, **given})


def finding(rule: Rule, facts: dict[str, Any], evidence: dict[str, str] | None = None) -> Finding | None:
    """Return what a rule finds in facts about a subject of its kind that have been as they are for long."""
    subject, clock = Subject(rule.kind, "x"), ManualClock()
    observation = Observation("test", subject, clock.instant(), facts, evidence or {})
    return look(rule, observation, firing=False, series=unchanged(rule, facts, clock.monotonic()))


def unchanged(rule: Rule, facts: dict[str, Any], now: float) -> Series | None:
    """Return the course of a fact that stands still, for a rule that looks at a course."""
    if not rule.over_seconds:
        return None
    series = Series(rule.over_seconds)
    for number in range(-20, 1):
        series.add(now + number * rule.over_seconds / 20, facts[rule.fact])
    return series


def compared(rule: Rule) -> tuple[object, ...]:
    """Return how and against what a rule compares, and how bad it is."""
    return rule.comparison, rule.limit, rule.severity


def test_a_host_that_hardly_responds_is_spared_more_work() -> None:
    """Nothing is started again on it: what starts needs memory that is not there."""
    (rule,) = [one for one in ruleset.defaults() if one.name == "host_unresponsive"]
    assert [step for step in rule.fix if "restart" in step or "up " in step] == []


def test_the_shipped_rules_are_all_there() -> None:
    """The list is the promise to operators: a name that goes or comes is a change for them."""
    assert [rule.name for rule in ruleset.defaults()] == EXPECTED


def test_the_limits_are_the_runbooks() -> None:
    """Memory and disks warn above 80 % and are critical above 90 %."""
    rules = by_name()
    for low, high in (
        ("memory_high", "memory_critical"),
        ("filesystem_filling", "filesystem_full"),
        ("inodes_filling", "inodes_full"),
        ("jetstream_memory_filling", "jetstream_memory_full"),
        ("jetstream_storage_filling", "jetstream_storage_full"),
    ):
        assert compared(rules[low]) == (Comparison.ABOVE, 0.8, Severity.WARNING)
        assert compared(rules[high]) == (Comparison.ABOVE, 0.9, Severity.CRITICAL)
        assert low in rules[high].inhibits


def test_a_connection_that_the_metrics_alone_call_down_is_told() -> None:
    """Where /health says nothing of NATS; where it does its own rule says it, and without the metric nothing is."""
    told, rules = "semstreams_nats_disconnected_by_metrics", by_name()
    healthy = {**HEALTHY[SubjectKind.SEMSTREAMS], "nats_connected": Unknown("not said")}
    assert [
        name
        for name, rule in rules.items()
        if rule.kind is SubjectKind.SEMSTREAMS
        and (found := finding(rule, {**healthy, "nats_connected_by_metrics": False})) is not None
        and found.verdict is Verdict.HOLDS
    ] == [told]
    assert told in rules["semstreams_nats_disconnected"].inhibits
    assert rules["semstreams_nats_disconnected"].for_seconds < rules[told].for_seconds
    assert finding(rules[told], {"reachable": True, "status": "healthy"}) is None


def test_no_rule_holds_on_a_healthy_host() -> None:
    """With every fact as it is when nothing is wrong no rule so much as begins to count."""
    assert set(HEALTHY) == {kind for kind, facts in FACTS.items() if facts}
    found = {rule.name: finding(rule, HEALTHY[rule.kind]) for rule in ruleset.defaults()}
    assert {name for name, one in found.items() if one is None or one.verdict is not Verdict.CLEAR} == set()


def test_what_may_be_over_in_a_moment_is_waited_for() -> None:
    """Only what is certain when it is seen fires at once: Docker's word on a container, a counter's, our own."""
    at_once = {rule.name for rule in ruleset.defaults() if rule.for_seconds == 0}
    assert at_once == {
        "backup_incomplete",
        "backup_suspicious",
        "backup_damaged",
        "job_stuck",
        "job_failed",
        "clock_jumped",
        "nats_restarted",
        "check_critical",
        "check_warning",
        "semstreams_idle",
        "semstreams_storage_report_old",
        "semstreams_restarted",
        "nats_slow_consumers",
        "stream_lost_messages",
        "stream_went_back",
        "consumer_stuck",
        "container_died",
        "container_not_started",
        "container_stopped",
        "container_paused",
        "container_unhealthy",
        "container_restarting",
        "container_oom_killed",
        "observation_stale",
        "supervisor_store_not_writable",
        "supervisor_store_set_aside",
        "supervisor_store_removed",
        "supervisor_settings_refused",
        "receiver_dead_letters",
        "receiver_resting",
    }


def test_causes_and_consequences() -> None:
    """What ends a container, the engine or NATS explains what follows; the supervisor's own troubles do not."""
    rules = by_name()
    causes = {name for name, rule in rules.items() if rule.cause}
    assert causes == {
        "engine_unreachable",
        "engine_forbidden",
        "observation_stale",
        "container_died",
        "container_not_started",
        "container_undecided",
        "container_stopped",
        "container_paused",
        "container_missing",
        "container_restarting",
        "semstreams_unreachable",
        "semstreams_unhealthy",
        "semstreams_health_failing",
        "semstreams_health_not_offered",
        "nats_unreachable",
        "jetstream_disabled",
    }
    told = {name for name, rule in rules.items() if not rule.consequence}
    assert {name for name in told if name.startswith("semstreams_")} == {"semstreams_restarted"}
    assert "container_died" in rules["container_restarting"].inhibits
    assert "container_died" in rules["container_oom_killed"].inhibits
    assert rules["container_oom_killed"].clear_for_seconds == 300


def test_every_step_can_be_typed() -> None:
    """Each step begins with a program of every such host, and names only commands that the supervisor has."""
    for rule in ruleset.defaults():
        assert rule.fix, rule.name
        for step in rule.fix:
            words = step.split()
            assert words[0] in PROGRAMS, step
            if words[0] == "semsupervisor":
                assert words[1] in COMMANDS, step
            assert set(re.findall(r"\{([a-z_]+)\}", step)) <= {"name"}, step
            assert "prune --volumes" not in step, step


def test_every_summary_can_be_filled() -> None:
    """Placeholders are facts of the rule's kind, or words that its observations carry as evidence."""
    evidence = {"error", "unhealthy_parts", "body", "strange", "loops", "direction", "moved_to", "path"}
    evidence |= {"slow_flows", "names", "wanted_name", "issuer", "chain_problem", "said"}
    evidence |= {
        "effect",
        "lost",
        "still",
        "why",
        "full_check",
        "memory_account",
        "storage_account",
        "client_error",
        "missing_clients",
    }
    evidence |= {"waiting", "snapshot", "newest_good", "left_out", "suspicions", "damage", "jobs", "failed"}
    evidence |= {"fall"}
    for rule in ruleset.defaults():
        names = set(re.findall(r"\{(\w+)\}", rule.summary))
        course = {"rate", "over"} if rule.over_seconds else set()
        assert names <= {"name", "value", "limit", "condition", "remedy", *course, *FACTS[rule.kind], *evidence}, (
            rule.name
        )


def test_steps_name_the_stack_as_it_is() -> None:
    """Folder and project are those of the settings, quoted for a shell."""
    settings = Settings(
        stack=StackSettings(directory="/srv/my edge", project="edge"), state=StateSettings(directory="/data/state")
    )
    rules = by_name(ruleset.build({}, ruleset.words(settings)))
    assert "cd '/srv/my edge' && docker compose -p edge up -d {name}" in rules["container_died"].fix
    assert "ls -la /data/state" in rules["supervisor_store_not_writable"].fix
    assert ruleset.words(Settings())["project"] == "semstreams"


def test_where_a_damaged_state_went_and_how_to_send_again_is_said() -> None:
    """The alert names the copy, and the steps for messages given up name the command that sends them again."""
    rules = by_name()
    assert "{moved_to}" in rules["supervisor_store_set_aside"].summary
    assert {"semsupervisor outbox", "semsupervisor outbox retry NUMBER"} <= set(rules["receiver_dead_letters"].fix)


def test_a_shipped_rule_is_changed_in_part() -> None:
    """The keys that are not given stay, and all other rules as well."""
    changed = by_name(ruleset.build({"memory_high": RuleSettings(above=0.6, for_seconds=Duration(5))}))
    rule, shipped = changed["memory_high"], by_name()["memory_high"]
    assert (rule.limit, rule.clear, rule.for_seconds) == (0.6, 0.5625, 5)
    assert (rule.title, rule.severity) == (shipped.title, shipped.severity)
    assert {name: one for name, one in changed.items() if name != "memory_high"} == {
        name: one for name, one in by_name().items() if name != "memory_high"
    }


def test_a_disk_that_is_full_within_a_day_is_a_warning() -> None:
    """Measured over six hours and told with the growth; it ends well beyond the limit, and its parts may be changed."""
    rule = by_name()["filesystem_full_soon"]
    assert compared(rule) == (Comparison.FULL_WITHIN, 86400.0, Severity.WARNING)
    assert (rule.over_seconds, rule.clear) == (6 * 3600.0, 1.5 * 86400.0)
    series, facts = Series(rule.over_seconds), {"used_ratio": 0.62, "free_bytes": 38 * 2**30, "size_bytes": 100 * 2**30}
    clock = ManualClock(monotonic=50_000.0)
    for number in range(121):
        series.add(clock.monotonic() - (120 - number) * 180.0, 0.5 + number * 0.001)
    seen = Observation("test", Subject(rule.kind, "/srv"), clock.instant(), facts)
    found = look(rule, seen, firing=False, series=series)
    assert found is not None
    assert found.summary == (
        "/srv is full in 19 h if it goes on as in the last 6 h: it grows by 2 %/h, 38.0 GiB of 100.0 GiB are free."
    )


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"full_within": Duration(7200)}, (7200.0, 10800.0, 21600.0, 600.0)),
        ({"full_within": Duration(7200), "clear": "4h"}, (7200.0, 14400.0, 21600.0, 600.0)),
        ({"over_seconds": Duration(3600)}, (86400.0, 129600.0, 3600.0, 600.0)),
        ({"for_seconds": Duration(5)}, (86400.0, 129600.0, 21600.0, 5.0)),
    ],
)
def test_the_parts_of_a_forecast_are_changed_one_by_one(change: dict[str, Any], found: tuple[float, ...]) -> None:
    """What is not given stays; the clearing time follows the limit unless it is given."""
    rule = by_name(ruleset.build({"filesystem_full_soon": RuleSettings(**change)}))["filesystem_full_soon"]
    assert (rule.limit, rule.clear, rule.over_seconds, rule.for_seconds) == found


def test_an_own_rule_may_look_at_the_course_of_a_fact() -> None:
    """With its window; without one it is told to be unfinished, as with every other part that it lacks."""
    rates = own(fact="restarts", equals=None, rate_above="3/h", over_seconds=Duration(3600))
    rule = by_name(ruleset.build({"mine": rates}))["mine"]
    assert (rule.comparison, rule.limit, rule.over_seconds) == (Comparison.RATE_ABOVE, 3 / 3600, 3600.0)
    with pytest.raises(SettingsError) as caught:
        ruleset.build({"mine": own(fact="restarts", equals=None, rate_above="3/h")})
    (problem,) = caught.value.problems
    assert "rate_above or full_within" in problem
    assert problem.endswith("this one lacks over")


def test_a_shipped_rule_may_be_repeated_whole() -> None:
    """Naming kind and fact as they are shipped changes nothing."""
    same = RuleSettings(kind="service", fact="memory_used_ratio", above=0.8, clear=0.75)
    assert by_name(ruleset.build({"memory_high": same}))["memory_high"] == by_name()["memory_high"]


OTHER_LIMITS: dict[Comparison, dict[str, Any]] = {
    Comparison.ABOVE: {"above": 0.53},
    Comparison.BELOW: {"below": 0.013},
    Comparison.RATE_ABOVE: {"rate_above": "7/h"},
    Comparison.FULL_WITHIN: {"full_within": Duration(7200)},
}


@pytest.mark.parametrize("name", [rule.name for rule in ruleset.defaults()])
def test_every_shipped_rule_is_changed_part_by_part(name: str) -> None:
    """Severity, time, window and limit each by itself: nothing else moves but what is measured from the limit."""
    shipped = by_name()[name]
    changes: list[tuple[dict[str, Any], set[str]]] = [
        ({"severity": "info" if shipped.severity is not Severity.INFO else "critical"}, {"severity"}),
        ({"for_seconds": Duration(77)}, {"for_seconds"}),
        ({"clear_for_seconds": Duration(78)}, {"clear_for_seconds"}),
        ({"enabled": not shipped.enabled}, {"enabled"}),
    ]
    changes += [({"over_seconds": Duration(7000)}, {"over_seconds"})] if shipped.over_seconds else []
    changes += [(OTHER_LIMITS[shipped.comparison], {"limit"})] if shipped.comparison in OTHER_LIMITS else []
    for change, moved in changes:
        rule = by_name(ruleset.build({name: RuleSettings(**change)}))[name]
        differs = {field for field in rule.__struct_fields__ if getattr(rule, field) != getattr(shipped, field)}
        assert moved <= differs <= {*moved, "origin", *({"clear"} if "limit" in moved else ())}
        assert rule.origin is Origin.CHANGED


def test_a_window_must_hold_some_of_the_looks() -> None:
    """The operator's windows are held against the interval of the checks, with all other problems."""
    overrides = {"filesystem_full_soon": RuleSettings(over_seconds=Duration(60)), "mine": own(equals="yes")}
    _, wrong = ruleset.build_collecting(overrides, interval_seconds=10.0)
    assert [problem.key for problem in wrong] == ["rules.filesystem_full_soon.over", "rules.mine.equals"]


def test_the_shipped_windows_hold_looks_at_any_interval() -> None:
    """With the longest interval that the settings allow, and where a look comes no more often than every 30 s."""
    short = [rule.name for rule in ruleset.defaults() if 0 < rule.over_seconds < LEAST_LOOKS * LONGEST_INTERVAL_SECONDS]
    assert short == []


def test_a_rule_says_where_it_is_from() -> None:
    """As shipped, changed by the settings in any part, or the operator's own."""
    rules = by_name(ruleset.build({"memory_high": RuleSettings(enabled=False), "mine": own()}))
    found = {name: rules[name].origin for name in ("memory_high", "memory_critical", "mine")}
    assert found == {"memory_high": Origin.CHANGED, "memory_critical": Origin.SHIPPED, "mine": Origin.OWN}


def test_a_rule_is_switched_off() -> None:
    """It stays in the list and says that it is off."""
    assert not by_name(ruleset.build({"container_stopped": RuleSettings(enabled=False)}))["container_stopped"].enabled


def test_an_own_rule_stands_beside_the_shipped_ones() -> None:
    """It comes last, and can mute shipped rules about the same kind."""
    rules = ruleset.build({"mine": own(inhibits=("container_died",))})
    assert [rule.name for rule in rules] == [*EXPECTED, "mine"]
    assert rules[-1].inhibits == ("container_died",)


@pytest.mark.parametrize("summary", ["{", "}{", "{0}", "{name.x} {name!r:>9}", "100 % {{done}}", "{unheard_of}"])
def test_any_text_will_do_as_a_summary(summary: str) -> None:
    """An operator's own text never fails when it is needed."""
    rule = by_name(ruleset.build({"mine": own(summary=summary)}))["mine"]
    found = finding(rule, {"died": True})
    assert found is not None
    assert found.summary == summary.replace("{unheard_of}", "?").replace("{done}", "?")


def test_placeholders_are_filled_with_facts_and_evidence() -> None:
    """A fact, a word of evidence, the name and the value stand where they are asked for."""
    (rule,) = (
        r for r in ruleset.build({"mine": own(summary="{name} {exit_code} {signal} {value}")}) if r.name == "mine"
    )
    found = finding(rule, {"died": True, "exit_code": 137}, {"signal": "SIGKILL"})
    assert found is not None
    assert found.summary == "x 137 SIGKILL yes"


def test_an_unknown_rule_is_told_with_the_near_one_and_what_an_own_rule_needs() -> None:
    """A mistyped name and an unfinished rule look alike: the message serves both."""
    with pytest.raises(SettingsError) as caught:
        ruleset.build({"memry_high": RuleSettings(above=0.7)}, file=Path("/etc/s.toml"))
    (problem,) = caught.value.problems
    assert problem.startswith(
        "/etc/s.toml: rules.memry_high: found an unknown rule (did you mean memory_high?); allowed: "
    )
    assert problem.endswith("this one lacks kind, fact, severity, title and summary")


def test_all_problems_come_at_once() -> None:
    """Every rule is looked at, and every part of it."""
    found = problems(
        {
            "zzz": RuleSettings(above=1.0),
            "memory_high": RuleSettings(above=80.0),
            "memory_critical": RuleSettings(kind="nats", fact="healthy", below=0.1, clear=0.95),
            "filesystem_full": RuleSettings(inhibits=("filesystem_ful", "memory_high", "filesystem_full")),
            "Mine": own(equals="yes"),
        }
    )
    assert found == [
        "rules.zzz",
        "rules.memory_critical.kind",
        "rules.memory_critical.fact",
        "rules.memory_critical.below",
        "rules.Mine",
        "rules.memory_high.above",
        "rules.memory_critical.clear",
        "rules.Mine.equals",
        "rules.filesystem_full.inhibits[0]",
        "rules.filesystem_full.inhibits[1]",
        "rules.filesystem_full.inhibits[2]",
    ]


@pytest.mark.parametrize("name", ["Mine", "1st", "my-rule", "a" * 65])
def test_the_name_of_a_rule_is_plain(name: str) -> None:
    """It becomes the value of a label."""
    assert problems({name: own()}) == [f"rules.{name}"]


def test_what_was_refused_before_is_not_missed() -> None:
    """A severity or a limit that could not be read is one problem and not two."""
    without = own(severity=None, equals=None)
    assert problems({"mine": without}) == ["rules.mine"]
    assert problems({"mine": without}, ("rules.mine.severity",)) == ["rules.mine"]
    assert problems({"mine": without}, ("rules.mine.severity", "rules.mine.above")) == []


def test_rules_that_mute_each_other_are_refused() -> None:
    """In a circle nobody would be told of anything."""
    overrides = {"container_died": RuleSettings(inhibits=("container_restarting",))}
    _, (problem,) = ruleset.build_collecting(overrides)
    assert problem.key.endswith(".inhibits")
    assert {"container_died", "container_restarting"} <= set(problem.found.split())


def test_good_rules_are_there_beside_problems() -> None:
    """What nothing is wrong with can be listed even if something else is refused."""
    rules, found = ruleset.build_collecting({"memory_high": RuleSettings(above=80.0), "mine": own()})
    assert len(found) == 1
    assert [rule.name for rule in rules] == [name for name in EXPECTED if name != "memory_high"] + ["mine"]


def test_a_broken_package_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shipped rule that cannot be read is an error like any other."""
    broken = tmp_path / "rules.toml"
    broken.write_text("[rules.x]\nkind = 5\n")
    monkeypatch.setattr(ruleset, "RULES_FILE", broken)
    ruleset._shipped.cache_clear()
    try:
        with pytest.raises(SettingsError) as caught:
            ruleset.build({})
    finally:
        ruleset._shipped.cache_clear()
    assert "rules.x.kind" in str(caught.value)
