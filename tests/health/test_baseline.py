"""A stream that ends before where it ended went back if its server was started anew, and in no other history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.health import baseline
from semsupervisor.health.baseline import MOST_MARKS, TOLD, Fall, Known, Mark, Told
from tests.support.jetstream import stream

AT = datetime(2026, 11, 24, tzinfo=UTC)
MADE = AT - timedelta(days=9)
STAMP = "2026-11-15T00:00:00.187363221Z"


def mark(last: int, server: str = "A", made: datetime = MADE) -> Mark:
    """Return how far a stream had got."""
    return Mark(made, last, server)


def test_what_outlives_its_server_is_marked() -> None:
    """Streams in files of which it is told when they were made; others cannot be known again."""
    some = [
        stream(name="EV", created=STAMP),
        stream(name="FAST", created=STAMP, storage="memory"),
        stream(name="OLD", created=""),
        stream(name="NAIVE", created="2026-11-15T00:00:00"),
    ]
    found = baseline.marks("A", some)
    assert set(found) == {"EV"}
    assert (found["EV"].last_sequence, found["EV"].server_id) == (500, "A")


def test_a_lower_end_after_a_start_is_a_fall() -> None:
    """It is told for a day, with both ends, and the marks go on from what is there."""
    known = baseline.follow(Known({"EV": mark(500)}), {"EV": mark(400, "B")}, AT)
    assert known == Known({"EV": mark(400, "B")}, {"EV": Fall(MADE, 500, 400, AT)})
    later = baseline.follow(known, {"EV": mark(450, "B")}, AT + timedelta(hours=1))
    assert later.falls == known.falls
    assert baseline.follow(later, {"EV": mark(451, "B")}, AT + TOLD).falls == {}


def test_a_fall_ends_with_its_stream() -> None:
    """One that was made anew has lost nothing; one that is not there now, as after a start, is not told of."""
    fell = Known({"EV": mark(400)}, {"EV": Fall(MADE, 500, 400, AT)})
    away = baseline.follow(fell, {}, AT)
    assert baseline.told(away, {}) == Told()
    assert baseline.told(baseline.follow(away, {"EV": mark(400)}, AT), {"EV": mark(400)}).falls == fell.falls
    assert baseline.follow(fell, {"EV": mark(1, made=AT)}, AT).falls == {}


def test_what_is_not_read_yet_is_awaited() -> None:
    """A stream that comes later after a start is compared then."""
    absent = baseline.follow(Known({"EV": mark(500)}), {}, AT)
    assert baseline.follow(absent, {"EV": mark(400, "B")}, AT).falls["EV"].has == 400


def test_of_very_many_streams_some_are_judged() -> None:
    """The marks are bounded, present or not; those that were there stay, and of the others nothing is said."""
    many = {f"S{number}": mark(1) for number in range(MOST_MARKS + 9)}
    assert len(baseline.follow(Known(many), {"EV": mark(1)}, AT).marks) == MOST_MARKS
    now = {**many, "EV": mark(1)}
    known = baseline.follow(Known({"EV": mark(1)}), now, AT)
    told = baseline.told(known, now)
    assert told.judged == set(known.marks) == {"EV", *(f"S{number}" for number in range(MOST_MARKS - 1))}
    assert baseline.shown(told, f"S{MOST_MARKS}") == ({}, {}, frozenset())


def test_what_is_not_known_is_not_shown_as_well() -> None:
    """Before the file is read, or when it was garbled, a stream may have fallen; for a day after that it may."""
    waited: tuple[object, ...] = ({}, {}, frozenset({"went_back"}))
    assert baseline.shown(None, "EV") == waited
    known = baseline.follow(Known(unsure_since=AT), {"EV": mark(1)}, AT)
    assert baseline.shown(baseline.told(known, known.marks), "EV") == waited
    fell = baseline.follow(msgspec.structs.replace(known, marks={"EV": mark(2)}), {"EV": mark(1, "B")}, AT)
    assert baseline.shown(baseline.told(fell, fell.marks), "EV")[0] == {"went_back": True}
    later = baseline.follow(known, {"EV": mark(1)}, AT + TOLD)
    assert baseline.shown(baseline.told(later, later.marks), "EV") == ({"went_back": False}, {}, frozenset())


@pytest.mark.parametrize("by", [timedelta(days=365 * 50), -timedelta(days=1), timedelta(days=-7)])
def test_a_clock_that_is_set_moves_what_was_found(by: timedelta) -> None:
    """So that it is told for a day of the time that really passes."""
    known = Known({}, {"EV": Fall(MADE, 500, 400, AT)}, AT)
    after = baseline.moved(known, by)
    assert (after.falls["EV"].found_at, after.unsure_since) == (AT + by, AT + by)
    assert baseline.moved(Known(), by) == Known()


@pytest.mark.parametrize("found_at", [AT + timedelta(days=9), datetime(1970, 1, 1, tzinfo=UTC)])
def test_what_was_found_when_it_cannot_have_been_is_found_now(found_at: datetime) -> None:
    """In a file from the future, or from before the stream was made, as of a host that booted in 1970."""
    read = Known({}, {"EV": Fall(MADE, 500, 400, found_at), "OK": Fall(MADE, 5, 4, AT - TOLD / 2)}, found_at)
    known = baseline.begun(read, AT)
    assert {name: fall.found_at for name, fall in known.falls.items()} == {"EV": AT, "OK": AT - TOLD / 2}
    assert known.unsure_since == min(found_at, AT)
    assert baseline.begun(Known(), AT) == Known()


def test_what_is_lower_now_is_not_kept_higher() -> None:
    """Of the same stream only: an older one of that name is not compared."""
    kept = {"EV": mark(500), "MORE": mark(5), "AWAY": mark(5), "ANEW": mark(5)}
    now = {"EV": mark(400), "MORE": mark(6), "ANEW": mark(1, made=AT)}
    assert baseline.lowered(kept, now) == {**kept, "EV": mark(400)}


def test_stamps_of_one_moment_may_differ_a_little() -> None:
    """What a server remembers and what it has written down are not the same to the microsecond."""
    later = mark(400, "B", MADE + timedelta(microseconds=150))
    assert baseline.follow(Known({"EV": mark(500)}), {"EV": later}, AT).falls


def test_a_fall_is_told_in_words() -> None:
    """With the snapshot that goes beyond it, if there is one, or was looked for."""
    begins = "it ended at number 500 before and ends at 400 now, so that up to 100 messages are gone; "
    fall = Fall(MADE, 500, 400, AT)
    assert baseline.text(fall) == f"{begins}the hot snapshots could not all be looked through for it yet"
    held = msgspec.structs.replace(fall, snapshot="20261124-020000")
    assert baseline.text(held) == f"{begins}the snapshot 20261124-020000 goes beyond that"
    one = baseline.text(Fall(MADE, 500, 499, AT, ""))
    assert one.endswith("up to 1 message is gone; no hot snapshot here goes beyond that")


# What happens to a stream between two looks: it is written to, emptied, its server started anew, or it is made anew.
STEPS = st.lists(st.sampled_from(["write", "purge", "start", "anew", "look"]), max_size=40)


def history(steps: list[str], loss: int = 0) -> Known:
    """Return what is known after such a history; at its end the server is started anew, having lost its last `loss`."""
    known, last, server, made = Known(), 0, 0, MADE
    for step in [*steps, *(["write", "look", "lose", "start", "look"] if loss else [])]:
        match step:
            case "write":
                last += 7
            case "start":
                server += 1
            case "anew":
                last, made = 0, made + timedelta(minutes=1)
            case "lose":
                last -= loss
            case "look":
                known = baseline.follow(known, {"EV": mark(last, str(server), made)}, AT)
            case _:
                pass
    return known


@given(steps=STEPS)
def test_no_history_without_a_loss_is_a_fall(steps: list[str]) -> None:
    """Whatever is done to a stream by its server's own means, while somebody looks or not, is none."""
    assert history(steps).falls == {}


@given(steps=STEPS, loss=st.integers(1, 7))
def test_each_loss_of_the_end_is_a_fall(steps: list[str], loss: int) -> None:
    """However it came to be as it was."""
    fall = history(steps, loss).falls["EV"]
    assert fall.was - fall.has == loss
