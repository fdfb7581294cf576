"""What is known of each subject."""

from __future__ import annotations

from semsupervisor.api.knowledge import merged, of_kind
from semsupervisor.health.observation import FactValue, Observation, Subject, SubjectKind, Unknown
from tests.support.clock import ManualClock

NATS = Subject(SubjectKind.SERVICE, "nats")


def seen(clock: ManualClock, source: str, gone: bool = False, **facts: FactValue) -> Observation:
    """Return what a source sees of NATS a second later."""
    return Observation(source, NATS, clock.advance(1.0), facts, {"by": source}, gone=gone)


def test_each_fact_is_the_newest_one() -> None:
    """Facts of several sources are laid over each other by the time at which they were seen, whatever their order."""
    clock = ManualClock()
    old, new = seen(clock, "containers", state="running", restarts=3), seen(clock, "events", state="exited")
    known = merged([new, old])[NATS]
    assert known.facts == {"state": "exited", "restarts": 3}
    assert known.at == new.at
    assert known.evidence == {"by": "events"}
    assert known.looks == {"containers": old.at, "events": new.at}


def test_unknown_covers_what_was_known() -> None:
    """A fact that was just looked at in vain is unknown, even if another source saw it before."""
    clock = ManualClock()
    known = merged([seen(clock, "containers", state="running"), seen(clock, "events", state=Unknown("no answer"))])
    assert known[NATS].facts["state"] == Unknown("no answer")


def test_what_was_removed_is_not_known() -> None:
    """A subject that is gone is left out, until it is seen again."""
    clock = ManualClock()
    before, gone = seen(clock, "containers", state="running"), seen(clock, "events", gone=True)
    assert merged([gone, before]) == {}
    again = seen(clock, "containers", state="created")
    assert merged([again, gone, before])[NATS].facts == {"state": "created"}


def test_the_subjects_of_a_kind_are_sorted() -> None:
    """Subjects come by kind and name, so that two looks show them in the same order."""
    at = ManualClock().instant()
    names = ["b", "a", "c"]
    known = merged(Observation("x", Subject(SubjectKind.NATS, name), at, {}) for name in names)
    assert [one.subject.name for one in of_kind(known, SubjectKind.NATS)] == ["a", "b", "c"]
    assert of_kind(known, SubjectKind.HOST) == []
