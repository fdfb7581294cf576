"""A stream that ends before where it ended went back if its server was started anew, and in no other history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.health import baseline
from semsupervisor.health.baseline import MOST_MARKS, TOLD, Fall, Known, Mark
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
    """One that is gone, or was made anew, has lost nothing."""
    fell = Known({"EV": mark(400)}, {"EV": Fall(MADE, 500, 400, AT)})
    assert baseline.follow(fell, {}, AT).falls == {}
    assert baseline.follow(fell, {"EV": mark(1, made=AT)}, AT).falls == {}


def test_what_is_not_read_yet_is_awaited() -> None:
    """A stream that comes later after a start is compared then; of very many the marks are bounded."""
    absent = baseline.follow(Known({"EV": mark(500)}), {}, AT)
    assert baseline.follow(absent, {"EV": mark(400, "B")}, AT).falls["EV"].has == 400
    many = {f"S{number}": mark(1) for number in range(MOST_MARKS + 9)}
    assert len(baseline.follow(Known(many), {"EV": mark(1)}, AT).marks) == MOST_MARKS
    assert set(baseline.follow(Known({"EV": mark(1)}), many, AT).marks) == set(many)


def test_stamps_of_one_moment_may_differ_a_little() -> None:
    """What a server remembers and what it has written down are not the same to the microsecond."""
    later = mark(400, "B", MADE + timedelta(microseconds=150))
    assert baseline.follow(Known({"EV": mark(500)}), {"EV": later}, AT).falls


def test_a_fall_is_told_in_words() -> None:
    """With the snapshot that still holds something of it, if there is one."""
    fall = Fall(MADE, 500, 400, AT, "20261124-020000")
    held = "the snapshot 20261124-020000 still holds some of it"
    assert baseline.text(fall) == f"it ended at number 500 before and ends at 400 now, 100 messages are gone; {held}"
    one = baseline.text(Fall(MADE, 500, 499, AT))
    assert one.endswith("1 message is gone; no hot snapshot here holds it")


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
