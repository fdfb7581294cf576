"""Every rule that concerns a subject looks at an observation of it, and no other."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from semsupervisor.alerts.histories import Histories
from semsupervisor.alerts.judging import NOT_MEASURED, Change, Key, index, judge
from semsupervisor.alerts.lifecycle import Alert, AlertState
from semsupervisor.alerts.rules import Comparison, Rule
from semsupervisor.alerts.ruleset import defaults
from semsupervisor.health.observation import FactValue, Observation, Outcome, Subject, SubjectKind
from tests.support.alerting import (
    DIED,
    DISK,
    DOWN,
    FILLING,
    FULL,
    NATS_SERVICE,
    SEMSTREAMS,
    SERVICE,
    UNKNOWN,
    alert,
    changed,
    gone,
    ids,
    moment,
    saw,
)
from tests.support.clock import ManualClock

RULES = index([DIED, DOWN, FILLING, FULL])
PENDING, FIRING, RESOLVED = AlertState.PENDING, AlertState.FIRING, AlertState.RESOLVED


def known(*alerts: Alert) -> dict[Key, Alert]:
    """Return open alerts as the pipeline keeps them."""
    return {(one.rule, one.subject): one for one in alerts}


def states(changes: list[Change]) -> dict[str, tuple[AlertState | None, AlertState | None]]:
    """Return what each rule's alert was and is."""
    return {
        change.rule.name: (
            change.before.state if change.before else None,
            change.after.state if change.after else None,
        )
        for change in changes
    }


def test_rules_stand_by_the_kind_of_subject() -> None:
    """Every kind has its enabled rules, in the order of the settings; switched off ones are nowhere."""
    found = index([FULL, DIED, changed(DOWN, enabled=False), FILLING])
    assert set(found) == set(SubjectKind)
    assert [rule.name for rule in found[SubjectKind.FILESYSTEM]] == ["filesystem_full", "filesystem_filling"]
    assert found[SubjectKind.SEMSTREAMS] == ()


@pytest.mark.parametrize(
    ("subject", "facts", "found"),
    [
        (SERVICE, {"died": True}, {"container_died": (None, FIRING)}),
        (SERVICE, {"died": False}, {}),
        (SERVICE, {"died": UNKNOWN}, {}),
        (SERVICE, {"state": "running"}, {}),
        (DISK, {"used_ratio": 0.85}, {"filesystem_filling": (None, PENDING)}),
        (DISK, {"used_ratio": 0.95}, {"filesystem_filling": (None, PENDING), "filesystem_full": (None, FIRING)}),
        (SEMSTREAMS, {"reachable": True, "died": True}, {}),
    ],
)
def test_what_begins(
    subject: Subject, facts: dict[str, FactValue], found: dict[str, tuple[AlertState | None, AlertState | None]]
) -> None:
    """Nothing comes of nothing; each rule that holds begins its own episode."""
    assert states(judge(RULES, {}, saw(subject, facts), ids(), Histories())) == found


def test_one_subject_does_not_touch_another() -> None:
    """The alert of one service goes on whatever is seen of another, or of one that no pattern matches."""
    open_ones = known(alert(DIED, SERVICE))
    assert judge(RULES, open_ones, saw(NATS_SERVICE, {"died": False}), ids(), Histories()) == []
    only_nats = index([changed(DIED, subjects=("nats",))])
    assert judge(only_nats, {}, saw(SERVICE, {"died": True}), ids(), Histories()) == []


@pytest.mark.parametrize(
    ("rule", "facts", "change"),
    [
        (DIED, {"died": False}, (FIRING, RESOLVED)),
        (DIED, {"died": True}, (FIRING, FIRING)),
        (DIED, {"died": UNKNOWN}, (FIRING, FIRING)),
        (FILLING, {"used_ratio": 0.76}, (FIRING, FIRING)),
    ],
)
def test_what_goes_on_and_ends(rule: Rule, facts: dict[str, FactValue], change: tuple[AlertState, AlertState]) -> None:
    """An open alert takes each look along; the counting of time is a change too."""
    subject = DISK if rule is FILLING else SERVICE
    (found,) = judge(index([rule]), known(alert(rule, subject)), saw(subject, facts, moment(2)), ids(), Histories())
    assert states([found]) == {rule.name: change}
    assert found.resolved is (change[1] is RESOLVED)
    assert not found.began_firing


def test_a_pending_one_goes_without_a_trace() -> None:
    """Inactive is None, and neither fired nor resolved."""
    (found,) = judge(RULES, known(alert(FILLING, DISK, PENDING)), saw(DISK, {"used_ratio": 0.5}), ids(), Histories())
    assert (found.after, found.began_firing, found.resolved) == (None, False, False)


def test_removal_ends_all_alerts_of_the_subject() -> None:
    """When a file system is gone, so is all that was wrong with it."""
    open_ones = known(alert(FILLING, DISK), alert(FULL, DISK), alert(DIED, SERVICE))
    found = judge(RULES, open_ones, gone(DISK), ids(), Histories())
    assert states(found) == {"filesystem_filling": (FIRING, RESOLVED), "filesystem_full": (FIRING, RESOLVED)}


def test_the_clearing_value_counts_for_what_fires_only() -> None:
    """Between clearing value and limit a firing alert goes on, and none begins."""
    between = saw(DISK, {"used_ratio": 0.78})
    rules = index([changed(FILLING, for_seconds=0.0, clear_for_seconds=0.0)])
    assert judge(rules, {}, between, ids(), Histories()) == []
    (pending,) = judge(rules, known(alert(FILLING, DISK, PENDING)), between, ids(), Histories())
    assert pending.after is None
    (found,) = judge(rules, known(alert(FILLING, DISK)), between, ids(), Histories())
    assert found.after is not None
    assert found.after.state is FIRING


def looked(before: Alert, *looks: Observation) -> Alert | None:
    """Return what becomes of an alert by looks, one after the other."""
    now: Alert | None = before
    for observation in looks:
        assert now is not None
        changes = judge(index([FILLING]), known(now), observation, ids(), Histories())
        now = changes[0].after if changes else now
    return now


def without(*at: float, source: str = "test", **changes: Any) -> list[Observation]:
    """Return looks at the file system that do not give how full it is."""
    return [
        msgspec.structs.replace(saw(DISK, {"free_bytes": 1}, moment(seconds), source=source), **changes)
        for seconds in at
    ]


FULLER = saw(DISK, {"used_ratio": 0.95})


def test_what_is_not_measured_any_more_is_over() -> None:
    """Three good looks of the source of the fact within minutes end the alert; a restart in between counts anew."""
    firing = looked(alert(FILLING, DISK), FULLER)
    assert firing is not None
    over = looked(firing, *without(60.0, 200.0, 360.0))
    assert over is not None
    assert (over.state, over.resolved_because) == (RESOLVED, NOT_MEASURED.format(DISK.name, "used ratio"))
    halfway = looked(firing, *without(60.0, 120.0, 180.0))
    assert halfway is not None
    assert halfway.state is FIRING
    again = msgspec.structs.replace(halfway, without_since=None, seen_monotonic=None)
    assert [getattr(looked(again, *without(*at)), "state", None) for at in ((400.0, 500.0, 700.0), (400.0, 700.0))] == [
        RESOLVED,
        FIRING,
    ]
    assert looked(msgspec.structs.replace(firing, state=PENDING), *without(60.0, 200.0, 360.0)) is None


@pytest.mark.parametrize(
    "looks",
    [
        without(60.0, 200.0, 360.0, source="another"),
        without(60.0, 200.0, 360.0, outcome=Outcome.DOWN),
        without(60.0, 200.0, 360.0, outcome=Outcome.UNKNOWN),
        without(60.0, 200.0, 360.0, unsettled=frozenset({"used_ratio"})),
        [*without(60.0, 200.0), saw(DISK, {"used_ratio": UNKNOWN}, moment(300.0)), *without(360.0)],
        [*without(60.0, 200.0), saw(DISK, {"used_ratio": 0.95}, moment(300.0)), *without(360.0)],
        without(60.0, 360.0),
    ],
)
def test_what_was_not_looked_at_for_sure_is_not_over(looks: list[Observation]) -> None:
    """Another source, a failed look, one that is too early, a fact in between, and too few looks end nothing."""
    firing = looked(alert(FILLING, DISK), FULLER)
    assert firing is not None
    after = looked(firing, *looks)
    assert after is not None
    assert after.state is FIRING


def test_an_alert_knows_whether_its_source_had_an_answer() -> None:
    """What is known of a failed look alone is no word of the subject itself."""
    seen = [FULLER, msgspec.structs.replace(FULLER, outcome=Outcome.DOWN)]
    assert [getattr(looked(alert(FILLING, DISK), one), "answered", None) for one in seen] == [True, False]


def test_an_alert_knows_whether_its_subject_is_apart() -> None:
    """The last look at it counts."""
    seen = [FULLER, msgspec.structs.replace(FULLER, apart=True)]
    assert [getattr(looked(alert(FILLING, DISK), one), "apart", None) for one in seen] == [False, True]


def test_what_has_happened_is_not_over_for_not_being_told_again() -> None:
    """An observation of a service may tell of an event, of which those after it say nothing."""
    firing = msgspec.structs.replace(alert(DIED, SERVICE), source="test")
    looks = [saw(SERVICE, {"running": False}, moment(at)) for at in (60.0, 200.0, 360.0, 900.0)]
    assert [judge(RULES, known(firing), look, ids(), Histories()) for look in looks] == [[]] * 4


def test_a_rule_sees_the_course_of_its_own_subject() -> None:
    """One disk that grows fires the rule about rates for itself and for no other."""
    rule = changed(FILLING, comparison=Comparison.RATE_ABOVE, limit=0.001, clear=None, over_seconds=60.0, for_seconds=0)
    histories, other = Histories([rule]), Subject(DISK.kind, "/other")
    for number in range(4):
        for subject, value in ((DISK, 0.1 * number), (other, 0.1)):
            histories.take(saw(subject, {"used_ratio": value}, moment(number * 20)))
    (found,) = judge(index([rule]), {}, saw(DISK, {"used_ratio": 0.3}, moment(60)), ids(), histories)
    assert found.began_firing
    assert judge(index([rule]), {}, saw(other, {"used_ratio": 0.1}, moment(60)), ids(), histories) == []


WAVERING = random.Random(7)


def was_told(rule: Rule, pending: Callable[[int], float]) -> bool:
    """Tell whether a rule on a consumer fires in three hours in which so many messages wait at each second."""
    clock, histories, alerts = ManualClock(), Histories([rule]), dict[Key, Alert]()
    subject, rules = Subject(SubjectKind.CONSUMER, "WORK/worker"), index([rule])
    for second in range(0, 3 * 3600, 30):
        seen = Observation("test", subject, clock.instant(), {"pending": max(0, round(pending(second)))})
        histories.take(seen)
        for change in judge(rules, alerts, seen, ids(), histories):
            if change.began_firing:
                return True
            alerts = known(change.after) if change.after else {}
        clock.advance(30.0)
    return False


@pytest.mark.parametrize(
    ("pending", "told"),
    [
        (lambda second: 2 * second, True),
        (lambda second: 2 * second + WAVERING.uniform(-300, 300), True),
        (lambda second: 0, False),
        (lambda second: 90_000, False),
        (lambda second: 200_000 - 20 * second, False),  # catches up after a restart
        (lambda second: 100_000 - 20 * (second - 1800) if second > 1800 else 0, False),  # a burst that is worked off
        (lambda second: 100_000 if second > 1800 else 0, False),  # one that waits for its time
        (lambda second: 9_000 - 10 * (second % 1800), False),  # one each half hour
        (lambda second: 50 * min(second % 3600, 600) - 25 * max(0, second % 3600 - 600), False),  # ten minutes of it
        (lambda second: WAVERING.uniform(0, 20_000), False),
        (lambda second: second / 10, False),
    ],
)
def test_a_consumer_that_falls_behind_is_told_and_no_other(pending: Callable[[int], float], told: bool) -> None:
    """What grows for a quarter of an hour and more is; a burst, be it ever so large, and what wavers is not."""
    (rule,) = (one for one in defaults() if one.name == "consumer_backlog_growing")
    assert was_told(rule, pending) is told
