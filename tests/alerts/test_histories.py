"""What is remembered for the rules: what they ask for, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.alerts.histories import Histories
from semsupervisor.alerts.rules import Comparison, Rule
from semsupervisor.health.observation import FactValue, Observation, Subject, SubjectKind
from tests.support.alerting import DIED, DISK, FILLING, SERVICE, UNKNOWN, changed, gone, moment, saw

GROWING = changed(FILLING, comparison=Comparison.FULL_WITHIN, limit=86400.0, clear=None, over_seconds=600.0)
RISING = changed(GROWING, name="rising", comparison=Comparison.RATE_ABOVE, limit=1.0, over_seconds=60.0)
INODES = changed(GROWING, name="inodes", fact="inodes_used_ratio")
OTHER = Subject(SubjectKind.FILESYSTEM, "/srv")


def used(value: FactValue, seconds: float = 0.0, subject: Subject = DISK) -> Observation:
    """Return a look at a disk."""
    return saw(subject, {"used_ratio": value}, moment(seconds))


def readings(histories: Histories, rule: Rule = GROWING, subject: Subject = DISK) -> list[float]:
    """Return the values that a rule sees."""
    series = histories.of(rule, subject)
    return [] if series is None else [value for _, value in series.readings(1e9, 1e9)]


def test_only_what_a_rule_asks_for_is_kept() -> None:
    """Facts, kinds and subjects that no rule looks at over time leave nothing behind."""
    histories = Histories([changed(GROWING, subjects=("/",)), changed(INODES, enabled=False), FILLING, DIED])
    histories.take(used(0.5))
    histories.take(used(0.5, subject=OTHER))
    histories.take(saw(DISK, {"inodes_used_ratio": 0.1}))
    histories.take(saw(SERVICE, {"died": True}))
    assert len(histories) == 1
    assert readings(histories) == [0.5]
    assert histories.of(FILLING, DISK) is None


def test_each_window_has_a_course_of_its_own() -> None:
    """A short window is not thinned by a long one; rules with the same window share it."""
    histories = Histories([GROWING, RISING, changed(GROWING, name="again", limit=60.0)])
    for number in range(5):
        histories.take(used(0.1 * number, number))
    assert len(histories) == 2
    assert len(readings(histories, RISING)) == 5
    assert len(readings(histories)) < 5


def test_what_is_no_number_adds_nothing() -> None:
    """Unknown is a gap, and neither a yes nor a text is a number."""
    histories = Histories([GROWING])
    values: list[FactValue] = [0.5, UNKNOWN, "0.6", True, 1]
    for number, value in enumerate(values):
        histories.take(used(value, 10.0 * number))
    assert readings(histories) == [0.5, 1.0]


def test_a_removed_subject_takes_its_courses_along() -> None:
    """All of them, and those of no other subject."""
    histories = Histories([GROWING, RISING])
    for subject in (DISK, OTHER):
        histories.take(used(0.5, subject=subject))
    histories.take(gone(SERVICE))
    assert len(histories) == 4
    histories.take(gone(DISK))
    assert len(histories) == 2
    assert readings(histories, subject=OTHER) == [0.5]


def test_other_rules_keep_what_they_still_ask_for() -> None:
    """After a reload a course goes on that is asked for as before; another window begins anew."""
    histories = Histories([GROWING, INODES])
    histories.take(used(0.5))
    histories.take(saw(DISK, {"inodes_used_ratio": 0.1}))
    histories.keep_for([changed(GROWING, limit=60.0), changed(INODES, over_seconds=60.0)])
    assert len(histories) == 1
    assert readings(histories) == [0.5]
    histories.keep_for([changed(GROWING, subjects=("/other",))])
    assert len(histories) == 0


def test_what_nobody_sees_any_more_is_forgotten() -> None:
    """A subject that went without a word is dropped when another one appears after its window."""
    histories = Histories([GROWING])
    histories.take(used(0.5))
    histories.take(used(0.5, 500.0, OTHER))
    assert len(histories) == 2
    histories.take(used(0.5, 700.0, Subject(SubjectKind.FILESYSTEM, "/new")))
    assert readings(histories) == []
    assert len(histories) == 2


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1), st.booleans()), max_size=200))
def test_no_more_courses_than_subjects_and_windows(looks: list[tuple[int, float, bool]]) -> None:
    """Whatever comes and goes, what is kept is bounded by what is there."""
    histories = Histories([GROWING, RISING])
    there: set[Subject] = set()
    for number, (name, value, leaves) in enumerate(looks):
        subject = Subject(SubjectKind.FILESYSTEM, f"/{name}")
        histories.take(gone(subject) if leaves else used(value, float(number), subject))
        there = there - {subject} if leaves else there | {subject}
        assert len(histories) <= 2 * len(there)
