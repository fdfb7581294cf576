"""What is known of each subject."""

from __future__ import annotations

from semsupervisor.api.knowledge import merged, of_kind
from semsupervisor.health.observation import FactValue, Observation, Subject, SubjectKind, Unknown
from tests.support.clock import ManualClock

NATS = Subject(SubjectKind.SERVICE, "nats")


def seen(clock: ManualClock, source: str, gone: bool = False, **facts: FactValue) -> Observation:
    """Return what a source sees of NATS a second later."""
    return Observation(source, NATS, clock.advance(1.0), facts, {"by": source}, gone=gone)


SERVER = Subject(SubjectKind.NATS, "nats")


def heard(clock: ManualClock, source: str, **facts: FactValue) -> Observation:
    """Return what a source hears from the NATS server a second later."""
    return Observation(source, SERVER, clock.advance(1.0), facts, {source: "said so"})


def test_each_fact_is_the_newest_one() -> None:
    """Facts of several sources are laid over each other by the time at which they were seen, whatever their order."""
    clock = ManualClock()
    old, new = heard(clock, "varz", version="2.14", healthy=False), heard(clock, "health", healthy=True)
    known = merged([new, old])[SERVER]
    assert known.facts == {"version": "2.14", "healthy": True}
    assert known.at == new.at
    assert known.evidence == {"varz": "said so", "health": "said so"}
    assert known.looks == {"varz": old.at, "health": new.at}


def test_unknown_covers_what_was_known() -> None:
    """A fact that was just looked at in vain is unknown, even if another source saw it before."""
    clock = ManualClock()
    known = merged([heard(clock, "varz", healthy=True), heard(clock, "health", healthy=Unknown("no answer"))])
    assert known[SERVER].facts["healthy"] == Unknown("no answer")


def test_a_service_is_described_as_a_whole() -> None:
    """What a newer look at a service leaves out is not so any more, whoever saw it before; evidence likewise."""
    clock = ManualClock()
    ended = seen(clock, "containers", state="exited", died=True, exit_code=137)
    again = seen(clock, "events", state="running")
    known = merged([ended, again])[NATS]
    assert known.facts == {"state": "running"}
    assert known.evidence == {"by": "events"}


def test_memory_outlasts_a_look_that_did_not_measure_it() -> None:
    """The last measurement stands while the service runs, and means nothing once it does not."""
    clock = ManualClock()
    measured = seen(clock, "containers", state="running", memory_used_bytes=5)
    assert merged([measured, seen(clock, "events", state="paused")])[NATS].facts["memory_used_bytes"] == 5
    assert merged([measured, seen(clock, "events", state="exited")])[NATS].facts == {"state": "exited"}


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
